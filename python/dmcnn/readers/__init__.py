"""Detector files in, SparseImages out: ``open_images`` picks the reader by a file's content."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dmcnn._common.errors import InputError, nearest
from dmcnn.formats.source import existing_file
from dmcnn.readers.base import EventFile
from dmcnn.readers.calorimeter.reader import Calorimeter
from dmcnn.readers.fit_to_window import ImageFile, Report
from dmcnn.readers.larcv2.reader import LArCV2
from dmcnn.readers.larcv3.reader import LArCV3
from dmcnn.readers.npy import NpyFolder
from dmcnn.readers.smartpixel.reader import SmartPixel, fit_charge

READERS: dict[str, type[EventFile]] = {
    "larcv2": LArCV2,
    "calorimeter": Calorimeter,
    "larcv3": LArCV3,
    "smartpixel": SmartPixel,
    "npy": NpyFolder,
}
"""The first that reads a file opens it."""

__all__ = ["READERS", "Calorimeter", "EventFile", "ImageFile", "LArCV2", "LArCV3", "NpyFolder", "Report",
           "SmartPixel", "arguments_of", "existing", "fit_charge", "open_images", "reader_of"]  # fmt: skip

EXPECTED = (
    "a ROOT file (LArCV2, LArCV1) or an HDF5 file (LArCV3), or one with calorimeter images X, or a parquet or csv "
    "file of pixel frames, or a .npy file or a folder of them"
)


def reader_of(path: str | Path) -> type[EventFile]:
    """The reader of a file by its content, whatever its name ends in; of a folder by what it holds."""
    path = Path(path).expanduser()
    head = b""
    if not path.is_dir():
        with existing_file(path).open("rb") as file:
            head = file.read(16)
    for reader in READERS.values():
        if reader.reads(path, head):
            return reader
    if path.is_dir():
        existing_file(path)
    found = f"begins with {head[:8]!r}" if head else "is empty"
    raise InputError(f"{path}: {found}, expected {EXPECTED}")


@cache  # the signatures of all readers take a third of the time to open a file
def arguments_of(reader: type[EventFile]) -> Mapping[str, Any]:
    """Names and defaults of the arguments that a reader takes beside ``path``."""
    return MappingProxyType(
        {
            parameter.name: parameter.default
            for cls in reversed(reader.__mro__)
            if "__init__" in vars(cls)
            for parameter in inspect.signature(cls).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
    )


def open_images(path: str | Path, **arguments: Any) -> EventFile:
    """Open one file with the reader it needs.

    ``arguments`` are those of any reader; what is meant for another format (``tick_order`` for a LArCV3 file) is
    left aside, so that a list may mix formats. An argument no reader has is an error.
    """
    known = {name for reader in READERS.values() for name in arguments_of(reader)}
    for name in arguments:
        if name not in known:
            raise InputError(f"no reader has an argument {name!r}{nearest(name, known)}")
    reader = reader_of(path)
    taken = arguments_of(reader)
    return reader(path, **{name: value for name, value in arguments.items() if name in taken})
