"""Engines of the commands: the same results on rows, the word that work is stored with, and resumes that obey it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

import dmcnn
from conftest import toy_images
from dmcnn import display, infer, occlude, train, tune
from dmcnn._common.errors import InputError
from dmcnn._common.journal import Journal
from dmcnn.checkpoints.save import save
from dmcnn.checkpoints.torch_file import read
from dmcnn.displays.event import Display
from dmcnn.engines import cost, maps
from dmcnn.engines.choice import ENGINES
from dmcnn.engines.cost import Rates
from dmcnn.inference import predictor
from dmcnn.occlusion.choice import WORDS
from dmcnn.settings import COMMANDS

RATES = Rates(
    convolution=2e-11, matrix=2e-11, number=1e-10, row_number=1e-10, spread=1e-9, place=1e-8, step=1e-4
)
SLOW_ROWS = replace(RATES, step=100.0)


@pytest.fixture
def rows_are(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes rows "fast" or "slow" by the measured rates, whatever they are."""

    def rates(what: str) -> None:
        monkeypatch.setattr(cost, "rates", lambda precision: RATES if what == "fast" else SLOW_ROWS)

    rates("fast")
    return rates


@pytest.fixture
def weights(toy_weights: Path) -> Path:
    return toy_weights


@pytest.fixture
def words(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> list[str]:
    """Command-line words of a command with the network."""
    given = {"input_file": toy_files["test"], "weight_file": weights, "output_dir": tmp_path, "GPUID": "cpu"}
    return [f"{key}={value}" for key, value in given.items()]


def logits_of(path: Path) -> np.ndarray[Any, Any]:
    with path.open() as file:
        return np.array([float(row["logit_signal"]) for row in csv.DictReader(file)])


def stop_at(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """Interrupt the next command before it stores that part of its results."""
    append, calls = Journal.append, []

    def interrupted(self: Journal, rows: Any) -> None:
        calls.append(len(rows))
        if len(calls) == part:
            raise KeyboardInterrupt
        append(self, rows)

    monkeypatch.setattr(Journal, "append", interrupted)


def test_every_command_with_a_network_knows_the_engines() -> None:
    for command in ("train", "infer", "display", "occlude", "attribute"):
        field = COMMANDS[command].model_fields["engine"]
        known = WORDS if command == "occlude" else ENGINES
        assert set(get_args(field.annotation)) == set(known)
        assert field.default == "auto"
    assert "engine" not in COMMANDS["evaluate"].model_fields


@pytest.mark.slow
def test_infer_scores_alike_and_says_how(
    words: list[str], tmp_path: Path, rows_are: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    for engine in ENGINES:
        assert infer.main([*words, f"name={engine}", f"engine={engine}"]) == 0
    of = {engine: logits_of(tmp_path / f"toy_test_DM-CNN_scores_{engine}.csv") for engine in ENGINES}
    np.testing.assert_allclose(of["sparse"], of["dense"], atol=1e-5, rtol=0)
    assert (of["auto"] == of["sparse"]).all()
    (line,) = [line for line in caplog.messages if line.startswith("engine:")]
    assert line.startswith("engine: sparse (")
    assert "x fewer multiplications, " in line
    texts = {engine: (tmp_path / f"toy_test_DM-CNN_scores_{engine}.cfg").read_text() for engine in ENGINES}
    assert f"# {line}\n" in texts["auto"]
    assert "# engine: dense, as asked for\n" in texts["dense"]
    rows_are("slow")
    (tmp_path / "toy_test_DM-CNN_scores_auto.csv").unlink()  # else the file is finished
    assert infer.main([*words, "name=auto"]) == 0
    assert (logits_of(tmp_path / "toy_test_DM-CNN_scores_auto.csv") == of["dense"]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("begun", "now"), [("sparse", "slow"), ("dense", "fast")])
def test_unfinished_inference_keeps_its_engine(
    words: list[str], tmp_path: Path, rows_are: Callable[[str], None], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, begun: str, now: str,
) -> None:  # fmt: skip
    """The journal of the dense engine has no word of it, as those of earlier versions."""
    caplog.set_level("INFO", "dmcnn")
    assert infer.main([*words, f"engine={begun}"]) == 0
    table = tmp_path / "toy_test_DM-CNN_scores.csv"
    whole = table.read_bytes()
    table.unlink()
    monkeypatch.setattr(predictor, "EVENTS", 4)
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        assert infer.main([*words, f"engine={begun}", "batch_size=4"]) == 130
    journal = tmp_path / ".toy_test_DM-CNN_scores.journal"
    assert json.loads(journal.read_bytes().partition(b"\n")[0]).get("engine", "dense") == begun
    other = "dense" if begun == "sparse" else "sparse"
    before = journal.read_bytes()
    capsys.readouterr()
    assert infer.main([*words, f"engine={other}", "batch_size=4"]) == 2
    fault = capsys.readouterr().err
    assert f"{journal}: made with engine = {begun}, now {other}" in fault
    assert fault.count("\n") == 1
    assert journal.read_bytes() == before
    rows_are(now)
    caplog.clear()
    assert infer.main([*words, "batch_size=4"]) == 0
    assert f"engine: {begun}, as in the work that goes on" in caplog.messages
    assert not any("begins anew" in line for line in caplog.messages)
    again = table.read_bytes()
    assert len(again.splitlines()) == len(whole.splitlines())
    table.write_bytes(whole)
    expected = logits_of(table)
    table.write_bytes(again)
    np.testing.assert_allclose(logits_of(table), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_occlusion_is_alike_and_keeps_its_engine(
    words: list[str], tmp_path: Path, rows_are: Callable[[str], None], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = [*words, "occlusion_size=2", "stride=4", "batch_size=4", "-n", "2"]
    path = tmp_path / "occlusion_test_toy_test_ENTRY_2.npz"
    journal = tmp_path / ".occlusion_test_toy_test_ENTRY_2.journal"
    of = {}
    for engine in ("dense", "sparse"):
        assert occlude.main([*asked, f"engine={engine}"]) == 0
        of[engine] = dict(np.load(path))
        key = json.loads(str(of[engine]["key"]))
        assert key.get("engine") == (None if engine == "dense" else "sparse")
        for what in ("logits", "base_logits", "maps"):
            np.testing.assert_allclose(of[engine][what], of["dense"][what], atol=1e-5, rtol=0)
    assert (of["sparse"]["logits"] != of["dense"]["logits"]).any(), "made on rows"
    rows_are("slow")
    with monkeypatch.context() as patch:  # a finished map serves, whatever made it
        patch.setattr(Journal, "append", lambda *_: pytest.fail("scored again"))
        assert occlude.main(asked) == 0
    path.unlink()
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        assert occlude.main([*asked, "engine=sparse"]) == 130
    assert occlude.main([*asked, "engine=dense"]) == 2
    assert f"{journal}: made with engine = sparse, now dense" in capsys.readouterr().err
    assert occlude.main(asked) == 0
    again = dict(np.load(path))
    assert str(again["key"]) == str(of["sparse"]["key"])
    assert (again["logits"] == of["sparse"]["logits"]).all()


@pytest.mark.slow
def test_display_shows_the_same_score(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = []
    monkeypatch.setattr(Display, "draw", lambda self, number, event, found: scores.append(found.named))
    for engine in ("dense", "sparse"):
        assert display.main([*words, "-n", "3", f"engine={engine}"]) == 0
        text = (tmp_path / "DM-CNN_display.cfg").read_text()
        assert f"# engine: {engine}, as asked for\n" in text
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def losses_of(folder: Path) -> np.ndarray[Any, Any]:
    with (folder / "DM-CNN_training_metrics_toy.csv").open() as file:
        return np.array([[float(row[key]) for key in ("train_loss", "validation_loss")]
                         for row in csv.DictReader(file)])  # fmt: skip


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read(path)["state_dict"]
    return state


@pytest.mark.slow
def test_a_training_on_rows_is_the_dense_one(
    train_words: list[str], tmp_path: Path, rows_are: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty steps: losses, checkpoints and the words on the engine."""
    caplog.set_level("INFO", "dmcnn")
    losses, states = {}, {}
    for engine in ("dense", "auto"):
        places = [f"weights_directory={tmp_path / engine}", f"output_directory={tmp_path / engine}"]
        more = ["EPOCHS=5", "test_every_step=4", "drop_out=0", "augment=False", f"engine={engine}"]
        assert train.main([*train_words, *places, *more]) == 0
        losses[engine] = losses_of(tmp_path / engine)
        states[engine] = read(tmp_path / engine / "DM-CNN_model_toy_last.ckpt")
        summary = json.loads((tmp_path / engine / "DM-CNN_training_summary_toy.json").read_text())
        stored = states[engine]["dmcnn"]["environment"]["engine"]
        assert stored == summary["engine"] == {"dense": "dense", "auto": "sparse"}[engine]
    assert len(losses["auto"]) == 5
    falls, rows = losses["dense"][:, 0], losses["auto"][:, 0]
    assert falls[-1] < 0.1 * falls[0], "it learns"
    np.testing.assert_allclose(losses["auto"][0], losses["dense"][0], rtol=0.01)
    # Adam moves weights whose gradient is nearly 0 by the sign of its rounding
    np.testing.assert_allclose(rows, falls, atol=0.03, rtol=0)
    assert states["auto"]["state_dict"].keys() == states["dense"]["state_dict"].keys()
    (line,) = [line for line in caplog.messages if line.startswith("engine:")]
    assert line.startswith("engine: sparse (")
    assert any(line.endswith("precision 32, engine sparse") for line in caplog.messages)


@pytest.mark.slow
def test_a_training_resumes_with_its_engine(
    train_words: list[str],
    tmp_path: Path,
    rows_are: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bit for bit the training without a break, although auto would now choose the other engine."""
    monkeypatch.setattr(maps, "CROWDED", 0.2)  # layers on rows, then dense ones
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    assert train.main([*train_words, "engine=sparse"]) == 0
    whole = weights_of(last)
    assert train.main([*train_words, "EPOCHS=1", "engine=sparse", "resume=False"]) == 0
    assert train.main([*train_words, "engine=dense"]) == 2
    assert f"{last}: made with engine = sparse, now dense" in capsys.readouterr().err
    rows_are("slow")
    assert train.main(train_words) == 0
    assert all(torch.equal(value, whole[name]) for name, value in weights_of(last).items())
    assert read(last)["dmcnn"]["environment"]["engine"] == "sparse"


@pytest.mark.slow
def test_a_training_of_an_earlier_version_resumes_dense(
    train_words: list[str], tmp_path: Path, rows_are: Callable[[str], None]
) -> None:
    last = tmp_path / "weights" / "DM-CNN_model_toy_last.ckpt"
    assert train.main([*train_words, "engine=dense"]) == 0
    whole = weights_of(last)
    assert train.main([*train_words, "EPOCHS=1", "engine=dense", "resume=False"]) == 0
    content = read(last)
    del content["dmcnn"]["environment"]["engine"]
    lines = content["dmcnn"]["cfg"].splitlines(keepends=True)
    content["dmcnn"]["cfg"] = "".join(line for line in lines if not line.startswith("engine"))
    save(last, content)
    assert train.main(train_words) == 0
    assert all(torch.equal(value, whole[name]) for name, value in weights_of(last).items())


@pytest.mark.slow
def test_recorded_activities_need_dense_maps(
    train_words: list[str], tmp_path: Path, rows_are: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert train.main([*train_words, "EPOCHS=1", "l2_activity=0.001"]) == 0
    (line,) = [line for line in caplog.messages if "engine:" in line]
    assert line.startswith("engine: dense, for ")
    assert line.endswith(" carries a hook")


@pytest.mark.slow
def test_trials_say_their_engine(
    train_words: list[str], tmp_path: Path, rows_are: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted trial keeps its engine, whatever the base says by then."""
    base = tmp_path / "base.cfg"

    def write(engine: str) -> None:
        pairs = (word.partition("=")[::2] for word in [*train_words, "EPOCHS=1", f"engine={engine}"])
        lines = [
            f"{key} = {value if value.replace('.', '').isdecimal() else repr(value)}" for key, value in pairs
        ]
        base.write_text("\n".join(line.replace("precision = 32", "precision = '32'") for line in lines))

    asked = [
        f"base={base}", 'space={"drop_out": [0.1, 0.2]}', "sampler=grid", f"output_dir={tmp_path / 'tuned'}",
        "pruner=none", "keep_checkpoints=True",
    ]  # fmt: skip
    write("sparse")
    trained: list[None] = []
    work = train.train

    def second_stops(settings: Any, watch: Any) -> None:
        work(settings, watch)
        trained.append(None)
        if len(trained) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "train", second_stops)
        assert tune.main(asked) == 130
    write("dense")
    assert tune.main(asked) == 0
    with (tmp_path / "tuned" / "tune" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["engine"]) for row in rows] == [("complete", "sparse")] * 2


@pytest.mark.slow
def test_a_predictor_takes_the_engine_it_is_told(weights: Path, rows_are: Callable[[str], None]) -> None:
    images = toy_images(4, seed=5)
    tables = {}
    for engine in ENGINES:
        net = dmcnn.load(weights, engine=engine, device="cpu")  # type: ignore[arg-type]
        assert (net.engine, net.network is net.net) == (engine, engine != "sparse")
        tables[engine] = net(images)["signal_score"].astype(float)
        assert (net.engine, net.network is net.net) == ("sparse", False) or engine == "dense"
    np.testing.assert_allclose(tables["sparse"], tables["dense"], atol=1e-5, rtol=0)
    assert (tables["auto"] == tables["sparse"]).all()
    with pytest.raises(InputError, match=r"engine = 'spares' .did you mean 'sparse'"):
        dmcnn.load(weights, engine="spares")  # type: ignore[arg-type]


def test_images_without_charge_choose_nothing(weights: Path, rows_are: Callable[[str], None]) -> None:
    net = dmcnn.load(weights, device="cpu")
    empty = toy_images(3, seed=5).limited(low=1e9)
    assert not empty.n_pixels.any()
    scores = net(empty, is_prepared=True)["signal_score"].astype(float)
    assert np.isfinite(scores).all()
    assert (net.engine, net.reason) == ("auto", "")
    net(toy_images(1, seed=5))
    assert net.engine == "sparse"


def test_a_saved_sparse_network_is_the_dense_one(weights: Path, tmp_path: Path) -> None:
    net = dmcnn.load(weights, device="cpu", engine="dense")
    fast = dmcnn.sparse(net.net)
    assert fast.state_dict().keys() == net.net.state_dict().keys()
    dmcnn.save(fast, tmp_path / "again.ckpt", net.card)
    again = dmcnn.load(tmp_path / "again.ckpt", device="cpu", engine="dense")
    images = toy_images(2, seed=6)
    assert (net(images)["signal_score"] == again(images)["signal_score"]).all()
