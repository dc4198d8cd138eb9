"""Commands on files of whole planes, whose networks see windows of them."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

import dmcnn
from conftest import toy_images
from dmcnn import display, infer, train
from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.load import load
from dmcnn.images.sparse import META, SparseImages, sparse
from dmcnn.inference.networks import NamedNetwork
from dmcnn.inference.passes import passes_of
from dmcnn.models.calorimeter_resnet import CalorimeterResNet
from dmcnn.writers import larcv3

SIDE = 32
READING = {"xdim": SIDE, "ydim": SIDE}
CORNERS = [(top, left) for top in range(0, 80, SIDE) for left in range(0, 140, SIDE)]


def planes(events: int, seed: int, channels: int = 1) -> SparseImages:
    """Whole planes of 80 x 140 pixels of toy events, which lie anywhere in them; the last one is empty."""
    random = np.random.default_rng(seed)
    small = toy_images(events, seed, side=64)
    dense = np.zeros((events, channels, 80, 140), np.float32)
    for image, whole in zip(small.dense()[:, 0], dense, strict=True):
        for plane in whole:
            top, left = random.integers(0, 80 - 64), random.integers(0, 140 - 64)
            plane[top : top + 64, left : left + 64] = image
            plane[random.integers(0, 80, 9), random.integers(0, 140, 9)] += 20
    dense[-1] = 0
    meta = np.zeros((events, channels), META)
    meta["plane"], meta["unit"] = np.arange(channels), 2
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 1000, 1140, 2400, 2400 + 6 * 80
    return sparse(dense, small.events, meta)


def network(path: Path, seed: int, channels: int = 1) -> Path:
    """Save a network with random weights that takes windows."""
    torch.manual_seed(seed)
    arguments = {"num_class": 2, "channels": channels, "height": SIDE, "width": SIDE}
    card = Card("calorimeter_resnet", arguments, ["signal", "background"], "signal", "sigmoid", dict(READING))
    net = CalorimeterResNet(**arguments)
    return dmcnn.save(net.eval(), path, card)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def tiles_of(images: SparseImages) -> list[np.ndarray]:
    """All tiles of every image, (tiles, C, SIDE, SIDE)."""
    padded = np.pad(images.dense(), ((0, 0), (0, 0), (0, SIDE), (0, SIDE)))
    return [
        np.stack([image[:, top : top + SIDE, left : left + SIDE] for top, left in CORNERS])
        for image in padded
    ]


@pytest.mark.slow
def test_an_ensemble_chooses_one_tile(tmp_path: Path) -> None:
    """That of the largest mean score."""
    images, file = planes(4, 3), tmp_path / "whole.h5"
    larcv3.write(file, [images], producer="image2d_binary")
    both = [
        dmcnn.load(network(tmp_path / f"{seed}.ckpt", seed), roi="tiles", engine="dense") for seed in (1, 2)
    ]
    (ensemble,) = passes_of([NamedNetwork("both", tuple(both))])
    found = ensemble.open(str(file)).read().dense()
    for tile, tiles in zip(found[:-1], tiles_of(images), strict=False):
        with torch.no_grad():
            scores = [one.net(torch.from_numpy(tiles)).double().sigmoid()[:, 0].numpy() for one in both]
        mean, charged = np.mean(scores, axis=0), tiles.any(axis=(1, 2, 3))
        (chosen,) = np.flatnonzero((tiles == tile).all(axis=(1, 2, 3)))
        assert mean[chosen] == pytest.approx(mean[charged].max(), abs=1e-6)


@pytest.mark.slow
def test_the_tile_of_the_highest_signal_score_stands_for_its_event(tmp_path: Path) -> None:
    images, file = planes(6, 3), tmp_path / "whole.h5"
    larcv3.write(file, [images], producer="image2d_binary")
    chosen = []
    for seed in (1, 2):  # another network chooses other tiles
        weights = network(tmp_path / f"{seed}.ckpt", seed)
        predictor = dmcnn.load(weights, roi="tiles", engine="dense")
        dataset = predictor.open(file)
        table, net = predictor(dataset), load(weights)[0]
        chosen.append(table["window_x"])
        for number, tiles in enumerate(tiles_of(images)):
            with torch.no_grad():
                scores = net(torch.from_numpy(tiles)).double().sigmoid()[:, 0].numpy()
            charged = tiles.any(axis=(1, 2, 3))
            best = int(np.where(charged, scores, -1).argmax()) if charged.any() else 0
            assert table["signal_score"][number] == pytest.approx(scores[best], abs=1e-5)
            assert table["n_pixels"][number] == np.count_nonzero(tiles[best])
            window = table["window_x"][number] - 1000, (table["window_y"][number] - 2400) / 6
            assert window == (CORNERS[best][1], CORNERS[best][0])
            np.testing.assert_array_equal(dataset[number].image, tiles[best])
    assert (chosen[0] != chosen[1]).any()
    # the tile of the largest charge, until a network chooses
    event = dmcnn.open(file, roi="tiles", **READING)[0]
    assert predictor(event)["signal_score"][0] == pytest.approx(table["signal_score"][0], abs=1e-6)


@pytest.mark.slow
def test_the_region_of_the_training_is_that_of_every_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"{name}.h5" for name in ("train", "test")}
    for seed, path in enumerate(files.values()):
        larcv3.write(path, [planes(16, seed, 2)], producer="image2d_binary")
    table = tmp_path / "vertices.csv"
    events = planes(16, 1, 2).events
    places = ",".join(["wire_0", "tick_0", "wire_1", "tick_1"])
    table.write_text("run_number,subrun_number,event_number," + places + "\n" + "".join(
        f"{event['run']},{event['subrun']},{event['event']},1070,2640,1060,2700\n" for event in events
    ))  # fmt: skip
    words = {
        "input_train": files["train"], "input_test": files["test"], "model": "resnet18", "plane": [0, 1],
        "EPOCHS": 1, "batch_size_train": 8, "learning_rate": 1e-3, "GPUID": "cpu", "precision": 32, **READING,
        "weights_directory": tmp_path, "output_directory": tmp_path, "name": "roi", "roi": "vertex",
        "vertex_columns": ["wire_0", "tick_0", "wire_1", "tick_1"], "validation_fraction": 0.2,
    }  # fmt: skip

    def as_words(**given: object) -> list[str]:
        return [f"{key}={value}" for key, value in given.items()]

    assert train.main(as_words(**{**words, "roi": "tiles"})) == 2
    assert "a label is that of an event, not of each tile" in capsys.readouterr().err
    with caplog.at_level(logging.INFO):
        assert train.main(as_words(**words, vertex_csv=table)) == 0
    weights = tmp_path / "DM-CNN_model_roi_best.ckpt"
    card = load(weights)[1]
    assert card.reading["roi"] == "vertex"
    assert not {"vertex_csv", "vertex_columns"} & card.reading.keys()
    assert card.shape == (2, SIDE, SIDE)
    assert "active pixels cropped away" in caplog.text

    shared = {"input_file": files["test"], "weight_file": weights, "output_dir": tmp_path, "GPUID": "cpu"}
    assert infer.main(as_words(**shared)) == 2
    assert "particle" in capsys.readouterr().err
    csv_words = {"vertex_csv": table, "vertex_columns": words["vertex_columns"]}
    assert infer.main(as_words(**shared, **csv_words, name="vertex")) == 0
    rows = rows_of(tmp_path / "test_DM-CNN_scores_vertex.csv")
    assert {(row["window_x_0"], row["window_y_0"]) for row in rows} == {("1054.0", "2544.0")}
    assert {(row["window_x_1"], row["window_y_1"]) for row in rows} == {("1044.0", "2604.0")}
    assert "window_x_0" not in (tmp_path / "DM-CNN_training_metrics_roi.csv").read_text()

    charge = {**shared, "roi": "most_charge"}
    assert infer.main(as_words(**charge, name="charge")) == 0
    assert "roi = most_charge, but the network was trained with vertex" in caplog.text
    scores = rows_of(tmp_path / "test_DM-CNN_scores_charge.csv")
    predictor = dmcnn.load(weights, roi="most_charge")
    found = predictor(predictor.open(files["test"]))
    for name in ("signal_score", "window_x_0", "window_y_1"):
        np.testing.assert_allclose([float(row[name]) for row in scores], found[name], atol=1e-6)
    tiles = {**shared, "roi": "tiles", "format": "png", "name": "tiles"}
    assert display.main([*as_words(**tiles), "-n", "3"]) == 0
    assert len(list(tmp_path.glob("test_ENTRY_3_tiles_channel[01].png"))) == 2
