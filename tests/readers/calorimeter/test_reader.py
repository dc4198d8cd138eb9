"""Energy and time images against NumPy, the ECAL oracle and h5py; hostile files end in one clear line."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.frames import ECAL
from dmcnn.images.sparse import UNIT_CELL, UNSET
from dmcnn.readers import open_images
from dmcnn.readers.calorimeter.reader import Calorimeter

LAYOUTS = {
    "in one piece": {},
    "gzip": {"chunks": (8, 12, 10, 2), "compression": "gzip"},
    "gzip, longer than the file": {"chunks": (64, 12, 10, 2), "compression": "gzip", "maxshape": (None, 12, 10, 2)},
    "gzip of shuffled bytes": {"chunks": (8, 12, 10, 2), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (4, 12, 10, 2), "compression": "lzf"},
    "chunks of parts of images": {"chunks": (3, 4, 5, 1), "compression": "gzip"},
    "not compressed": {"chunks": (5, 12, 10, 2)},
    "double": {"dtype": np.float64, "chunks": (8, 12, 10, 2), "compression": "gzip"},
}  # fmt: skip


ALL = (-np.inf, -np.inf, np.inf)
"""Limits of ``selected`` that every cell with energy passes."""


def pictures(n: int = 37, height: int = 12, width: int = 10, seed: int = 1) -> np.ndarray:
    """Return (n, H, W, 2): a third of the cells have energy, some of it negative; some empty cells have a time."""
    random = np.random.default_rng(seed)
    found = np.zeros((n, height, width, 2), np.float32)
    hit = random.random((n, height, width)) < 0.3
    found[..., 0][hit] = random.normal(0.01, 0.02, hit.sum())
    timed = hit | (random.random(hit.shape) < 0.05)
    found[..., 1][timed] = random.normal(0, 0.08, timed.sum())
    return found


def written(path: Path, pictures: np.ndarray, y: object = None, **layout: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=pictures, **layout)
        if y is not None:
            file["y"] = y
    return path


def selected(pictures: np.ndarray, energy_min: float, low: float, high: float) -> np.ndarray:
    """Return (n, H, W, 2) with every cell outside the limits set to 0; float32 is compared as float64."""
    energy, time = np.moveaxis(pictures.astype(np.float64), -1, 0)
    kept = (energy != 0) & (energy > energy_min) & (time > low) & (time < high)
    return np.where(kept[..., None], pictures, 0).astype(np.float32)


def framed(pictures: np.ndarray, edges: np.ndarray, cumulative: bool) -> np.ndarray:
    """Return (n, edges, H, W), the frames of the selected cells."""
    energy, time = pictures[..., 0], pictures[..., 1].astype(np.float64)
    out = np.zeros((len(pictures), len(edges), *energy.shape[1:]), np.float32)
    for k in range(len(edges) - 1):
        inside = (time <= edges[k + 1]) & (cumulative | (time > edges[k]))
        out[:, k] = np.where(inside, energy, 0)
    return out


@pytest.mark.parametrize("cumulative", [True, False])
def test_frames_are_those_of_the_oracle(shared_data: Path, tmp_path: Path, cumulative: bool) -> None:
    oracle = np.load(shared_data / "ecal" / "voxel_oracle.npz")
    path = written(tmp_path / "x.hdf5", oracle["X"], chunks=(7, 32, 32, 2), compression="gzip")
    found = open_images(path, cumulative=cumulative).read()
    assert found.dense().tobytes() == oracle["cumulative" if cumulative else "binned"].tobytes()
    assert found.shape == (21, 32, 32)


@pytest.mark.parametrize("layout", ["gzip", "not compressed", "lzf"])
@pytest.mark.parametrize("fill", [0.05, np.nan, None])
@pytest.mark.parametrize("fill_time", ["ifset", "never"])
def test_what_was_never_written_is_the_fill_value(
    tmp_path: Path, layout: str, fill: float | None, fill_time: str
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "X", (37, 12, 10, 2), "f4", fillvalue=fill, fill_time=fill_time, **LAYOUTS[layout]
        )
        data[:16] = pictures()[:16]
    with h5py.File(path) as file:
        every = file["X"][:]
    found = open_images(path, view="energy_time")
    bad = np.isnan(every).any(axis=3)
    np.testing.assert_array_equal(found.read().dense(), np.moveaxis(selected(every, *ALL), -1, 1))
    assert sum(bad.ravel()) == (0 if not bad.any() else 21 * 120)
    assert any(f"{bad.sum()} pixels were NaN" in line for line in found.report_lines()) == bad.any()


def test_a_fill_value_that_is_damaged_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=pictures())

    def undefined(data: h5py.Dataset) -> float:
        """Fail as h5py does where flipped bits say that there is none."""
        raise RuntimeError("Can't get fill value (fill value is undefined)")

    monkeypatch.setattr(h5py.Dataset, "fillvalue", property(undefined))
    with pytest.raises(InputError, match="cannot be read, damaged or truncated"):
        open_images(path, view="energy_time")


@pytest.mark.parametrize("size", [512, 2048])
def test_a_user_block_comes_before_the_signature(tmp_path: Path, size: int) -> None:
    every, path = pictures(), tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=size) as file:
        file.create_dataset("X", data=every, **LAYOUTS["gzip"])
    found = open_images(path, view="energy_time").read().dense()
    np.testing.assert_array_equal(found, np.moveaxis(selected(every, *ALL), -1, 1))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["X_jets", "y"], r"holds X_jets \(2, 3\), y \(2, 3\); expected images X \(n, H, W, 2\)"),
        (["train/X"], r"holds train/X \(2, 3\)"),
        ([], "holds no dataset"),
        ([f"a{i}" for i in range(9)], r"a5 \(2, 3\), …; expected"),
    ],
)
def test_another_layout_is_described(tmp_path: Path, names: list[str], words: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in names:
            file[name] = np.zeros((2, 3))
    with pytest.raises(InputError, match=words) as error:
        open_images(tmp_path / "x.h5")
    assert "LArCV3's groups /Data/<product>_<producer>_group" in str(error.value)


@pytest.mark.slow
def test_a_file_that_is_being_written_is_not_called_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", pictures())
    look = f"from dmcnn.readers import open_images; print(len(open_images({str(path)!r})))"
    plain = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    with h5py.File(path, "r+"):
        locked, as_advised = (
            subprocess.run(
                [sys.executable, "-c", look], env=plain | more, capture_output=True, text=True, check=False
            )
            for more in ({}, {"HDF5_USE_FILE_LOCKING": "FALSE"})
        )
    assert f"InputError: {path}: is open for writing elsewhere" in locked.stderr
    assert "damaged" not in locked.stderr.splitlines()[-1]
    assert as_advised.stdout == "37\n", as_advised.stderr


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_in_any_slices(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = pictures()
    path = written(tmp_path / "x.h5", every, **LAYOUTS[layout])
    expected = np.moveaxis(selected(every, -np.inf, -np.inf, np.inf), -1, 1)
    reader = pickle.loads(pickle.dumps(Calorimeter(path, view="energy_time")))
    for threads in "12":
        monkeypatch.setenv("DMCNN_NUM_THREADS", threads)
        for start, stop in ((0, 37), (0, 0), (5, 6), (7, 9), (8, 16), (30, 37), (3, 33), (37, 37)):
            found = reader.read(start, stop)
            np.testing.assert_array_equal(found.dense(), expected[start:stop])
            assert found.value.all()
            assert found.events["entry"].tolist() == list(range(start, stop))
            for i in range(len(found)):
                assert (np.diff(found.index[found.offsets[i] : found.offsets[i + 1]]) > 0).all()
    assert (reader.events["run"] == UNSET).all()
    with pytest.raises(ValueError, match=r"entries 3\.\.38 asked for"):
        reader.read(3, 38)


@pytest.mark.parametrize("crop", [None, 8, 2])
@pytest.mark.parametrize("limits", [(None, None, None), (0.012, -0.1, 0.1), (-0.01, None, 0.02)])
def test_crop_and_limits(tmp_path: Path, crop: int | None, limits: tuple[float | None, ...]) -> None:
    every = pictures()
    path = written(tmp_path / "x.h5", every)
    low, early, late = (
        b if a is None else a for a, b in zip(limits, (-np.inf, -np.inf, np.inf), strict=True)
    )
    top, left = (0, 0) if crop is None else ((12 - crop) // 2, (10 - crop) // 2)
    cut = every if crop is None else every[:, top : top + crop, left : left + crop]
    names = dict(zip(("energy_min", "time_lo", "time_hi"), limits, strict=True))
    found = open_images(path, crop=crop, view="energy_time", **names).read()
    np.testing.assert_array_equal(found.dense(), np.moveaxis(selected(cut, low, early, late), -1, 1))
    place = found.meta[0, 0]
    assert (place["unit"], place["x_min"], place["y_min"]) == (UNIT_CELL, left, top)
    assert (place["x_max"] - place["x_min"], place["y_max"] - place["y_min"]) == cut.shape[2:0:-1]
    if limits[0] is None:
        low = 0.005
    edges = np.arange(-0.05, 0.06, 0.02)
    for cumulative in (True, False):
        frames = open_images(path, crop=crop, time_edges=(-0.05, 0.06, 0.02), cumulative=cumulative, **names)
        expected = framed(selected(cut, low, early, late), edges, cumulative)
        np.testing.assert_array_equal(frames.read().dense(), expected)
        assert frames.shape == expected.shape[1:]


def test_limits_are_strict(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", np.array([[[[0.25, 0.5], [0.5, 0.5], [0.5, 0.25]]]], np.float32))
    how = {"view": "energy_time", "energy_min": 0.25, "time_lo": 0.25, "time_hi": 0.75}
    assert open_images(path, **how).read().dense().ravel().tolist() == [0, 0.5, 0, 0, 0.5, 0]
    how |= {"time_lo": 0.0, "time_hi": 0.5}
    assert open_images(path, **how).read().dense().ravel().tolist() == [0, 0, 0.5, 0, 0, 0.25]


def test_projections(tmp_path: Path) -> None:
    every = pictures()
    path = written(tmp_path / "x.h5", every)
    found = open_images(path, view="projections").read()
    binned = framed(selected(every, 0.005, -np.inf, np.inf), ECAL.edges, False).astype(np.float64)
    expected = np.zeros((len(every), 3, 21, 21))
    expected[:, 0, 4:16, 5:15] = binned.sum(axis=1)
    expected[:, 1, :, 5:15] = binned.sum(axis=2)
    expected[:, 2, :, 4:16] = binned.sum(axis=3)
    np.testing.assert_allclose(found.dense(), expected, rtol=1e-6)
    edges = found.meta[["x_min", "x_max", "y_min", "y_max"]][0].tolist()
    assert edges == [(-5, 16, -4, 17), (-5, 16, 0, 21), (-4, 17, 0, 21)]


def test_nan_and_infinity_are_counted_or_stop(tmp_path: Path) -> None:
    clean = pictures()
    every = clean.copy()
    for place in ((3, 2, 2, 0), (3, 4, 4, 1), (30, 0, 0, 0)):
        every[place] = np.inf if place[3] else np.nan
        clean[place[:3]] = 0
    path = written(tmp_path / "x.h5", every, chunks=(8, 12, 10, 2), compression="gzip")
    reader = Calorimeter(path, view="energy_time")
    reader.read()
    np.testing.assert_array_equal(
        reader.read().dense(), np.moveaxis(selected(clean, -np.inf, -np.inf, np.inf), -1, 1)
    )
    assert reader.report_lines() == [
        f"{path}: 37 of 37 entries read",
        f"{path}: 3 pixels were NaN or infinite, set to zero",
    ]
    with pytest.raises(InputError, match="entry 3: 2 pixels are NaN or infinite"):
        Calorimeter(path, bad_pixels="stop").read(1, 20)


def test_entries_without_energy_are_told(tmp_path: Path) -> None:
    every = pictures()
    every[[2, 5], ..., 0] = 0
    reader = Calorimeter(written(tmp_path / "x.h5", every), energy_min=0.0)
    reader.read(0, 4)
    assert reader.report_lines()[1:] == [f"{reader.path}: 1 entries hold no energy within the limits"]
    assert reader.report_lines()[0].endswith("4 of 37 entries read")


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64, np.uint64])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_stored_classes(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    y = np.arange(37) % 2
    written(tmp_path / "x.h5", pictures(), y.astype(dtype).reshape(shape))
    dataset = Dataset(
        str(tmp_path / "x.h5"), LabelRule.parse("y", ["photon", "electron"]), view="energy_time"
    )
    assert dataset.labels.tolist() == y.tolist()
    assert dataset.read(3, 6).label.tolist() == [1, 0, 1]
    assert Calorimeter(written(tmp_path / "z.h5", pictures())).stored_classes is None


HOSTILE = {
    "rank": (lambda f: f.create_dataset("X", data=np.zeros((4, 3, 3))), "(4, 3, 3), expected float32 (n, H, W, 2)"),
    "channels": (lambda f: f.create_dataset("X", data=np.zeros((4, 3, 3, 3))), "shape (4, 3, 3, 3), expected"),
    "integers": (lambda f: f.create_dataset("X", data=np.zeros((4, 3, 3, 2), int)), "int64 of shape"),
    "text": (lambda f: f.create_dataset("X", data=np.full((4, 3, 3, 2), b"abc")), "|S3 of shape"),
    "rows": (lambda f: f.create_dataset("X", data=np.zeros((0, 3, 3, 2), np.float32)), "no images"),
    "cells": (lambda f: f.create_dataset("X", (4, 0, 3, 2), np.float32), "no images"),
    "missing": (lambda f: f.create_dataset("x", data=np.zeros(3)), "holds x (3,)"),
    "group": (lambda f: f.create_group("X"), "holds no dataset"),
    "size": (lambda f: f.create_dataset("X", (2**33, 3, 3, 2), "f4", chunks=(64, 3, 3, 2)), "than the file can hold"),
}  # fmt: skip


@pytest.mark.parametrize("fault", HOSTILE)
def test_other_layouts(tmp_path: Path, fault: str) -> None:
    make, words = HOSTILE[fault]
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(InputError) as error:
        open_images(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.zeros(36), "float64 of shape (36,), expected a class number for each of 37 images"),
        (np.zeros((37, 2)), "of shape (37, 2)"),
        (np.full(37, b"a"), "|S1 of shape"),
        (np.where(np.arange(37) == 4, 0.5, 1), "entry 4: 0.5, expected a whole number"),
        (np.where(np.arange(37) == 5, -1, 1), "entry 5: -1"),
        (np.where(np.arange(37) == 6, np.nan, 1), "entry 6: nan"),
        (np.where(np.arange(37) == 7, np.inf, 1), "entry 7: inf"),
    ],
)
def test_other_classes(tmp_path: Path, y: np.ndarray, words: str) -> None:
    with pytest.raises(InputError) as error:
        open_images(written(tmp_path / "x.h5", pictures(), y))
    assert "x.h5: y: " in str(error.value)
    assert words in str(error.value)


def test_a_class_that_has_no_name(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", pictures(), np.where(np.arange(37) == 5, 7, 1))
    with pytest.raises(InputError, match="entry 5: the file stores class 7, expected 0 to 1"):
        Dataset(str(path), LabelRule.parse("y", ["photon", "electron"]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"crop": 7}, "crop = 7, expected at most 10 and even or odd"),
        ({"crop": 12}, "crop = 12, expected at most 10"),
        ({"crop": 0}, "crop = 0"),
        ({"view": "frame"}, r"did you mean 'frames'\?"),
        ({"bad_pixels": "keep"}, "expected 'zero' or 'stop'"),
        ({"time_lo": 0.1, "time_hi": 0.1}, "time_lo below time_hi"),
        ({"energy_min": float("nan")}, "expected numbers"),
        ({"time_edges": (0, 1)}, "expected .first, end, step."),
        ({"time_edges": (0, 1, 0)}, "2 or more edges"),
        ({"time_edges": (0, 1, 2)}, "2 or more edges"),
        ({"time_edges": (0, 1, 1e-9)}, "2 or more edges"),
        ({"time_edges": (0, float("inf"), 1)}, "expected .first, end, step."),
    ],
)
def test_arguments_that_mean_nothing(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    path = written(tmp_path / "x.h5", pictures())
    with pytest.raises(InputError, match=words):
        open_images(path, **arguments)


def test_truncated_files(tmp_path: Path) -> None:
    whole = written(tmp_path / "x.h5", pictures(), chunks=(8, 12, 10, 2), compression="gzip").read_bytes()
    path = tmp_path / "short.h5"
    for size in (8, 100, 2000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"short.h5"):
            open_images(path).read()


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["gzip", "lzf"])
def test_random_damage_never_crashes(tmp_path: Path, layout: str) -> None:
    """Wrong bytes anywhere give images, or an InputError of one line; nothing else."""
    random = np.random.default_rng(6)
    whole = written(tmp_path / "x.h5", pictures(), np.zeros(37), **LAYOUTS[layout]).read_bytes()
    path, outcomes = tmp_path / "noise.h5", set()
    for _ in range(80):
        data = bytearray(whole)
        for at in random.integers(len(data), size=5):
            data[int(at)] ^= int(random.integers(1, 256))
        path.write_bytes(data)
        try:
            outcomes.add(len(Calorimeter(path).read()))
        except InputError as error:
            outcomes.add(f"error in {len(error.faults[0].splitlines())} line")
    assert "error in 1 line" in outcomes
    assert outcomes <= {37, "error in 1 line"}
