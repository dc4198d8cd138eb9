"""Commands infer, display, occlude and evaluate with a trained network, and with weights of DM-CNN."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn import display, evaluate, infer, occlude
from dmcnn.checkpoints.load import load
from dmcnn.engines.dense import logits
from dmcnn.images.sparse import join
from dmcnn.inference import predictor
from dmcnn.models.mpid import MPID
from dmcnn.writers import larcv3

CPU = torch.device("cpu")


@pytest.fixture
def weights(toy_weights: Path) -> Path:
    return toy_weights


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def words(**keys: Any) -> list[str]:
    return [f"{key}={value}" for key, value in {"GPUID": "cpu", **keys}.items()]


@pytest.mark.slow
def test_every_entry_is_scored_once(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> None:
    assert (
        infer.main(words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path, name="x"))
        == 0
    )
    rows = rows_of(tmp_path / "toy_test_DM-CNN_scores_x.csv")
    first = ["run_number", "subrun_number", "event_number", "signal_score", "entry_number", "n_pixels"]
    assert list(rows[0]) == [
        *first,
        "file",
        "logit_signal",
        "logit_background",
        "label",
        "status",
        "label_rule",
    ]
    assert [int(row["entry_number"]) for row in rows] == list(range(11))
    net, _ = load(weights)
    images = toy_images(11, seed=2)
    reference = logits(net, images, device=CPU)
    found = np.array([[float(row["logit_signal"]), float(row["logit_background"])] for row in rows])
    np.testing.assert_allclose(found, reference, atol=1e-5, rtol=0)
    scores = [float(row["signal_score"]) for row in rows]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-reference[:, 0])), atol=1e-5, rtol=0)
    assert [int(row["n_pixels"]) for row in rows] == images.n_pixels.tolist()
    assert [row["label"] for row in rows] == ["signal" if i % 2 == 0 else "background" for i in range(11)]
    for end in ("png", "pdf"):
        assert (tmp_path / f"toy_test_DM-CNN_signal_score_distribution_x.{end}").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_interrupted_inference_goes_on(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = words(
        input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path, engine="dense"
    )  # which is not chosen by images that are read for it
    assert infer.main(asked) == 0
    whole = (tmp_path / "toy_test_DM-CNN_scores.csv").read_text()
    (tmp_path / "toy_test_DM-CNN_scores.csv").unlink()
    monkeypatch.setattr(predictor, "EVENTS", 4)
    asked.append("batch_size=4")
    from dmcnn.datasets.dataset import Dataset

    read, starts = Dataset.read, []

    def reading(self: Dataset, start: int = 0, stop: int | None = None) -> Any:
        starts.append(start)
        if start == 8 and len(starts) == 3:
            raise KeyboardInterrupt
        return read(self, start, stop)

    monkeypatch.setattr(Dataset, "read", reading)
    assert infer.main(asked) == 130
    assert not (tmp_path / "toy_test_DM-CNN_scores.csv").exists()
    assert infer.main(asked) == 0
    assert starts == [0, 4, 8, 8]
    resumed = rows_of(tmp_path / "toy_test_DM-CNN_scores.csv")
    for one, two in zip(resumed, csv.DictReader(whole.splitlines()), strict=True):
        assert float(one["signal_score"]) == pytest.approx(float(two["signal_score"]), abs=1e-6)


@pytest.mark.slow
def test_join_with_an_analysis_csv(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "ids.csv"
    table.write_text(
        "run_number,subrun_number,event_number,reco_energy\n7.0,1.0,1001.0,0.10\n100,1,1000,0.20\n9,9,9,0.30\n7,1,1001,0.4\n"
    )
    caplog.set_level("INFO", "dmcnn")
    asked = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path, input_csv=table)
    assert infer.main(asked) == 0
    rows = rows_of(tmp_path / "toy_test_DM-CNN_scores.csv")
    assert [row["reco_energy"] for row in rows[:5]] == ["0.10", "0.20", "0.30", "0.4", ""]
    assert [row["entry_number"] for row in rows[:5]] == ["1", "0", "", "1", "2"]
    assert rows[2]["signal_score"] == ""
    assert rows[0]["signal_score"] == rows[3]["signal_score"] != ""
    assert [row["status"] for row in rows[:5]] == ["matched", "matched", "no entry", "matched", "not in csv"]
    assert len(rows) == 13
    assert "entries: 11, matched 2, not in csv 9" in caplog.text
    assert "csv rows: 4, matched 3, no entry 1, sharing their ids 2" in caplog.text


@pytest.mark.slow
def test_ids_of_an_analysis_csv_are_read_before_any_event_is_scored(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A row with -999 stopped the command after hours, without a table; a damaged id must stop it before them."""
    table = tmp_path / "ids.csv"
    table.write_text("run_number,subrun_number,event_number,w\n100,1,1000,1\n-999,-999,-999,2\n")
    asked = words(
        input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path / "o", input_csv=table
    )
    assert infer.main(asked) == 0
    rows = rows_of(tmp_path / "o" / "toy_test_DM-CNN_scores.csv")
    assert [row["status"] for row in rows[:3]] == ["matched", "no entry", "not in csv"]
    table.write_text(table.read_text() + "7,1,9007199254740992.0,3\n")
    monkeypatch.setattr(infer.Inference, "_score_file", lambda *_: pytest.fail("an event was scored"))
    assert infer.main(asked) == 2
    assert "ids.csv:4: event_number is '9007199254740992.0', which may be rounded" in capsys.readouterr().err


@pytest.mark.slow
def test_duplicate_ids_are_all_scored(weights: Path, tmp_path: Path) -> None:
    images = toy_images(3, seed=9)
    twice = join([images, images])
    twice.events["entry"] = np.arange(6)
    larcv3.write(tmp_path / "twice.h5", [twice], producer="p")
    asked = words(input_file=tmp_path / "twice.h5", producer="p", weight_file=weights, output_dir=tmp_path)
    assert infer.main(asked) == 0
    rows = rows_of(tmp_path / "twice_DM-CNN_scores.csv")
    assert len(rows) == 6
    assert all(row["signal_score"] for row in rows)


@pytest.mark.slow
def test_weights_of_dm_cnn_score_like_our_own(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    net = MPID().eval()
    torch.save(net.state_dict(), tmp_path / "old.pwf")
    caplog.set_level("INFO", "dmcnn")
    asked = words(input_file=toy_files["test"], weight_file=tmp_path / "old.pwf", output_dir=tmp_path)
    assert infer.main([*asked, "adc_lo=20"]) == 0
    assert "adc_lo = 20.0, but the network was trained with 10.0" in caplog.text
    assert "11 images fitted to 512x512 (rows x columns) from 128x128" in caplog.text
    rows = rows_of(tmp_path / "toy_test_DM-CNN_scores.csv")
    dense = np.zeros((1, 1, 512, 512), np.float32)
    dense[:, :, 192:320, 192:320] = toy_images(11, seed=2).take([4]).dense()
    with torch.inference_mode():
        expected = net(torch.from_numpy(dense))[0, 0]
    assert float(rows[4]["logit_signal"]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.slow
def test_rotation_changes_scores(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> None:
    asked = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path)
    assert infer.main([*asked, "name=0"]) == 0
    assert infer.main([*asked, "name=90", "rotation=90"]) == 0
    straight, turned = (rows_of(tmp_path / f"toy_test_DM-CNN_scores_{name}.csv") for name in ("0", "90"))
    assert [r["signal_score"] for r in straight] != [r["signal_score"] for r in turned]


@pytest.mark.slow
def test_display_by_number_and_by_score(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> None:
    asked = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path)
    assert display.main([*asked, "-n", "3"]) == 0
    assert (
        display.main([*asked, "-n", "4,5", "logit=True", "data=True", "transpose=True", "rotation=90"]) == 0
    )
    for entry in (3, 4, 5):
        for end in ("png", "pdf"):
            assert (tmp_path / f"toy_test_ENTRY_{entry}.{end}").stat().st_size > 1000
    assert infer.main(asked) == 0
    rows = rows_of(tmp_path / "toy_test_DM-CNN_scores.csv")
    best = sorted(range(11), key=lambda i: -float(rows[i]["signal_score"]))[:2]
    for name, more in {"net": [], "csv": [f"score_csv={tmp_path / 'toy_test_DM-CNN_scores.csv'}"]}.items():
        assert display.main([*asked, "--top", "2", f"name={name}", *more]) == 0
        found = {int(path.stem.split("_")[3]) for path in tmp_path.glob(f"toy_test_ENTRY_*_{name}.png")}
        assert found == set(best)


@pytest.mark.slow
def test_display_without_a_network(toy_files: dict[str, Path], tmp_path: Path) -> None:
    asked = words(input_file=toy_files["test"], output_dir=tmp_path, entries=0, score_label=False)
    assert display.main(asked) == 0
    assert (tmp_path / "toy_test_ENTRY_0.png").exists()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["-n", "11"], "no entry 11, there are 0 to 10"),
        (["-n", "0", "cmap=jett"], "did you mean 'jet'"),
        ([], "no events selected: give entries"),
        (["-n", "0", "logo=absent.png"], "not a readable picture"),
    ],
)
def test_display_faults(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, more: list[str], text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path)
    assert display.main([*asked, *more]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.slow
def test_occlusion_map_is_kept_and_resumed(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = words(
        input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path, occlusion_size=2, batch_size=4
    )
    assert occlude.main([*asked, "-n", "2"]) == 0
    path = tmp_path / "occlusion_test_toy_test_ENTRY_2.npz"
    whole = dict(np.load(path))
    image = toy_images(11, seed=2).take([2]).dense()
    net, _ = load(weights)
    assert len(whole["rows"]) == np.count_nonzero(image)
    for i in (0, 17, len(whole["rows"]) - 1):
        masked = image.copy()
        row, column = whole["rows"][i], whole["cols"][i]
        masked[0, 0, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = 0
        with torch.inference_mode():
            expected = net(torch.from_numpy(masked)).sigmoid().numpy()[0]
        np.testing.assert_allclose(whole["scores"][i], expected, atol=2e-6, rtol=0)
        np.testing.assert_allclose(whole["maps"][:, row, column], expected, atol=2e-6, rtol=0)
    for label in ("Signal", "Background"):
        for end in ("png", "pdf"):
            assert (tmp_path / f"occlusion_test_toy_test_ENTRY_2_{label}_map.{end}").exists()

    path.unlink()
    from dmcnn._common.journal import Journal

    append, calls = Journal.append, []

    def interrupted(self: Journal, rows: Any) -> None:
        calls.append(len(rows))
        if len(calls) == 4:
            raise KeyboardInterrupt
        append(self, rows)

    monkeypatch.setattr(Journal, "append", interrupted)
    assert occlude.main([*asked, "-n", "2"]) == 130
    assert not path.exists()
    assert occlude.main([*asked, "-n", "2"]) == 0
    assert sum(calls[4:]) == len(whole["rows"]) - 12
    np.testing.assert_allclose(np.load(path)["logits"], whole["logits"], atol=1e-6, rtol=0)
    done = len(calls)
    assert occlude.main([*asked, "-n", "2", "normalization=False", "zoom=True"]) == 0
    assert len(calls) == done, "a finished scan is drawn again without scoring again"


@pytest.mark.slow
def test_occlusion_by_cells_filled_with_noise(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path
) -> None:
    asked = words(
        input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path, occlusion_size=2, stride=5
    )
    path = tmp_path / "occlusion_test_toy_test_ENTRY_2.npz"
    images = toy_images(11, seed=2).take([2])
    net, _ = load(weights)
    maps = []
    for more in (["fill=zero"], ["fill=mean"], ["fill=noise"], ["fill=noise", "seed_number=2"]):
        assert occlude.main([*asked, "-n", "2", *more]) == 0
        maps.append(np.load(path))
    assert len({one["logits"].tobytes() for one in maps}) == 4
    first = maps[0]
    assert ((first["rows"] - 2) % 5 == 0).all()
    for row, column, logits_ in list(zip(first["rows"], first["cols"], first["logits"], strict=True))[:3]:
        masked = images.dense()
        masked[..., row - 2 : row + 3, column - 2 : column + 3] = 0
        with torch.inference_mode():
            np.testing.assert_allclose(net(torch.from_numpy(masked)).numpy()[0], logits_, atol=1e-5, rtol=0)
        cell = first["maps"][:, row - 2 : row + 3, column - 2 : column + 3]
        assert (cell == cell[:, 2:3, 2:3]).all()


@pytest.mark.slow
def test_evaluate_our_own_scores(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> None:
    asked = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path)
    assert infer.main(asked) == 0
    table = tmp_path / "toy_test_DM-CNN_scores.csv"
    assert evaluate.main([f"scores={table}", f"output_dir={tmp_path}", "name=toy"]) == 0
    numbers = json.loads((tmp_path / "DM-CNN_evaluation_toy.json").read_text())
    rows = rows_of(table)
    signal = [float(r["signal_score"]) for r in rows if r["label"] == "signal"]
    background = [float(r["signal_score"]) for r in rows if r["label"] == "background"]
    brute = np.mean([[(s > b) + 0.5 * (s == b) for b in background] for s in signal])
    assert numbers["auc"] == pytest.approx(brute, abs=1e-12)
    assert (numbers["signal_events"], numbers["background_events"]) == (6, 5)


@pytest.mark.slow
def test_evaluate_reproduces_published_aucs(shared_data: Path, tmp_path: Path) -> None:
    for name, area in (("mpid", 0.938357), ("resnet34_gn", 0.968246)):
        folder = shared_data / "scores"
        asked = [
            f"signal={folder}/signal_{name}__*.csv", f"background={folder}/samples_{name}__*.csv",
            f"output_dir={tmp_path}", f"name={name}",
        ]  # fmt: skip
        assert evaluate.main(asked) == 0
        numbers = json.loads((tmp_path / f"DM-CNN_evaluation_{name}.json").read_text())
        assert numbers["auc"] == pytest.approx(area, abs=5e-7)
        assert (numbers["signal_events"], numbers["background_events"]) == (4218, 20955)
        assert sum(file["unscored"] for file in numbers["files"]) == 36
        for what in ("roc", "roc_log", "efficiency", "scores", "scores_logit", "confusion"):
            assert (tmp_path / f"DM-CNN_evaluation_{name}_{what}.png").exists()


@pytest.mark.slow
def test_logits_are_no_shares(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Accuracy 0.825 at a cut of 0.5 without a word, and two warnings of Python."""
    random = np.random.default_rng(0)
    for name, centre in (("s", 2.0), ("b", -2.0)):
        scores = "\n".join(map(str, random.normal(centre, 1, 40)))
        (tmp_path / f"{name}.csv").write_text(f"signal_score\n{scores}\n")
    tables = [f"signal={tmp_path}/s.csv", f"background={tmp_path}/b.csv", f"output_dir={tmp_path}"]
    caplog.set_level("INFO")
    assert evaluate.main(tables) == 0
    assert "are not between 0 and 1 (logits?); the cut is at 0.5, give cut=0 for logits" in caplog.text
    assert evaluate.main([*tables, "cut=0"]) == 0
    numbers = json.loads((tmp_path / "DM-CNN_evaluation.json").read_text())
    assert numbers["cuts"][0] < -2 < 2 < numbers["cuts"][-1]
    assert numbers["signal_efficiency_at_cuts"][0] == 1
    assert numbers["signal_efficiency_at_cuts"][50] > 0.8
    assert not (tmp_path / "DM-CNN_evaluation_scores_logit.png").exists()


def test_another_spelling_of_the_signal_is_no_background(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l.csv"
    path.write_text("signal_score,label\n0.9,signal\n0.1,background\n0.8,Signal\n")
    assert evaluate.main([f"scores={path}", f"output_dir={tmp_path}"]) == 2
    assert capsys.readouterr().err == f"{path}:4: label 'Signal' (did you mean 'signal'?)\n"


def test_evaluate_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("signal_scor,label\n0.1,signal\n")
    (tmp_path / "b.csv").write_text("signal_score\n-999999.9\n\n")
    (tmp_path / "c.csv").write_text("signal_score,label\n0.5,sig\n")
    for words_, text in [
        ([f"signal={tmp_path}/a.csv", f"background={tmp_path}/b.csv"], "did you mean 'signal_scor'"),
        ([f"signal={tmp_path}/c.csv", f"background={tmp_path}/b.csv"], "no scored background event"),
        ([f"scores={tmp_path}/c.csv"], "no event is labelled 'signal'"),
        ([f"scores={tmp_path}/c.csv", f"signal={tmp_path}/c.csv"], "one or the other"),
    ]:
        assert evaluate.main([*words_, f"output_dir={tmp_path}"]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.slow
def test_events_are_chosen_by_the_scores_that_exist(
    weights: Path,
    toy_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from dmcnn.inference.predictor import Predictor

    common = words(input_file=toy_files["test"], weight_file=weights, output_dir=tmp_path)
    assert infer.main([*common, "name=x"]) == 0
    table = tmp_path / "toy_test_DM-CNN_scores_x.csv"
    best = max(rows_of(table), key=lambda row: float(row["signal_score"]))["entry_number"]
    scored: list[int] = []
    all_logits = Predictor.all_logits

    def counted(self: Predictor, dataset: Any, rotation: int = 0) -> Any:
        scored.append(len(dataset))
        return all_logits(self, dataset, rotation)

    monkeypatch.setattr(Predictor, "all_logits", counted)
    caplog.set_level("INFO", "dmcnn")
    top = [*common, "--top", "1", "format=png"]
    assert display.main(top) == 0
    assert (tmp_path / f"toy_test_ENTRY_{best}.png").exists()
    assert scored == []
    assert f"scores: {table}" in caplog.text
    # scores of a rotated image, other weights, another file, or some events only are not those that are asked for
    assert display.main([*top, "rotation=90"]) == 0
    assert scored == [11]
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    assert display.main(top) == 0
    assert scored == [11, 11]
    table.write_text("".join(lines))
    cfg = table.with_suffix(".cfg")
    saved = cfg.read_text()
    for kind in ("weights ", "# from "):  # of other weights, of other bytes
        cfg.write_text(saved.replace(kind, f"{kind}0"))
        assert display.main(top) == 0
    assert scored == [11] * 4


@pytest.mark.slow
def test_every_file_is_listed_that_a_command_leaves(
    weights: Path, toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    common = ["GPUID=cpu", f"input_file={toy_files['test']}", f"weight_file={weights}"]
    runs = {
        "infer": (infer, []),
        "display": (display, ["-n", "0,3", "format=['png', 'html']"]),
        "occlude": (occlude, ["-n", "0", "stride=32"]),
    }
    for name, (command, more) in runs.items():
        caplog.clear()
        assert command.main([*common, *more, f"output_dir={tmp_path / name}"]) == 0
        said = caplog.messages[-1].splitlines()
        assert said[0] == "written:"
        listed = set()
        for line in said[1:]:
            stem, *ends = line.strip().split(", ")
            listed |= {stem, *(str(Path(stem).with_suffix("")) + end for end in ends)}
        assert listed == {str(path) for path in (tmp_path / name).iterdir()}
