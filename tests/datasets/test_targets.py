"""Targets and their scales, alone and as labels of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.datasets.targets import Targets, fit_scales

USUAL = ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]


def files(folder: Path, counts: tuple[int, ...] = (50, 30, 40)) -> list[str]:
    """Write tables of frames of 4 x 5 pixels with two labels."""
    random, paths = np.random.default_rng(1), []
    for number, count in enumerate(counts):
        pixels = {str(n): (random.random(count) < 0.3) * 100.0 for n in range(20)}
        known = {"cotAlpha": random.normal(0, 1 + number, count), "pt": random.normal(0, 3 - number, count)}
        known["pt"][3] = np.nan
        paths.append(str(folder / f"part.{number}.parquet"))
        parquet.write_table(pa.table(pixels | known), paths[-1])
    return paths


def stored(path: str, name: str) -> np.ndarray:
    return parquet.read_table(path, columns=[name]).column(0).to_numpy()


def nothing(names: Any) -> Any:
    raise AssertionError("the files need not be read")


def test_scales_by_name_by_pitch_and_as_given() -> None:
    assert fit_scales("fixed", USUAL, nothing) == Targets(tuple(USUAL), (75.0, 18.75, 8.0, 0.5))
    assert fit_scales("fixed", USUAL[::-1], nothing).scales == (0.5, 8.0, 18.75, 75.0)
    assert fit_scales("pitch", USUAL, nothing, [100.0, 25.0]).scales == (150.0, 37.5, 8.0, 0.5)
    assert fit_scales("pitch", USUAL, nothing, [50, 12.5]) == fit_scales("fixed", USUAL, nothing)
    assert fit_scales([2.0, 3], ["pt", "anything"], nothing) == Targets(("pt", "anything"), (2.0, 3))


def test_scales_from_files(tmp_path: Path) -> None:
    """The scale of each target is the largest of the files; NaN is left out."""
    paths = files(tmp_path)
    data = Dataset(paths, window=[4, 5])
    names = ["pt", "cotAlpha"]
    expected = [max(np.nanpercentile(np.abs(stored(path, name)), 99) for path in paths) for name in names]
    assert fit_scales("percentile", names, data.targets_by_file).scales == tuple(expected)
    one = np.nanpercentile(np.abs(data.stored_targets(["pt"])), 99)
    assert fit_scales("percentile", ["pt"], data.stored_targets).scales == (one,)
    with pytest.raises(InputError, match="target 'pt': no number but 0"):
        fit_scales("percentile", ["pt"], lambda names: [np.zeros((4, 1)), np.full((2, 1), np.nan)])


@pytest.mark.parametrize(
    ("how", "names", "pitch", "words"),
    [
        (
            "fixed",
            ["cotalpha"],
            None,
            r"target 'cotalpha' has no fixed scale \(did you mean 'cotAlpha'\?\)",
        ),
        ("pitch", ["pt"], [50, 25], "target 'pt' has no fixed scale"),
        ("pitch", ["cotAlpha"], None, "needs pitch"),
        ("percentiles", ["cotAlpha"], None, r"did you mean 'percentile'\?"),
        ([1.0], USUAL, None, r"target_scales = \[1.0\], expected a number above 0 for each of x-midplane, "),
        ([1.0, 0.0], ["a", "b"], None, "expected a number above 0"),
        ([1.0, float("nan")], ["a", "b"], None, "expected a number above 0"),
        ([1.0, float("inf")], ["a", "b"], None, "expected a number above 0"),
        ([1.0, 1.0], ["a", "a"], None, r"targets = \['a', 'a'\], expected different names"),
        ([], [], None, r"targets = \[\]"),
    ],
)
def test_what_has_no_scale(how: Any, names: list[str], pitch: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_scales(how, names, nothing, pitch)


def test_a_dataset_of_several_files(tmp_path: Path) -> None:
    paths = files(tmp_path)
    targets = Targets(("pt", "cotAlpha"), (3.0, 7.0))
    for between in (None, [10, 25]):
        rows = slice(None) if between is None else slice(*between)
        data = Dataset(paths, targets=targets, between=between, window=[4, 5])
        columns = [np.concatenate([stored(path, name)[rows] for path in paths]) for name in targets.names]
        np.testing.assert_array_equal(
            data.stored_targets(targets.names), np.stack(columns, axis=1), strict=True
        )
        scaled = np.stack([columns[0] / 3.0, columns[1] / 7.0], axis=1).astype(np.float32)
        np.testing.assert_array_equal(data.labels, scaled, strict=True)
        np.testing.assert_array_equal(data.load(progress=False).label, scaled)
        for start, stop in ((0, 0), (3, 40), (12, 17), (0, len(data)), (len(data) - 1, len(data))):
            chunk = data.read(start, stop)
            np.testing.assert_array_equal(chunk.label, scaled[start:stop])
            assert data.cluster_sizes(start, stop).tolist() == chunk.n_pixels.tolist()
    assert data.target_units(["pt", "cotAlpha"]) == ["GeV", ""]


def test_files_without_targets(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(4, dtype=np.float32))
    with pytest.raises(InputError, match=r"x\.npy: holds no targets, such as pt"):
        Dataset(str(tmp_path / "x.npy"), targets=Targets(("pt",), (1.0,)))
    data = Dataset(str(tmp_path / "x.npy"))
    assert data.labels is None
    assert data.target_units(["pt"]) == [""]
    assert data.cluster_sizes(0, 1).tolist() == [4]
    with pytest.raises(ValueError, match="either classes or targets"):
        Dataset(
            str(tmp_path / "x.npy"),
            LabelRule.parse("entry > 2", ("no", "yes"), "yes"),
            targets=Targets(("pt",), (1.0,)),
        )


def test_targets_are_divided_before_they_are_rounded() -> None:
    values = np.array([[1 / 3, 1e9 + 1]])
    found = Targets(("a", "b"), (0.7, 3.0)).scale(values)
    np.testing.assert_array_equal(found, [[np.float32(1 / 3 / 0.7), np.float32((1e9 + 1) / 3)]], strict=True)
