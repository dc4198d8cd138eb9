"""Readers: detector files in, SparseImages out; ``open_images`` picks the reader by a file's content."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, nearest
from dmcnn.formats.source import existing
from dmcnn.readers.calorimeter.options import CalorimeterOptions
from dmcnn.readers.larcv2.options import LArCV2Options
from dmcnn.readers.larcv3.options import LArCV3Options
from dmcnn.readers.options import FitOptions, Options
from dmcnn.readers.smartpixel.options import SmartPixelOptions

if TYPE_CHECKING:
    from dmcnn.readers.base import EventFile

__all__ = ["DEFAULTS", "READERS", "open_images", "reader_class", "reader_of"]

READERS: dict[str, tuple[str, type[Options]]] = {
    "larcv2": ("dmcnn.readers.larcv2.reader:LArCV2", LArCV2Options),
    "calorimeter": ("dmcnn.readers.calorimeter.reader:Calorimeter", CalorimeterOptions),
    "larcv3": ("dmcnn.readers.larcv3.reader:LArCV3", LArCV3Options),
    "smartpixel": ("dmcnn.readers.smartpixel.reader:SmartPixel", SmartPixelOptions),
    "npy": ("dmcnn.readers.npy:NpyFolder", FitOptions),
}
"""Name -> reader, imported when a file may need it, and its options. The first that reads a file opens it."""

PLUG_INS = "dmcnn.readers"
"""Group of the entry points by which other packages add readers."""

DEFAULTS: dict[str, Any] = {
    entry.name: entry.default for _, options in READERS.values() for entry in fields(options)
}
"""Name -> default of every option of the built-in readers; options of one name are the same in all of them."""

EXPECTED = (
    "a ROOT file (LArCV2, LArCV1) or an HDF5 file (LArCV3), or one with calorimeter images X, or a parquet or csv "
    "file of pixel frames, or a .npy file or a folder of them"
)


def reader_class(name: str) -> type[EventFile]:
    """Return the reader of a name: built in, or of an entry point, which only its name imports."""
    if name in READERS:
        found = resolve_name(READERS[name][0])
    else:
        from importlib.metadata import entry_points

        points = {point.name: point for point in entry_points(group=PLUG_INS)}
        if name not in points:
            known = [*READERS, *points]
            raise InputError(f"no reader {name!r}{nearest(name, known)}, there is {', '.join(known)}")
        try:
            found = points[name].load()
        except (ImportError, AttributeError) as error:
            raise InputError(f"reader {name!r}: {error}") from None
    reader: type[EventFile] = found
    return reader


def reader_of(path: str | Path) -> type[EventFile]:
    """Return the reader of a file by its content, whatever its name ends in; of a folder by what it holds."""
    path = Path(path).expanduser()
    head = b""
    if not path.is_dir():
        with existing(path).open("rb") as file:
            head = file.read(16)
    for reader in map(reader_class, READERS):
        if reader.reads(path, head):
            return reader
    if path.is_dir():
        existing(path)
    found = f"begins with {head[:8]!r}" if head else "is empty"
    raise InputError(f"{path}: {found}, expected {EXPECTED}")


def open_images(path: str | Path, options: Options | None = None, **given: Any) -> EventFile:
    """Open one file with the reader it needs.

    ``options`` and ``given`` are those of any reader; what is meant for another format (``tick_order`` for a LArCV3
    file) is left aside, so that a list may mix formats. An option that no reader has is an error.
    """
    given = {**(options.given() if options else {}), **given}
    for name in given:
        if name not in DEFAULTS:
            raise InputError(f"no reader has an argument {name!r}{nearest(name, DEFAULTS)}")
    reader = reader_of(path)
    taken = reader.options_class.names()
    return reader(path, **{name: value for name, value in given.items() if name in taken})
