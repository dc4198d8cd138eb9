"""Several classes without a signal, in folders of .npy: training, inference, evaluation, attribution and pages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn import attribute, display, evaluate, infer, train
from dmcnn.metrics.classification import auc

CLASSES = ("line", "line_pair", "spot")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def words(**keys: Any) -> list[str]:
    return [f"{key}={value}" for key, value in {"GPUID": "cpu", **keys}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of 30 images of 40 x 36 pixels, ten of each class, and one other file."""
    folder = tmp_path_factory.mktemp("shapes") / "shapes"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(10):
        row, column = random.integers(6, 24, 2)
        for name in CLASSES:
            image = np.zeros((40, 36))
            if name == "spot":
                image[row : row + 6, column : column + 6] = random.uniform(50, 100, (6, 6))
            else:
                image[row, 2:30] = random.uniform(50, 100, 28)
                image[row + 8, 2:30] = 70 if name == "line_pair" else 0
            np.save(folder / f"{name}_{number}.npy", image)
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the LArIAT network on a part of it, with every kind of augmentation; validate and test it on the rest."""
    out = tmp_path_factory.mktemp("weights")
    keys = {
        "input_train": folder, "test_fraction": 0.2, "validation_fraction": 0.2, "classes": list(CLASSES),
        "label": "prefix", "model": "lariat", "scaling": "minmax", "loss": "cross_entropy", "drop_out": 0.0,
        "learning_rate": 0.002, "EPOCHS": 12, "batch_size_train": 6, "augment_shift": 0.05, "augment_rotation": 3.0,
        "precision": 32, "weights_directory": out, "output_directory": out, "l2": 0.0001,
    }  # fmt: skip
    assert train.main(words(**keys)) == 0
    return out / "DM-CNN_model_best.ckpt"


@pytest.mark.slow
def test_training_tells_every_class_apart(weights: Path) -> None:
    summary = json.loads((weights.parent / "DM-CNN_training_summary.json").read_text())
    matrix = np.array(summary["confusion"])
    assert summary["classes"] == list(CLASSES)
    assert matrix.sum(axis=1).tolist() == [2, 2, 2]
    assert summary["events"] == 6
    assert summary["accuracy"] == matrix.trace() / 6
    assert summary["auc"] is None
    assert (weights.parent / "DM-CNN_training_confusion.png").exists()
    rows = rows_of(weights.parent / "DM-CNN_training_metrics.csv")
    assert {row["validation_events"] for row in rows} == {"6"}
    assert float(rows[-1]["train_accu"]) > 0.6


@pytest.mark.slow
def test_scores_of_all_classes_and_their_evaluation(weights: Path, folder: Path, tmp_path: Path) -> None:
    assert infer.main(words(input_file=folder, weight_file=weights, output_dir=tmp_path)) == 0
    table = tmp_path / "shapes_DM-CNN_scores.csv"
    rows = rows_of(table)
    assert "signal_score" not in rows[0]
    assert [Path(row["file"]).name for row in rows] == sorted(path.name for path in folder.glob("*.npy"))
    assert [row["label"] for row in rows] == [Path(row["file"]).stem.rpartition("_")[0] for row in rows]
    scores = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in rows])
    logits = np.array([[float(row[f"logit_{name}"]) for name in CLASSES] for row in rows])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores, odds / odds.sum(axis=1, keepdims=True), atol=1e-6)
    assert [row["predicted"] for row in rows] == [CLASSES[i] for i in scores.argmax(axis=1)]

    assert evaluate.main(words(scores=table, output_dir=tmp_path)[1:]) == 0
    found = json.loads((tmp_path / "DM-CNN_evaluation.json").read_text())
    label = np.array([CLASSES.index(row["label"]) for row in rows])
    guess = scores.argmax(axis=1)
    assert found["events"] == 30
    assert found["accuracy"][0] == (label == guess).mean()
    for i, name in enumerate(CLASSES):
        assert found["class_accuracy"][name][0] == (guess[label == i] == i).mean()
        expected = auc(labels=label == i, scores=scores[:, i])
        assert found["auc_one_against_the_rest"][name][0] == expected
        assert found["confusion"][i] == [int(((label == i) & (guess == j)).sum()) for j in range(3)]
    for what in ("confusion", "classes", "roc"):
        assert (tmp_path / f"DM-CNN_evaluation_{what}.png").stat().st_size > 1000


def test_faults_of_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "scores.csv"
    table.write_text("label,predicted,p_a,p_b\na,a,0.7,0.3\nc,b,0.1,0.9\n")
    assert evaluate.main([f"scores={table}", f"output_dir={tmp_path}"]) == 2
    assert "scores.csv:3: label 'c', expected one of ['a', 'b']" in capsys.readouterr().err
    table.write_text("label,predicted,p_a,p_b\na,,,\n")
    assert evaluate.main([f"scores={table}", f"output_dir={tmp_path}"]) == 2
    assert "no scored event" in capsys.readouterr().err


@pytest.mark.slow
def test_attribution_of_a_scaled_image(weights: Path, folder: Path, tmp_path: Path) -> None:
    """Integrated gradients sum to the difference to the empty image, with the extremes of the image held fixed."""
    import torch

    from dmcnn.checkpoints.load import load

    keys = {"input_file": folder, "weight_file": weights, "output_dir": tmp_path, "entries": 4, "target": "spot",
            "methods": ["integrated_gradients", "occlusion"], "judge": False, "format": "png"}  # fmt: skip
    assert attribute.main(words(**keys)) == 0
    with np.load(tmp_path / "attribution_shapes_ENTRY_4.npz") as found:
        total, lost = found["map_integrated_gradients"].sum(dtype=np.float64), found["map_occlusion"]
    net, _ = load(weights)
    image = np.load(sorted(folder.glob("*.npy"))[4]).astype(np.float32)
    scaled = torch.from_numpy(image / image.max() + 0.1)[None, None]
    with torch.no_grad():
        here, empty = net(scaled)[0, 2].item(), net(torch.full_like(scaled, 0.1))[0, 2].item()
    assert total == pytest.approx(here - empty, rel=0.01)
    assert not lost[0][image == 0].any()
    assert lost.any()


@pytest.mark.slow
def test_pages_of_display(weights: Path, folder: Path, tmp_path: Path) -> None:
    keys = {"input_file": folder, "weight_file": weights, "output_dir": tmp_path, "top": 2, "entries": 0}
    assert display.main(words(**keys, format=["html", "png"])) == 0
    names = {path.name for path in tmp_path.iterdir()}
    pages = {name for name in names if name.endswith(".html")}
    assert "shapes_ENTRY_0.html" in pages
    assert "DM-CNN_display.html" in pages
    assert len(pages) in (3, 4)
    assert not any(name.endswith(".pdf") for name in names)
    text = (tmp_path / "DM-CNN_display.html").read_text()
    assert "entry number, then highest score" in text
    assert "line_0.npy" in text
