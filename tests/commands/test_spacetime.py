"""Command display for space-time events: figures of calorimeter files, and of voxels without times."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from dmcnn import attribute, display, occlude, train
from dmcnn.checkpoints.load import load
from dmcnn.datasets.dataset import Dataset
from dmcnn.displays import space_time
from dmcnn.displays.space_time import DatasetCells
from dmcnn.images.sparse import sparse
from dmcnn.simulation import SAMPLES
from dmcnn.writers import calorimeter

CLASSES = 'classes=["photon","electron"]'


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "cells.h5"
    calorimeter.write(path, SAMPLES["calorimeter"](events=40, seed=3))
    return path


@pytest.fixture(scope="module")
def weights(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a network for one epoch on the cells in 5 frames; return its checkpoint."""
    folder = tmp_path_factory.mktemp("weights")
    asked = [f"input_train={sample}", "test_fraction=0.5", "model=calorimeter_resnet", "label=y", CLASSES,
             "signal=electron", "loss=cross_entropy", "learning_rate=0.001", "EPOCHS=1", "GPUID=cpu", "crop=16",
             "precision=32", "time_edges=[-0.1,0.1,0.04]", f"weights_directory={folder}",
             f"output_directory={folder}"]  # fmt: skip
    assert train.main(asked) == 0
    return folder / "DM-CNN_model_best.ckpt"


@pytest.fixture
def words(sample: Path, tmp_path: Path) -> list[str]:
    return [f"input_file={sample}", f"output_dir={tmp_path}", "score_label=False", "dpi=30", CLASSES]


def names(folder: Path) -> set[str]:
    """Return the names of the files in a folder, but for the plotly file that its pages share."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("plotly-")}


@pytest.mark.slow
def test_pictures_films_and_pages(words: list[str], tmp_path: Path) -> None:
    more = ["-n", "1,5", 'format=["png","gif","html"]', "distributions=True", "time_edges=[-0.1,0.1,0.05]"]
    assert display.main([*words, *more]) == 0
    ends = ("_energy_time.png", "_space_time.png", "_frames.png", "_frames.gif", ".html")
    files = {f"cells_ENTRY_{entry}{end}" for entry in (1, 5) for end in ends}
    shared = {"DM-CNN_display.html", "DM-CNN_display.cfg", "DM-CNN_display_distributions.png"}
    assert names(tmp_path) == files | shared
    assert len(list(tmp_path.glob("plotly-*.min.js"))) == 1
    with Image.open(tmp_path / "cells_ENTRY_5_frames.gif") as film:
        assert film.n_frames == len(np.arange(-0.1, 0.1, 0.05))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "more"),
    [("energy_time", set()), ("projections", {f"_channel{plane}.png" for plane in range(3)})],
)
def test_other_views(words: list[str], tmp_path: Path, view: str, more: set[str]) -> None:
    assert display.main([*words, "-n", "0", "format=png", f"view={view}"]) == 0
    ends = {"_energy_time.png", "_space_time.png"} | more
    assert names(tmp_path) == {f"cells_ENTRY_0{end}" for end in ends} | {"DM-CNN_display.cfg"}


@pytest.mark.slow
def test_distributions_alone_are_those_of_all_events(words: list[str], sample: Path, tmp_path: Path) -> None:
    assert display.main([*words, "format=png", "distributions=True"]) == 0
    assert names(tmp_path) == {"DM-CNN_display.cfg", "DM-CNN_display_distributions.png"}
    with h5py.File(sample) as file:
        pictures, label = file["X"][:], file["y"][:]
    dataset = Dataset(str(sample), energy_min=0.02, time_lo=-0.1)
    cells = DatasetCells.from_dataset(dataset)
    assert cells is not None
    figure = cells.distributions([("photon", "electron")[int(number)] for number in label])
    energies, times = figure.axes
    texts = [text.get_text() for text in energies.get_legend().get_texts()]
    for text, (name, number) in zip(texts, (("electron", 1), ("photon", 0)), strict=True):
        assert text == f"{name} ({np.count_nonzero(pictures[label == number][..., 0] > 0):,} cells)"
    for stairs, number in zip(times.patches, (1, 0), strict=True):
        mine = pictures[label == number]
        late = mine[..., 1][mine[..., 0] > 0]
        values, edges, _ = stairs.get_data()
        np.testing.assert_allclose(values, np.histogram(late.astype(float), edges)[0] / late.size)
    assert [line.get_xdata()[0] for axes in (energies, times) for line in axes.lines] == [0.02, -0.1]


def test_cells_are_those_of_the_same_events(sample: Path) -> None:
    dataset = Dataset(str(sample), crop=8)
    cells = DatasetCells.from_dataset(dataset)
    assert cells is not None
    with h5py.File(sample) as file:
        expected = np.moveaxis(file["X"][7][12:20, 12:20], -1, 0)
    np.testing.assert_array_equal(cells.read(7).dense()[0], expected)
    figures = dict(cells.figures(7, "seven"))
    (drawn,) = figures["energy_time"].axes[0].images
    np.testing.assert_array_equal(np.nan_to_num(np.ma.filled(drawn.get_array(), np.nan)), expected[0])
    points = figures["space_time"].axes[0].collections[0]
    assert len(points.get_offsets()) == np.count_nonzero(expected[0] > 0.005)
    same = Dataset(str(sample), view="energy_time", energy_min=0.1)
    found = DatasetCells.from_dataset(same)
    assert found is not None
    assert found.dataset is same


def test_voxels_without_times() -> None:
    dense = np.zeros((1, 5, 6, 6), np.float32)
    dense[0, 3, 2, 4], dense[0, 0, 1, 1] = 7, 1
    event = sparse(dense)
    figure = space_time.voxels(event, "voxels", "jet", 0.35)
    assert len(figure.axes[0].collections[0].get_offsets()) == 2
    grid = space_time.frames(event, None, "frames")
    shown = [axes.get_title() for axes in grid.axes if axes.get_visible() and axes.images]
    assert shown == [f"Frame {number}" for number in range(5)]
    assert [axes.get_ylabel() for axes in grid.axes if not axes.images][-1:] == ["Charge [ADC]"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["-n", "0", "view=energy_time", "format=gif"], "format = 'gif' needs time frames"),
        (["format=png"], "no events selected: give entries"),
        (["-n", "0", "format=jpg"], "format"),
        (["-n", "40"], "no entry 40"),
    ],
)
def test_faults(words: list[str], more: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert display.main([*words, *more]) == 2
    assert text in capsys.readouterr().err


def test_planes_have_no_frames_and_no_cells(
    toy_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"input_file={toy_files['test']}", f"output_dir={tmp_path}", "score_label=False", "-n", "0"]
    assert display.main([*asked, "format=mp4"]) == 2
    assert "format = 'mp4' needs time frames, images are (1, 128, 128)" in capsys.readouterr().err
    assert display.main([*asked, "distributions=True"]) == 2
    assert "distributions = True needs files of energy and time" in capsys.readouterr().err


@pytest.mark.slow
def test_the_network_says_how_cells_are_read(sample: Path, weights: Path, tmp_path: Path) -> None:
    asked = [f"input_file={sample}", f"output_dir={tmp_path}", f"weight_file={weights}", "GPUID=cpu"]
    assert display.main([*asked, "--top", "1", "format=['png','gif']", "distributions=True"]) == 0
    (grid,) = tmp_path.glob("*_frames.png")
    with Image.open(grid.with_suffix(".gif")) as film:
        assert film.n_frames == len(np.arange(-0.1, 0.1, 0.04))


@pytest.mark.slow
def test_occlusion_by_boxes(sample: Path, weights: Path, tmp_path: Path) -> None:
    asked = [f"input_file={sample}", f"output_dir={tmp_path}", f"weight_file={weights}", "GPUID=cpu", "-n", "2",
             "occlusion_size=1"]  # fmt: skip
    stem = tmp_path / "occlusion_test_cells_ENTRY_2"
    assert occlude.main([*asked, "name=flat"]) == 0
    with np.load(f"{stem}_flat.npz") as flat:
        assert "frames" not in flat
        assert flat["maps"].shape == (2, 16, 16)
    assert occlude.main([*asked, "occlusion_depth=1"]) == 0
    with np.load(f"{stem}.npz") as made:
        found = dict(made)
    event = Dataset(str(sample), crop=16, time_edges=[-0.1, 0.1, 0.04]).read(2, 3)
    assert found["maps"].shape == (2, *event.shape)
    np.testing.assert_array_equal(
        np.ravel_multi_index((found["frames"], found["rows"], found["cols"]), event.shape), event.index
    )
    net, _ = load(weights)
    for i in (0, len(event.index) // 2, len(event.index) - 1):
        hidden, at = event.dense(), [int(found[name][i]) for name in ("frames", "rows", "cols")]
        hidden[(0, *(slice(max(0, place - 1), place + 2) for place in at))] = 0
        with torch.inference_mode():
            expected = net.eval()(torch.from_numpy(hidden)).softmax(dim=1).numpy()[0]
        np.testing.assert_allclose(found["maps"][(slice(None), *at)], expected, atol=2e-6, rtol=0)
    ends = [f"_{name}_{kind}.png" for name in ("Photon", "Electron") for kind in ("map", "space_time")]
    assert all(Path(f"{stem}{end}").exists() for end in ends)
    written = Path(f"{stem}.npz").stat().st_mtime_ns
    assert occlude.main([*asked, "occlusion_depth=1", "zoom=True"]) == 0
    assert Path(f"{stem}.npz").stat().st_mtime_ns == written, "a finished scan is drawn again, not made again"
    assert occlude.main([*asked, "occlusion_depth=0"]) == 0
    assert Path(f"{stem}.npz").stat().st_mtime_ns != written


@pytest.mark.slow
def test_attribution_by_boxes(sample: Path, weights: Path, tmp_path: Path) -> None:
    asked = [f"input_file={sample}", f"output_dir={tmp_path}", f"weight_file={weights}", "GPUID=cpu", "-n", "2",
             "methods=occlusion", "occlusion_size=1", "occlusion_depth=1", "format=png", "judge=False"]  # fmt: skip
    assert attribute.main(asked) == 0
    with np.load(tmp_path / "attribution_cells_ENTRY_2.npz") as made:
        maps = made["map_occlusion"]
    assert maps.shape == (5, 16, 16)
    assert len({frame.tobytes() for frame in maps}) > 1
