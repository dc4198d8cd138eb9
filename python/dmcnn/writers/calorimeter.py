"""HDF5 files of energy and time images in the layout of the electron/photon challenge of ML4SCI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file
from dmcnn.formats.hdf5 import create
from dmcnn.images.sparse import SparseImages

SUFFIXES = (".h5", ".hdf5")
CLASSES = ("photon", "electron")
CHUNK = 128  # images


def file_names(path: Path, classes: Sequence[str] = CLASSES) -> list[Path]:
    """Return the files that ``write`` makes at ``path``: that file, or one for each class in that folder."""
    return [path] if path.suffix in SUFFIXES else [path / f"{name}.hdf5" for name in classes]


def write(
    path: str | Path,
    batches: Iterable[SparseImages],
    *,
    classes: Sequence[str] = CLASSES,
    attributes: Mapping[str, str | int | float] | None = None,
) -> int:
    """Write batches of labelled images one after another and return the number of images.

    A file holds ``X`` (n, H, W, 2) float32, energy and time, zeros included, and ``y`` (n,) float32, the class
    number. Ids and positions in the detector are not stored.

    Args:
        path: a name that ends in .h5 or .hdf5 for one file of all images; else a folder with one file per class,
            ``electron.hdf5`` and ``photon.hdf5``, as published. The files are whole or absent; other files in the
            folder stay.
        batches: images of two channels, energy and time, with class numbers.
        classes: name of each class number.
        attributes: numbers and texts that describe the origin of the images.

    Raises:
        InputError: ``path`` is a folder where its name means a file, or the other way round.
        ValueError: images with another number of channels, or without class numbers.
    """
    path = Path(path)
    single = path.suffix in SUFFIXES
    if path.is_dir() if single else path.is_file():
        kinds = ("folder", "file") if single else ("file", "folder")
        raise InputError("{}: is a {}, expected a {} or a new name".format(path, *kinds))
    names = file_names(path, classes)
    events = 0
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic_file(name)) for name in names]
        files, disks = zip(*(stack.enter_context(create(name)) for name in temporary), strict=True)
        for file in files:
            file.attrs.update(attributes or {})
        for batch in batches:
            if batch.shape[0] != 2 or batch.label is None:
                raise ValueError(
                    f"images of shape {batch.shape}, expected labelled images of energy and time"
                )
            if not events:
                _create(files, batch.shape[1:])
            for number, file in enumerate(files):
                _append(file, batch if single else batch.take(batch.label == number))
            for disk in disks:
                disk.check()
            events += len(batch)
    return events


def _create(files: Sequence[h5py.File], size: tuple[int, ...]) -> None:
    """Create empty, extendable datasets X and y for images of ``size`` (H, W)."""
    for file in files:
        for name, shape in (("X", (*size, 2)), ("y", ())):
            file.create_dataset(
                name,
                (0, *shape),
                np.float32,
                maxshape=(None, *shape),
                chunks=(CHUNK, *shape),
                compression="gzip",
                compression_opts=1,
            )


def _append(file: h5py.File, batch: SparseImages) -> None:
    """Append the images and labels of a batch."""
    columns: dict[str, NDArray[np.float32]] = {
        "X": np.moveaxis(batch.dense(), 1, -1),
        "y": np.asarray(batch.label, np.float32),
    }
    for name, rows in columns.items():
        before = len(file[name])
        file[name].resize(before + len(rows), axis=0)
        file[name][before:] = rows
