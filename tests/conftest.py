"""Where the real files are, and small files that stand in for them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from dmcnn.images.sparse import EVENT, META, SparseImages, sparse
from dmcnn.simulation import SAMPLES
from dmcnn.writers import calorimeter, larcv3

ROOT = Path(__file__).parents[1]

# a test of what is right must not fail because the machine was busy for a second
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in processes that a shell starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Share the cores out among the processes of ``-n``: each would otherwise start threads on all of them."""
    processes = config.getoption("numprocesses", None)
    if processes:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))


@pytest.fixture(scope="module", autouse=True)
def _generators(request: pytest.FixtureRequest) -> list[tuple[np.random.Generator, Any]]:
    """Generators of random numbers that the tests of a module share, with their first states."""
    shared = [value for value in vars(request.module).values() if isinstance(value, np.random.Generator)]
    return [(generator, generator.bit_generator.state) for generator in shared]


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(_generators: list[tuple[np.random.Generator, Any]]) -> None:
    for generator, state in _generators:
        generator.bit_generator.state = state


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real detector files and oracles, kept beside the project and never inside it."""
    data = Path(os.environ.get("DMCNN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        pytest.skip(f"SKIPPED FOR WANT OF REAL DATA: {data} is not there (set DMCNN_SHARED_DATA)")
    return data


def toy_images(events: int, seed: int, side: int = 128) -> SparseImages:
    """Square images: every other event is signal (run 100, a filled block), the rest background (a line)."""
    random = np.random.default_rng(seed)
    dense = np.zeros((events, 1, side, side), np.float32)
    ids = np.zeros(events, EVENT)
    for i in range(events):
        row, column = random.integers(20, side - 40, 2)
        signal = i % 2 == 0
        box = np.s_[row : row + 8, column : column + 8] if signal else np.s_[row, column : column + 36]
        dense[i, 0][box] = random.uniform(30, 300, dense[i, 0][box].shape)
        ids[i] = (100 if signal else 7, 1, 1000 + i, i, 0)
    meta = np.zeros((events, 1), META)
    meta["plane"], meta["unit"] = 2, 2
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 1000, 1000 + side, 2400, 2400 + 6 * side
    return sparse(dense, ids, meta)


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LArCV3 files of toy images: 24 to train on, 11 to test on."""
    folder = tmp_path_factory.mktemp("toy")
    files = {"train": folder / "toy_train.h5", "test": folder / "toy_test.h5"}
    for (_, path), events, seed in zip(files.items(), (24, 11), (1, 2), strict=True):
        larcv3.write(path, [toy_images(events, seed)], producer="image2d_binary")
    return files


@pytest.fixture
def train_words(toy_files: dict[str, Path], tmp_path: Path) -> list[str]:
    """Command-line words that train on the toy files in a second or two per epoch."""
    settings: dict[str, Any] = {
        "input_train": toy_files["train"],
        "input_test": toy_files["test"],
        "learning_rate": 0.0003,
        "EPOCHS": 2,
        "batch_size_train": 6,
        "GPUID": "cpu",
        "precision": 32,
        "adc_lo": 10,
        "adc_hi": 500,
        "name": "toy",
        "weights_directory": tmp_path / "weights",
        "output_directory": tmp_path / "out",
    }
    return [f"{key}={value}" for key, value in settings.items()]


@pytest.fixture(scope="session")
def toy_weights(toy_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a network on the toy files; return its checkpoint, which no test may change."""
    from dmcnn import train

    folder = tmp_path_factory.mktemp("weights")
    words = {
        "input_train": toy_files["train"], "input_test": toy_files["test"], "learning_rate": 0.0003, "EPOCHS": 2,
        "batch_size_train": 6, "precision": 32, "GPUID": "cpu", "adc_lo": 10, "adc_hi": 500,
        "weights_directory": folder, "output_directory": folder,
    }  # fmt: skip
    assert train.main([f"{key}={value}" for key, value in words.items()]) == 0
    return folder / "DM-CNN_model_best.ckpt"


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three events of a calorimeter, energies and times."""
    path = tmp_path_factory.mktemp("cells") / "cells.hdf5"
    calorimeter.write(path, SAMPLES["calorimeter"](events=3, seed=1))
    return path
