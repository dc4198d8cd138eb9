"""The simulate command writes what it was asked for, in a file that the readers open."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from dmcnn import simulate
from dmcnn.config import read_cfg
from dmcnn.readers import open_images
from dmcnn.settings import SimulateSettings
from dmcnn.simulation import SAMPLES


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


def test_keys_and_defaults_are_those_of_the_sample() -> None:
    arguments = inspect.signature(SAMPLES["dark-trident"]).parameters
    defaults = {name: p.default for name, p in arguments.items() if p.kind is p.KEYWORD_ONLY}
    fields = {
        name: field.default
        for name, field in SimulateSettings.model_fields.items()
        if name not in simulate.HERE
    }
    assert fields == defaults


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["kind=dark-tridnt"], "did you mean 'dark-trident'"),
        (["output=x.root"], "ends in .h5"),
        (["signal_fraction=1.5"], "signal_fraction = 1.5, expected 0 to 1"),
        (["events=0"], "events = 0: should be greater than or equal to 1"),
    ],
)
def test_faults(tmp_path: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([f"output={tmp_path}/s.h5", "events=2", *words]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "s.h5").exists()
