"""Links to other HDF5 files, and numbers in them, are refused: a file is what it holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.readers import open_images
from dmcnn.simulation import SAMPLES
from dmcnn.writers import calorimeter, larcv3


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    path = tmp_path / "cells.hdf5"
    calorimeter.write(path, SAMPLES["calorimeter"](events=3, seed=1))
    return path


def test_links_inside_the_file_are_followed(cells: Path) -> None:
    expected = open_images(cells).read()
    with h5py.File(cells, "r+") as file:
        file.move("X", "deep/X")
        file["X"] = h5py.SoftLink("/deep/X")
    np.testing.assert_array_equal(open_images(cells).read().value, expected.value)


def test_a_link_to_another_file_is_not_followed(cells: Path, tmp_path: Path) -> None:
    path = tmp_path / "linked.hdf5"
    with h5py.File(path, "w") as file:
        file["X"] = h5py.ExternalLink(cells.name, "X")
    with pytest.raises(
        InputError, match=r"X: is a link to another file \('cells.hdf5'\), which is not followed"
    ):
        open_images(path)


def test_numbers_in_other_files_are_not_read(cells: Path, tmp_path: Path) -> None:
    virtual, external = tmp_path / "virtual.hdf5", tmp_path / "external.hdf5"
    with h5py.File(virtual, "w") as file:
        layout = h5py.VirtualLayout((3, 32, 32, 2), np.float32)
        layout[:] = h5py.VirtualSource(cells.name, "X", (3, 32, 32, 2))
        file.create_virtual_dataset("X", layout)
    (tmp_path / "raw").write_bytes(bytes(3 * 32 * 32 * 2 * 4))
    with h5py.File(external, "w") as file:
        file.create_dataset("X", (3, 32, 32, 2), np.float32, external=[("raw", 0, 3 * 32 * 32 * 2 * 4)])
    for path in (virtual, external):
        with pytest.raises(InputError, match="X: its numbers are in other files, which are not read"):
            open_images(path)


@pytest.mark.parametrize("name", ["Data", "Data/sparse2d_wire_group", "Data/sparse2d_wire_group/voxels"])
def test_links_in_a_larcv3_file(tmp_path: Path, name: str) -> None:
    path, other = tmp_path / "x.h5", tmp_path / "other.h5"
    for target in (path, other):
        larcv3.write(target, SAMPLES["dark-trident"](events=2, seed=1, xdim=64, ydim=64), producer="wire")
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = h5py.ExternalLink("other.h5", name)
    with pytest.raises(InputError, match="is a link to another file"):
        open_images(path)


HOLDER = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"


def test_a_file_that_another_program_writes_is_not_called_damaged(cells: Path) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(cells)], stdin=pipe, stdout=pipe, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(InputError, match="is open for writing elsewhere"):
            open_images(cells)
        other.communicate()
