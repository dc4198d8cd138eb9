"""What commands say of where events come from, and which files a rule of the training labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from conftest import toy_images
from dmcnn import attribute, display, evaluate, infer, occlude, simulate, train
from dmcnn.checkpoints.load import load
from dmcnn.figures import save
from dmcnn.writers import larcv3

SIMULATED = "dmcnn simulation: dark-trident"
KIND = {"origin": "dmcnn simulation", "sample": "dark-trident"}
MINE = ["data_label=My Data", "simulation_label=My Simulation"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events that dmcnn simulated, in the window of the toy images."""
    path = tmp_path_factory.mktemp("sample") / "sample.h5"
    words = ["kind=dark-trident", f"output={path}", "events=20", "xdim=128", "ydim=128"]
    assert simulate.main(words) == 0
    return path


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of another producer, whose runs mean something else."""
    path = tmp_path_factory.mktemp("foreign") / "foreign.h5"
    larcv3.write(path, [toy_images(6, seed=5)], producer="wire")
    return path


@pytest.fixture(scope="module")
def weights(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on the simulated events."""
    folder = tmp_path_factory.mktemp("weights")
    words = [
        f"input_train={sample}", "test_fraction=0.4", "model=lariat", "learning_rate=0.001", "EPOCHS=1", "GPUID=cpu",
        f"weights_directory={folder}", f"output_directory={folder}", "precision=32", "validation_fraction=0.2",
    ]  # fmt: skip
    assert train.main(words) == 0
    return folder / "DM-CNN_model_best.ckpt"


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All texts of all figures that are saved."""
    found: list[str] = []
    write = save._print

    def note(figure: Figure, *args: Any) -> None:
        found.extend(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
        write(figure, *args)

    monkeypatch.setattr(save, "_print", note)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_card_and_the_curves_say_that_the_network_saw_simulation(weights: Path) -> None:
    assert load(weights)[1].origin == [KIND]
    summary = json.loads((weights.parent / "DM-CNN_training_summary.json").read_text())
    assert summary["origin"] == [KIND]


@pytest.mark.slow
def test_tables_figures_and_evaluation_say_what_was_simulated(
    weights: Path, sample: Path, tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"weight_file={weights}", f"output_dir={tmp_path}"]
    assert infer.main([f"input_file={sample}", *words]) == 0
    scores = tmp_path / "sample_DM-CNN_scores.csv"
    rows = rows_of(scores)
    assert list(rows[0])[-2:] == ["label_rule", "origin"]
    assert {(row["label_rule"], row["origin"]) for row in rows} == {("run == 100", SIMULATED)}
    assert SIMULATED in texts
    texts.clear()
    assert evaluate.main([f"scores={scores}", f"output_dir={tmp_path}"]) == 0
    assert texts.count(SIMULATED) == 18  # nine figures, in two formats
    assert json.loads((tmp_path / "DM-CNN_evaluation.json").read_text())["origin"] == [SIMULATED]


@pytest.mark.slow
def test_maps_say_what_was_simulated(weights: Path, sample: Path, tmp_path: Path, texts: list[str]) -> None:
    words = [f"input_file={sample}", f"weight_file={weights}", f"output_dir={tmp_path}", "-n", "0"]
    assert occlude.main([*words, "stride=32"]) == 0
    assert texts.count(SIMULATED) == 4
    texts.clear()
    assert attribute.main([*words, "methods=saliency", "judge=False", 'format=["png","html"]']) == 0
    assert SIMULATED in texts
    assert SIMULATED in (tmp_path / "attribution_sample_ENTRY_0.html").read_text()


@pytest.mark.parametrize("data", [False, True])
def test_pictures_of_simulated_events_say_so_whatever_the_cfg_says(
    sample: Path, tmp_path: Path, texts: list[str], data: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"input_file={sample}", f"output_dir={tmp_path}", "-n", "0", "score_label=False", *MINE]
    status = display.main([*words, f"data={data}", 'format=["png","html"]'])
    if data:
        assert status == 2
        assert "data = True, but the file states that dmcnn simulated its events" in capsys.readouterr().err
        return
    assert status == 0
    assert any(text.startswith(f"{SIMULATED}\n") and "Run: " in text for text in texts)
    page = (tmp_path / "sample_ENTRY_0.html").read_text()
    assert SIMULATED in page
    assert "My Simulation" not in "".join(texts) + page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "label"),
    [([], []), (MINE, ["My Simulation"]), ([*MINE, "data=True"], ["My Data"]), (["data=True"], ["Data"])],
)
def test_pictures_of_other_files_say_what_the_user_says(
    foreign: Path, tmp_path: Path, texts: list[str], words: list[str], label: list[str]
) -> None:
    always = [f"input_file={foreign}", f"output_dir={tmp_path}", "-n", "0", "score_label=False", "format=png"]
    assert display.main([*always, *words]) == 0
    (heading,) = {text for text in texts if "Run: 100" in text}
    assert heading.splitlines()[:-1] == label
    assert "MicroBooNE" not in "".join(texts)


@pytest.mark.slow
def test_a_rule_on_runs_labels_no_foreign_events(
    weights: Path, foreign: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"input_file={foreign}", f"weight_file={weights}", f"output_dir={tmp_path}"]
    assert infer.main(words) == 0
    rows = rows_of(tmp_path / "foreign_DM-CNN_scores.csv")
    assert {row["label"] for row in rows} == {""}
    assert not {"label_rule", "origin"} & rows[0].keys()
    assert "is the rule of dmcnn simulation: dark-trident, not of LArCV3 (producer wire)" in caplog.text
    assert infer.main([*words, "label=run == 100"]) == 0
    rows = rows_of(tmp_path / "foreign_DM-CNN_scores.csv")
    assert [row["label"] for row in rows] == ["signal", "background"] * 3
    assert {row["label_rule"] for row in rows} == {"run == 100"}


@pytest.mark.slow
def test_the_rule_of_dm_cnn_is_no_default_for_other_files(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        f"input_train={foreign}", "test_fraction=0.5", "model=lariat", "learning_rate=0.001", "EPOCHS=1",
        f"weights_directory={tmp_path}", f"output_directory={tmp_path}", "validation_fraction=0",
    ]  # fmt: skip
    assert train.main(words) == 2
    error = capsys.readouterr().err
    assert "label = 'run == 100' is the rule of LArCV2 (producer image2d_binary)" in error
    assert len(error.splitlines()) == 1
    assert train.main([*words, "label=run == 100"]) == 0


def test_images_without_ids_need_another_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "npy").mkdir()
    for name in ("electron", "muon"):
        np.save(tmp_path / "npy" / f"{name}.npy", np.ones((64, 64), np.float32))
    words = [
        f"input_train={tmp_path / 'npy'}", "test_fraction=0.5", "model=lariat", "learning_rate=0.001", "EPOCHS=1",
        f"weights_directory={tmp_path}", f"output_directory={tmp_path}",
    ]  # fmt: skip
    assert train.main(words) == 2
    assert "entry 0 has no run number" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["Signal", "signal ", "SIGNAL"])
def test_a_label_in_another_spelling_is_no_background(
    label: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "l.csv"
    table.write_text(f"signal_score,label\n0.9,signal\n0.2,background\n0.8,{label}\n")
    assert evaluate.main([f"scores={table}", f"output_dir={tmp_path}"]) == 2
    assert f"l.csv:4: label {label!r} (did you mean 'signal'?)" in capsys.readouterr().err
