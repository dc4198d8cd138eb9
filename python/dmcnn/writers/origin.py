"""Origin of files: whether a writer of dmcnn made them, so that they may be replaced."""

from __future__ import annotations

from pathlib import Path

import h5py

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn.formats.hdf5 import MAGIC

KEY = "dmcnn"
"""Attribute with the version of dmcnn in every file of a simulated sample."""


def check_own(path: Path) -> None:
    """Raise InputError if there is a file at ``path`` that no writer of dmcnn has made; folders are not looked at."""
    if path.is_file() and not _is_own(path):
        raise InputError(
            f"{path}: was not made by dmcnn, so it is not replaced: choose another output, or move it"
        )


def _is_own(path: Path) -> bool:
    """Return whether a file holds the version of dmcnn that made it."""
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
    try:
        if head == MAGIC:
            with h5py.File(path, "r") as content:
                return KEY in content.attrs
        return KEY.encode() in (need("pyarrow.parquet").read_schema(path).metadata or {})
    except (OSError, RuntimeError, ValueError):  # damaged, or no such file
        return False
