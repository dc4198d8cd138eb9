"""Files scored by several networks in one command: columns, passes, resuming, shares, choice of entries, skipping."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import uproot
from matplotlib.figure import Figure

from conftest import toy_images
from dmcnn import infer
from dmcnn._common.journal import Journal
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.figures import classification
from dmcnn.inference import merged, outputs, predictor
from dmcnn.inference.predictor import Predictor
from dmcnn.writers import larcv3

SIDE = 64
CLASSES = ["signal", "background"]


def write_net(path: Path, seed: int, classes: list[str] = CLASSES, **reading: Any) -> Path:
    """Write an untrained network of dmcnn; without a class "signal" its scores are a softmax."""
    torch.manual_seed(seed)
    signal = "signal" if "signal" in classes else None
    card = Card(
        "lariat", {"num_class": len(classes), "channels": 1, "height": SIDE, "width": SIDE}, classes, signal,
        "sigmoid" if signal else "softmax", {"xdim": SIDE, "ydim": SIDE, "adc_lo": 10.0, **reading},
        label="run == 100" if signal else None, loss="bce" if signal else "cross_entropy",
    )  # fmt: skip
    net = card.build()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(0.8)  # scores between 0 and 1
    torch.save({KEY: card.as_dict(), "state_dict": net.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks a, b, c (which reads from 100 ADC on) and two files, of 13 and 9 events, with a pair of equal ids."""
    folder = tmp_path_factory.mktemp("place")
    for seed, (name, reading) in enumerate({"a": {}, "b": {}, "c": {"adc_lo": 100.0}}.items()):
        write_net(folder / f"DM-CNN_model_{name}_best.ckpt", seed, **reading)
    for number, events in enumerate((13, 9)):
        images = toy_images(events, number + 5, SIDE)
        images.events["run"] += number
        images.events["event"][1] = images.events["event"][3]
        larcv3.write(folder / f"file{number}.h5", [images], producer="image2d_binary")
    return folder


@pytest.fixture
def run(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Command infer on both files with keys, in the folder ``tmp_path``; figures are empty files, to save time."""

    def write(_: Figure, path: Path, *__: Any) -> None:
        path.write_bytes(b"figure")

    monkeypatch.setattr("dmcnn.figures.save._print", write)
    monkeypatch.setattr(classification, "score_histogram", lambda *_, **__: Figure())

    def command(weights: str | list[str] | dict[str, Any], **keys: Any) -> int:
        def path_of(name: Any) -> Any:
            if isinstance(name, str):
                return str(place / f"DM-CNN_model_{name}_best.ckpt")
            return [path_of(one) for one in name]

        named = (
            {key: path_of(name) for key, name in weights.items()}
            if isinstance(weights, dict)
            else path_of(weights)
        )
        given = {
            "input_file": [str(place / "file0.h5"), str(place / "file1.h5")],
            "output_dir": tmp_path,
        } | keys
        return infer.main(
            [f"weight_file={named}", "GPUID=cpu", "engine=dense", *(f"{k}={v}" for k, v in given.items())]
        )

    return command


def columns_of(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def table_of(folder: Path, number: int = 0, name: str = "") -> Path:
    return folder / f"file{number}_DM-CNN_scores{name}.csv"


@pytest.mark.slow
def test_every_network_scores_as_if_it_were_alone(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files and two networks in one command: the columns of each, and every event is read once."""
    for name in "ab":
        assert run(name, output_dir=tmp_path / name) == 0
    read, events = Dataset.read, []

    def reading(self: Dataset, start: int = 0, stop: int | None = None) -> Any:
        images = read(self, start, stop)
        events.extend(zip(images.events["run"].tolist(), images.events["entry"].tolist(), strict=True))
        return images

    monkeypatch.setattr(Dataset, "read", reading)
    assert run(["a", "b"]) == 0
    assert len(events) == len(set(events)) == 22
    for number in (0, 1):
        both, a, b = (
            columns_of(table_of(folder, number)) for folder in (tmp_path, tmp_path / "a", tmp_path / "b")
        )
        assert list(both)[:7] == [
            "run_number", "subrun_number", "event_number",
            "signal_score_a", "signal_score_b", "entry_number", "n_pixels",
        ]  # fmt: skip
        for name, one in (("a", a), ("b", b)):
            for column in ("signal_score", "logit_signal", "logit_background"):
                assert both[f"{column}_{name}"] == one[column]
        assert {name: both[name] for name in a if name in both} == {
            name: a[name] for name in a if name in both
        }
        assert set(a) - set(both) == {"signal_score", "logit_signal", "logit_background"}
        assert a["signal_score"] != b["signal_score"]
    for name in "ab":
        for end in ("png", "pdf"):
            assert (tmp_path / f"file1_DM-CNN_signal_score_distribution_{name}.{end}").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_one_network_has_the_columns_of_always(run: Callable[..., int], tmp_path: Path) -> None:
    for folder, weights in {"word": "a", "list": ["a"], "named": {"mine": "a"}}.items():
        assert run(weights, output_dir=tmp_path / folder) == 0
        assert table_of(tmp_path / folder).read_bytes() == table_of(tmp_path / "word").read_bytes()
    header = table_of(tmp_path / "word").read_text().partition("\n")[0]
    assert header == (
        "run_number,subrun_number,event_number,signal_score,entry_number,n_pixels,file,logit_signal,logit_background,"
        "label,status,label_rule"
    )
    cfg = table_of(tmp_path / "word").with_suffix(".cfg").read_text()
    assert "# scores: sigmoid of each logit of signal, background, signal: signal, weights " in cfg


def test_a_cut_tells_which_events_pass(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = Predictor.logits

    def failing(self: Predictor, *more: Any) -> Any:
        for part in logits(self, *more):
            part[3:5] = np.nan
            yield part

    monkeypatch.setattr(Predictor, "logits", failing)
    (tmp_path / "evaluation.json").write_text('{"cut": 0.45}')
    formats = ["csv", "parquet", "root"]
    assert run({"x": "a", "y": "b"}, cut=tmp_path / "evaluation.json", output_format=formats) == 0
    columns = columns_of(table_of(tmp_path))
    for name in "xy":
        scores = columns[f"signal_score_{name}"]
        assert columns[f"passed_{name}"] == [score and str(int(float(score) >= 0.45)) for score in scores]
    assert set(columns["passed_x"] + columns["passed_y"]) == {"0", "1", ""}
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "file0_DM-CNN_scores.parquet")
    assert parquet["passed_y"].to_pylist() == [int(word) if word else None for word in columns["passed_y"]]
    with uproot.open(tmp_path / "file0_DM-CNN_scores.root") as file:
        (tree,) = file.values(filter_classname="TTree")
        assert tree["passed_x"].array().tolist() == [int(word or -1) for word in columns["passed_x"]]


def test_a_cut_needs_a_signal(
    run: Callable[..., int], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_net(place / "DM-CNN_model_e_best.ckpt", 3, ["muon", "pion"])
    assert run("e", cut=0.5) == 2
    assert "cut: network has no signal class" in capsys.readouterr().err


@pytest.mark.slow
def test_networks_of_other_reader_options_have_passes_of_their_own(
    run: Callable[..., int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert run("c", output_dir=tmp_path / "c") == 0
    assert run(["a", "c", "b"]) == 0
    assert "2 passes over each file, one for equal reader options: a, b; c" in caplog.text
    whole, alone = columns_of(table_of(tmp_path)), columns_of(table_of(tmp_path / "c"))
    for column in ("signal_score", "logit_signal", "n_pixels", "status"):
        assert whole[f"{column}_c"] == alone[column]
    assert whole["n_pixels"] != whole["n_pixels_c"]
    assert list(whole)[3:6] == ["signal_score_a", "signal_score_c", "signal_score_b"]


@pytest.mark.slow
def test_an_ensemble_has_the_mean_score_and_its_spread(run: Callable[..., int], tmp_path: Path) -> None:
    for name in "ab":
        assert run(name, output_dir=tmp_path / name) == 0
    assert run({"seeds": ["a", "b"], "a": "a"}) == 0
    one = [np.array(columns_of(table_of(tmp_path / name))["signal_score"], float) for name in "ab"]
    both = {
        name: values for name, values in columns_of(table_of(tmp_path)).items() if name.startswith(("s", "l"))
    }
    np.testing.assert_allclose(np.array(both["signal_score_seeds"], float), np.mean(one, axis=0), rtol=1e-12)
    spread = np.array(both["signal_score_spread_seeds"], float)
    np.testing.assert_allclose(spread, np.abs(one[0] - one[1]) / 2**0.5, rtol=1e-10)
    logit = np.array(both["logit_signal_seeds"], float)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), np.mean(one, axis=0), rtol=1e-12)
    assert "signal_score_spread_a" not in both
    assert run({"seeds": ["a", "b"]}, name="alone") == 0
    assert columns_of(table_of(tmp_path, name="_alone"))["signal_score"] == both["signal_score_seeds"]


@pytest.mark.slow
def test_an_ensemble_of_a_softmax_has_the_mean_of_all_scores(
    run: Callable[..., int], place: Path, tmp_path: Path
) -> None:
    names = ["electron", "muon", "pion"]
    paths = [str(write_net(tmp_path / f"soft{seed}.ckpt", seed, names)) for seed in (1, 2, 3)]
    words = [f"input_file={place / 'file0.h5'}", "GPUID=cpu", "engine=dense"]
    assert infer.main([*words, f"weight_file={ {'soft': paths} }", f"output_dir={tmp_path}"]) == 0
    for number, path in enumerate(paths):
        assert infer.main([*words, f"weight_file={path}", f"output_dir={tmp_path / str(number)}"]) == 0
    members, mean = (
        [columns_of(table_of(folder)) for folder in folders]
        for folders in ([tmp_path / str(number) for number in range(3)], [tmp_path])
    )
    for name in names:
        scores = np.array([one[f"p_{name}"] for one in members], float)
        np.testing.assert_allclose(np.array(mean[0][f"p_{name}"], float), scores.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(
            np.array(mean[0][f"p_{name}_spread"], float), scores.std(axis=0, ddof=1), rtol=1e-6
        )


@pytest.mark.parametrize(
    ("weights", "fault"),
    [
        ({"x": ["a", "c"]}, "reading = {'xdim': 64, 'ydim': 64, 'adc_lo': 100.0, "),
        ({"x": ["a", "d"]}, "no such file (did you mean 'DM-CNN_model_"),
        ({"x": "a", "y/z": "b"}, "'y/z' is no name, expected letters, digits, _ . + -"),
        ({}, "an empty list names no file"),
    ],
)
def test_faults_of_the_networks_are_told_before_any_event_is_read(
    weights: Any,
    fault: str,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Dataset, "read", lambda *_: pytest.fail("an event was read"))
    assert run(weights) == 2
    assert fault in capsys.readouterr().err


def test_the_same_weights_count_once_in_an_ensemble(
    run: Callable[..., int], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.ckpt"
    copy.write_bytes((place / "DM-CNN_model_a_best.ckpt").read_bytes())
    paths = {"x": [str(place / "DM-CNN_model_a_best.ckpt"), str(copy)]}
    assert infer.main([f"input_file={place / 'file0.h5'}", f"weight_file={paths}", "GPUID=cpu"]) == 2
    assert "copy.ckpt: the same weights as" in capsys.readouterr().err


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], pytest.MonkeyPatch]:
    """Interrupt the work when a chunk of 4 events has been written for the nth time."""
    monkeypatch.setattr(predictor, "EVENTS", 4)
    append = Journal.append

    def at(count: int) -> pytest.MonkeyPatch:
        left = [count]

        def appending(self: Journal, rows: Any) -> None:
            append(self, rows)
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        monkeypatch.setattr(Journal, "append", appending)
        return monkeypatch

    return at


@pytest.mark.slow
def test_interrupted_work_goes_on_for_all_networks_and_another_network_begins_anew(
    run: Callable[..., int], tmp_path: Path, stop: Callable[[int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"batch_size": 4}
    assert run(["a", "c", "b"], output_dir=tmp_path / "whole", **keys) == 0
    stop(6)  # in the second pass over the first file
    assert run(["a", "c", "b"], **keys) == 130
    assert len(list(tmp_path.glob(".*.journal"))) == 2
    calls = []
    logits = Predictor.logits

    def counted(self: Predictor, chunks: Any, *more: Any) -> Any:
        calls.append(self.sha256)
        return logits(self, chunks, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "logits", counted)
        assert run(["a", "c", "b"], **keys) == 0
    assert len(calls) == 2 + 3 * 3  # two chunks of the second pass, then three of three networks
    for number in (0, 1):
        assert table_of(tmp_path, number).read_bytes() == table_of(tmp_path / "whole", number).read_bytes()
    table_of(tmp_path).unlink()
    stop(2)
    assert run("a", name="more", **keys) == 130
    caplog.clear()
    assert run(["a", "b", "c"], name="more", **keys) == 0
    assert re.search(r"journal: of another .*weights.*: the work begins anew", caplog.text)
    more = columns_of(table_of(tmp_path, name="_more"))
    assert more["signal_score_b"] == columns_of(table_of(tmp_path / "whole"))["signal_score_b"]
    assert not list(tmp_path.glob(".*"))


def test_engines_of_all_networks_are_those_of_the_work_that_goes_on(
    run: Callable[..., int], tmp_path: Path, stop: Callable[[int], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    stop(1)
    assert run(["a", "b"], batch_size=4) == 130
    assert run(["a", "b"], batch_size=4, engine="sparse") == 2
    assert "made with engine = dense, now sparse" in capsys.readouterr().err
    assert run(["a", "b"], batch_size=4, engine="auto") == 0
    assert (
        "# engine: dense, as in the work that goes on\n" * 2
        in table_of(tmp_path).with_suffix(".cfg").read_text()
    )


@pytest.mark.slow
@pytest.mark.parametrize("suffix", outputs.FORMATS)
def test_a_merged_table_is_of_one_command(
    suffix: str,
    run: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    merge = merged.merge

    def late(parts: dict[str, Path], *words: Any) -> None:
        os.utime(next(iter(parts.values())))  # another command writes it anew
        merge(parts, *words)

    with monkeypatch.context() as other:
        other.setattr(merged, "merge", late)
        assert run("a", output_format=[suffix], merged=True) == 2
    assert "made anew by another command meanwhile" in capsys.readouterr().err
    assert not (tmp_path / f"DM-CNN_scores.{suffix}").exists()
    assert run("a", output_format=[suffix], merged=True) == 0
    assert (tmp_path / f"DM-CNN_scores.{suffix}").exists()


@pytest.mark.slow
def test_shares_of_several_networks_make_the_whole(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formats = "['csv','parquet','root']"
    weights = {"ab": ["a", "b"], "c": "c"}
    assert run(weights, output_dir=tmp_path / "whole", output_format=formats, merged=True) == 0
    for number in range(2):
        assert run(weights, share=f"{number}/2") == 0
    assert run(["a", "b", "c"], check_shares=True) == 2
    assert "made with other weights" in capsys.readouterr().err
    assert run(weights, check_shares=True, output_format=formats, merged=True) == 0
    names = [
        path.name
        for path in (tmp_path / "whole").iterdir()
        if path.suffix in (".csv", ".parquet", ".json", ".txt")
    ]
    assert len(names) == 2 * 4 + 2
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_chosen_entries_alone_are_scored(
    run: Callable[..., int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert run(["a", "c"], output_dir=tmp_path / "whole") == 0
    whole = [columns_of(table_of(tmp_path / "whole", number)) for number in (0, 1)]

    def check(first: list[int], second: list[int], **keys: Any) -> None:
        assert run(["a", "c"], batch_size=1, **keys) == 0
        for number, rows in enumerate((first, second)):
            path = table_of(tmp_path, number)
            assert len(path.read_text().splitlines()) == 1 + len(rows)
            if rows:
                part = columns_of(path)
                assert part["entry_number"] == [str(row) for row in rows]
                for name in ("signal_score_a", "signal_score_c", "n_pixels_c", "label"):
                    wanted = [whole[number][name][row] for row in rows]
                    if name.startswith("signal"):
                        np.testing.assert_allclose(
                            np.array(part[name], float), np.array(wanted, float), atol=1e-6
                        )
                    else:
                        assert part[name] == wanted

    check([0, 1, 2, 7, 12], [0], entries="0-2,7,12-13")
    (tmp_path / "list.txt").write_text("# entries\n12\n3 # comment\n\n3\n")
    check([3, 12], [], entry_list=tmp_path / "list.txt")
    (tmp_path / "ids.txt").write_text("7 1 1003\n101,1,1002\n9 9 9\n")
    check([1, 3], [2], entry_list=tmp_path / "ids.txt")
    assert "ids.txt: names 3 events, of which 1 are in no file; 3 entries are scored" in caplog.text
    (tmp_path / "rows.csv").write_text("x,run_number,subrun_number,event_number\n1,100.0,1,1004\n2,,,\n")
    check([4], [], from_csv=tmp_path / "rows.csv")
    for keys, fault in (
        ({"entries": "22"}, "no entry 22, there are 0 to 21"),
        ({"entries": 1, "from_csv": tmp_path / "rows.csv"}, "entries and from_csv both choose the entries"),
        (
            {"entry_list": tmp_path / "rows.csv"},
            "rows.csv:1: 'x,run_number,subrun_number,event_number', expected an entry",
        ),
    ):
        assert run("a", name="faults", **keys) == 2
        assert fault in capsys.readouterr().err


@pytest.mark.slow
def test_finished_files_are_not_scored_again(
    place: Path,
    tmp_path: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "dmcnn")
    data = [tmp_path / "file0.h5", tmp_path / "file1.h5"]
    for path in data:
        path.write_bytes((place / path.name).read_bytes())
    out = tmp_path / "out"
    scored: list[str] = []
    rows = infer.Inference._score_file

    def scoring(inference: Any, one: Any, work: Any, *more: Any) -> None:
        scored.append(Path(work.job.image_file).stem[-1])
        rows(inference, one, work, *more)

    monkeypatch.setattr(infer.Inference, "_score_file", scoring)

    def check(expected: str, weights: Any = ("a", "b"), **keys: Any) -> None:
        scored.clear()
        assert run(list(weights), **({"input_file": list(map(str, data)), "output_dir": out} | keys)) == 0
        assert "".join(scored) == expected

    check("01")
    before = table_of(out).read_bytes()
    check("")
    assert caplog.text.count("finished before, from the same file, weights and settings") == 2
    table_of(out, 1).unlink()
    check("1")
    with table_of(out).open("a") as file:
        file.write("something\n")
    os.utime(table_of(out), ns=(2**62, 2**62))
    check("0")
    assert table_of(out).read_bytes() == before
    larcv3.write(data[1].with_suffix(".new"), [toy_images(9, 77, SIDE)], producer="image2d_binary")
    data[1].with_suffix(".new").replace(data[1])
    check("1")
    check("01", weights="a")
    check("01", weights="a", legacy=True)
    check("", weights="a", legacy=True, input_file=str(data[0]))
    check("01", weights="a", entries="0,15")
    table_of(out, 1).unlink()
    check("1", weights="a", entries="0,15")
    check("", weights="a", entries="0,15")
    (tmp_path / "ids.csv").write_text("run_number,subrun_number,event_number,w\n7,1,1003,1\n")
    keys = {"input_file": str(data[0]), "input_csv": tmp_path / "ids.csv"}
    check("0", **keys)
    check("", **keys)
    (tmp_path / "ids.csv").write_text("run_number,subrun_number,event_number,w\n7,1,1003,2\n")
    check("0", **keys)


def test_a_network_that_gives_nan_is_not_an_event_without_image(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows had the status "no image", and the numbers of the other network hid it."""
    logits, first = Predictor.logits, []

    def failing(self: Predictor, *more: Any) -> Any:
        first.append(self) if not first else None
        for part in logits(self, *more):
            part[3:5] = part[3:5] if self is first[0] else np.nan
            yield part

    monkeypatch.setattr(Predictor, "logits", failing)
    assert run(["a", "b"]) == 0
    table = columns_of(table_of(tmp_path))
    assert [row for row in range(13) if table["status"][row] == "not a number"] == [3, 4, 11, 12]
    assert table["signal_score_b"][3] == "" != table["signal_score_a"][3]
    report = json.loads((tmp_path / "file0_DM-CNN_scores_coverage.json").read_text())
    assert report["scored"] == 9
    assert report["failed"] == {"not a number": 4}
    assert report["failed_entries"][0]["reason"] == "a network gives NaN"


def test_scores_of_several_networks_are_joined(run: Callable[..., int], place: Path, tmp_path: Path) -> None:
    """The coverage counts what has no partner, on both sides."""
    (tmp_path / "ids.csv").write_text(
        "run_number,subrun_number,event_number,energy\n7,1,1003,0.5\n9,9,9,0.1\n100,1,1000,0.2\nnan,,,1\n"
    )
    file = str(place / "file0.h5")
    assert run(["a", "b"], input_file=file, input_csv=tmp_path / "ids.csv") == 0
    table = columns_of(table_of(tmp_path))
    assert table["energy"][:5] == ["0.5", "0.5", "0.1", "0.2", "1"]
    assert table["status"][:5] == ["matched", "matched", "no entry", "matched", "no entry"]
    assert [bool(word) for word in table["signal_score_b"][:5]] == [True, True, False, True, False]
    report = json.loads((tmp_path / "file0_DM-CNN_scores_coverage.json").read_text())
    wanted = {
        "file": file, "entries": 13, "chosen": 13, "scored": 13, "duplicates": 2, "failed": {}, "rows": 4,
        "rows_without_image": 2, "rows_without_ids": 1, "row_duplicates": 0, "entries_without_row": 10,
    }  # fmt: skip
    assert {name: report[name] for name in wanted} == wanted
    assert report["unmatched_rows"][0] == {"run_number": "9", "subrun_number": "9", "event_number": "9"}
    assert report["unmatched_entries"] == [2, *range(4, 13)]
    text = (tmp_path / "file0_DM-CNN_scores_coverage.txt").read_text()
    assert "entries: 13, scored 13, without image 0, sharing their ids 2\n" in text
    assert (
        f"unmatched: 10 entries without a row, 2 rows without an entry, of 4 in {tmp_path / 'ids.csv'}\n"
        in text
    )
    assert "row without an entry: 9 9 9\n" in text


def test_names_of_checkpoints_tell_them_apart(tmp_path: Path) -> None:
    from dmcnn.inference.networks import named_files

    for name in (
        "run1/DM-CNN_model_x_best.ckpt",
        "run2/DM-CNN_model_x_best.ckpt",
        "run2/DM-CNN_model_x_last.ckpt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(named_files(str(tmp_path / "run*" / "*_best.ckpt"))) == ["run1_x", "run2_x"]
    assert list(named_files(str(tmp_path / "run2" / "*.ckpt"))) == ["x_best", "x_last"]
    assert list(named_files([str(tmp_path / "run2" / "*_last.ckpt")])) == [""]
    assert list(named_files({"b": str(tmp_path / "run2" / "*.ckpt"), "a": str(tmp_path / "run1" / "*")})) == [
        "b",
        "a",
    ]


def test_a_tree_has_the_entries_of_a_real_file_in_its_order(
    shared_data: Path, tmp_path: Path, run: Callable[..., int]
) -> None:
    """Its ids are those that uproot reads from the file, also where entries were chosen."""
    torch.manual_seed(1)
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}, CLASSES, "signal", "sigmoid",
        {"xdim": SIDE, "ydim": SIDE, "adc_lo": 10.0, "plane": 2}, label=None, loss="bce",
    )  # fmt: skip
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, tmp_path / "net.ckpt")
    file = shared_data / "larcv" / "proton.root"
    words = [
        f"input_file={file}",
        f"weight_file={tmp_path / 'net.ckpt'}",
        f"output_dir={tmp_path}",
        "GPUID=cpu",
    ]
    assert infer.main([*words, "engine=dense", 'output_format=["csv", "root"]', "entries=1-3,7"]) == 0
    with uproot.open(file) as root, uproot.open(tmp_path / "proton_DM-CNN_scores.root") as scores:
        tree, friend = root["image2d_data_tree"], scores["scores"]
        assert friend.num_entries == tree.num_entries == 10
        columns = friend.arrays(library="np")
        for name in ("run", "subrun", "event"):
            theirs = tree[f"image2d_data_branch/larcv::EventBase/_{name}"].array(library="np")
            np.testing.assert_array_equal(columns[f"{name}_number"], theirs)
    table = columns_of(tmp_path / "proton_DM-CNN_scores.csv")
    assert columns["entry_number"].tolist() == list(range(10))
    np.testing.assert_array_equal(np.flatnonzero(columns["scored"]), [1, 2, 3, 7])
    np.testing.assert_array_equal(
        columns["signal_score"][[1, 2, 3, 7]], np.array(table["signal_score"], float)
    )
    assert np.isnan(columns["signal_score"][[0, 4, 5, 6, 8, 9]]).all()
