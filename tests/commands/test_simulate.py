"""The simulate command writes what it was asked for, in a file that the readers open."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dmcnn import simulate
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.readers import open_images
from dmcnn.settings import SimulateSettings
from dmcnn.settings.cfg import read_cfg
from dmcnn.simulation import SAMPLES
from dmcnn.simulation.addresses import format_of
from dmcnn.simulation.lartpc.lariat import CLASSES


@pytest.mark.parametrize("product", ["sparse2d", "image2d"])
def test_writes_the_sample(tmp_path: Path, product: str) -> None:
    path = tmp_path / "new" / "sample.h5"
    words = [
        f"output={path}",
        "events=5",
        "seed_number=3",
        "xdim=200",
        "ydim=160",
        f"product={product}",
        "noise=2",
    ]
    assert simulate.main(words) == 0
    reader = open_images(path)
    assert reader.producer == "image2d_binary"
    found = reader.read()
    expected = next(SAMPLES["dark-trident"](events=5, seed=3, xdim=200, ydim=160, noise=2.0))
    np.testing.assert_array_equal(found.dense(), expected.dense())
    np.testing.assert_array_equal(found.events, expected.events)
    np.testing.assert_array_equal(found.meta, expected.meta)
    entries, faults = read_cfg(path.with_suffix(".cfg"))
    assert not faults
    assert {entry.key: entry.value for entry in entries}["xdim"] == 200


def test_ecal_is_the_calorimeter(tmp_path: Path) -> None:
    for kind in ("ecal", "calorimeter"):
        assert simulate.main([f"output={tmp_path}/{kind}.hdf5", f"kind={kind}", "events=3"]) == 0
    one, other = (open_images(tmp_path / f"{kind}.hdf5").read() for kind in ("ecal", "calorimeter"))
    np.testing.assert_array_equal(one.value, other.value)


@pytest.mark.slow
def test_a_sample_with_classes_is_a_folder(tmp_path: Path) -> None:
    words = [f"output={tmp_path}/lariat/", "kind=lariat", "events=7", "seed_number=3", "noise=0"]
    assert simulate.main(words) == 0
    data = Dataset(str(tmp_path / "lariat"), LabelRule.parse("prefix", CLASSES))
    expected = next(SAMPLES["lariat"](events=7, seed=3, noise=0.0))
    order = np.argsort([f"{CLASSES[label]}_{entry}" for entry, label in enumerate(expected.label)])
    np.testing.assert_array_equal(data.read().dense(), expected.dense()[order])
    assert data.read().label.tolist() == expected.label[order].tolist()
    used = {entry.key: entry.value for entry in read_cfg(tmp_path / "lariat.cfg")[0]}
    assert (used["noise"], used["momentum_hi"]) == (0, 1500)
    assert not {"xdim", "product", "dark_photon_mass"} & set(used)
    assert simulate.main([str(tmp_path / "lariat.cfg"), "events=2"]) == 0
    assert len(Dataset(str(tmp_path / "lariat"))) == 2


def test_an_earlier_version_has_its_own_defaults_and_says_so(tmp_path: Path) -> None:
    words = ["events=3", "xdim=64", "ydim=64"]
    assert simulate.main([f"output={tmp_path}/old.h5", "version=1", *words]) == 0
    assert simulate.main([f"output={tmp_path}/new.h5", *words]) == 0
    used = {
        name: {entry.key: entry.value for entry in read_cfg(tmp_path / f"{name}.cfg")[0]}
        for name in ("old", "new")
    }
    assert [used[name]["version"] for name in ("old", "new")] == [1, 2]
    assert [used[name]["vertex_jitter"] for name in ("old", "new")] == [8.0, 40.0]
    physics = {"version": 1, "vertex_jitter": 8.0, "noise": 2.8, "xdim": 64, "ydim": 64}
    expected = next(SAMPLES["dark-trident"](events=3, seed=1, **physics))
    np.testing.assert_array_equal(open_images(tmp_path / "old.h5").read().dense(), expected.dense())


@pytest.mark.slow
def test_a_cfg_of_before_there_were_versions_means_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    assert simulate.main([f"output={tmp_path}/a.parquet", "kind=smartpixel", "events=5", "version=1"]) == 0
    cfg = tmp_path / "a.cfg"
    lines = cfg.read_text().splitlines(keepends=True)
    cfg.write_text("".join(line for line in lines if not line.startswith("version")))
    assert simulate.main([str(cfg), f"output={tmp_path}/b.parquet"]) == 0
    first, again = (open_images(tmp_path / f"{name}.parquet").read() for name in "ab")
    np.testing.assert_array_equal(first.value, again.value)
    assert "version = 1" in caplog.text


def defaults(kind: str) -> dict[str, Any]:
    """What a user may set of a sample and of its file, and what it is otherwise."""
    arguments = inspect.signature(SAMPLES[kind]).parameters
    physics = {name: p.default for name, p in arguments.items() if p.kind is p.KEYWORD_ONLY}
    return physics | dict(format_of(kind).options)


@pytest.mark.parametrize("kind", ["dark-trident", "lariat", "calorimeter", "smartpixel"])
def test_the_help_tells_the_defaults_of_a_sample(kind: str) -> None:
    for name, default in defaults(kind).items():
        assert f"{kind} {default}" in str(SimulateSettings.model_fields[name].description), name


def test_every_key_belongs_to_a_sample() -> None:
    keys = set().union(*map(defaults, SAMPLES))
    assert set(SimulateSettings.model_fields) - SimulateSettings.keys(sample=False) == keys
    assert all(SimulateSettings.model_fields[key].default is None for key in keys)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["kind=dark-tridnt"], "did you mean 'dark-trident'"),
        (["output=x.root"], "ends in .h5"),
        (["output=x.h5", "kind=lariat"], "expected a folder, its name without a dot"),
        (["output=x", "kind=lariat", "xdim=9"], "xdim is not a key of kind = 'lariat'"),
        (["output=x", "kind=lariat", "product=image2d"], "product is not a key of kind = 'lariat'"),
        (["output=x", "kind=lariat", "fractions=[1, 2]"], "expected one number for each of electron, kaon"),
        (["output=x", "kind=lariat", "momentum_lo=3"], "momentum_lo = 3.0, expected 10 to 10000"),
        (["signal_fraction=1.5"], "signal_fraction = 1.5, expected 0 to 1"),
        (["version=3"], "version = 3, expected one of 1, 2 of dark-trident"),
        (["output=x", "kind=calorimeter", "version=1"], "version is not a key of kind = 'calorimeter'"),
        (["events=0"], "events = 0: should be greater than or equal to 1"),
    ],
)
def test_faults(tmp_path: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([f"output={tmp_path}/s.h5", "events=2", *words]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "s.h5").exists()


def test_what_dmcnn_has_not_made_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg, own = tmp_path / "my.cfg", tmp_path / "my.h5"
    cfg.write_text(f"events = 2\nxdim = 64\nydim = 64\noutput = '{own}'  # my notes\n")
    before = cfg.read_bytes()
    assert simulate.main([str(cfg)]) == 2
    assert "my.cfg: the settings would be written there, but it is yours" in capsys.readouterr().err
    assert cfg.read_bytes() == before
    assert not own.exists()
    assert simulate.main([str(cfg), f"output={tmp_path}/s.h5"]) == 0
    assert simulate.main([str(tmp_path / "s.cfg"), "events=3"]) == 0  # what it wrote itself, it replaces
    real = tmp_path / "real.h5"
    with h5py.File(real, "w") as file:
        file["X"] = np.zeros((1, 2))
    for path, kind, text in (
        (real, "dark-trident", None),
        (tmp_path / "text.h5", "dark-trident", "my notes"),
        (tmp_path / "cells/electron.hdf5", "calorimeter", "someone's"),
        (tmp_path / "frames.parquet", "smartpixel", "someone's"),
    ):
        path.parent.mkdir(exist_ok=True)
        if text is not None:
            path.write_text(text)
        before = path.read_bytes()
        output = path.parent if path.parent != tmp_path else path
        assert simulate.main([f"output={output}", f"kind={kind}", "events=2"]) == 2
        assert f"{path}: was not made by dmcnn" in capsys.readouterr().err
        assert path.read_bytes() == before
