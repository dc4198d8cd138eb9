"""Detector files in, SparseImages out: ``open_images`` picks the reader by a file's first bytes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from dmcnn.errors import InputError, nearest
from dmcnn.readers.base import ImageFile, Report
from dmcnn.readers.larcv2 import LArCV2
from dmcnn.readers.larcv3 import LArCV3
from dmcnn.readers.source import existing

READERS: dict[str, type[ImageFile]] = {"larcv2": LArCV2, "larcv3": LArCV3}

__all__ = ["READERS", "ImageFile", "LArCV2", "LArCV3", "Report", "existing", "open_images", "reader_of"]


def reader_of(path: str | Path) -> type[ImageFile]:
    """The reader whose format a file's first bytes announce, whatever its name ends in."""
    path = existing(path)
    with path.open("rb") as file:
        head = file.read(16)
    for reader in READERS.values():
        if head.startswith(reader.magic):
            return reader
    found = f"begins with {head[:8]!r}" if head else "is empty"
    raise InputError(f"{path}: {found}, expected a ROOT file (LArCV2, LArCV1) or an HDF5 file (LArCV3)")


def arguments_of(reader: type[ImageFile]) -> set[str]:
    """Names of the arguments that a reader takes beside ``path``."""
    named = [p.name for cls in (ImageFile, reader) for p in inspect.signature(cls).parameters.values()
             if p.kind is p.KEYWORD_ONLY]  # fmt: skip
    return set(named)


def open_images(path: str | Path, **arguments: Any) -> ImageFile:
    """Open one file with the reader it needs.

    ``arguments`` are those of ImageFile and of any reader; what is meant for another format (``tick_order``
    for a LArCV3 file) is left aside, so that a list may mix formats. An argument no reader has is an error.
    """
    known = set().union(*map(arguments_of, READERS.values()))
    for name in arguments:
        if name not in known:
            raise InputError(f"no reader has an argument {name!r}{nearest(name, known)}")
    reader = reader_of(path)
    taken = arguments_of(reader)
    return reader(path, **{name: value for name, value in arguments.items() if name in taken})
