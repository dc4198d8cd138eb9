"""Readers of detector files: ``open_images`` chooses one by the content of a file and gives SparseImages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, get_type_hints

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import home
from dmcnn.formats.source import existing_file
from dmcnn.readers.calorimeter.options import CalorimeterOptions
from dmcnn.readers.larcv2.options import LArCV2Options
from dmcnn.readers.larcv3.options import LArCV3Options
from dmcnn.readers.options import FitOptions, Options
from dmcnn.readers.smartpixel.options import SmartPixelOptions

if TYPE_CHECKING:
    from dmcnn.readers.base import EventFile

__all__ = [
    "DEFAULTS",
    "OF_FILES",
    "READERS",
    "chosen_reader",
    "open_images",
    "option_types",
    "reader_class",
    "reader_of",
]

READERS: dict[str, tuple[str, type[Options]]] = {
    "larcv2": ("dmcnn.readers.larcv2.reader:LArCV2", LArCV2Options),
    "calorimeter": ("dmcnn.readers.calorimeter.reader:Calorimeter", CalorimeterOptions),
    "larcv3": ("dmcnn.readers.larcv3.reader:LArCV3", LArCV3Options),
    "smartpixel": ("dmcnn.readers.smartpixel.reader:SmartPixelFile", SmartPixelOptions),
    "npy": ("dmcnn.readers.npy:NpyFolder", FitOptions),
}
"""Name -> reader, imported when a file may need it, and its options. The first that reads a file opens it."""

CHOICE = ("reader", "reader_options")
"""Arguments that choose a reader of another package and set its options."""

PLUG_INS = "dmcnn.readers"
"""Group of the entry points by which other packages add readers."""

OF_FILES = ("vertex_csv", "vertex_columns")
"""Options that belong to files, and which a network that was trained on them does not keep."""

DEFAULTS: dict[str, Any] = {
    entry.name: entry.default for _, options in READERS.values() for entry in fields(options)
}
"""Name -> default of every option of the built-in readers; options of one name are the same in all of them."""

EXPECTED = (
    "a ROOT file (LArCV2, LArCV1) or an HDF5 file (LArCV3), or one with calorimeter images X, or a parquet or csv "
    "file of pixel frames, or a .npy file or a folder of them"
)


@cache
def option_types() -> dict[str, Any]:
    """Return the type of every option of the built-in readers by its name."""
    return {name: kind for _, options in READERS.values() for name, kind in get_type_hints(options).items()}


def reader_class(name: str) -> type[EventFile]:
    """Return the reader of a name: built in, an entry point of another package, or ``module:Name``.

    Raises:
        InputError: no such reader, it cannot be imported, or it is no subclass of EventFile.
    """
    if name in READERS:
        built_in: type[EventFile] = resolve_name(READERS[name][0])
        return built_in
    found = plugins.find(name, {}, PLUG_INS)
    if found is None:
        known = [*READERS, *plugins.names(PLUG_INS)]
        raise InputError(f"no reader {name!r}{nearest(name, known)}, there is {', '.join(known)}")
    from dmcnn.readers.base import EventFile

    if not (isinstance(found, type) and issubclass(found, EventFile)):
        raise InputError(f"reader {name}: expected a subclass of dmcnn.readers.base.EventFile")
    return found


def chosen_reader(path: str | Path, name: str | None = None) -> type[EventFile]:
    """Return the reader of this name; without a name, the reader of a file by its content."""
    return reader_of(path) if name is None else reader_class(name)


def reader_of(path: str | Path) -> type[EventFile]:
    """Return the reader of a file or folder by its content, not by its suffix; InputError if none reads it."""
    path = home(path)
    head = b""
    if not path.is_dir():
        with existing_file(path).open("rb") as file:
            head = file.read(16)
    for reader in map(reader_class, READERS):
        if reader.reads(path, head):
            return reader
    if path.is_dir():
        existing_file(path)
    found = f"begins with {head[:8]!r}" if head else "is empty"
    raise InputError(f"{path}: {found}, expected {EXPECTED}")


def open_images(
    path: str | Path,
    options: Options | None = None,
    *,
    reader: str | None = None,
    reader_options: Mapping[str, Any] | None = None,
    **given: Any,
) -> EventFile:
    """Open a file with the reader of its content, or with a named reader.

    ``options`` and ``given`` may be options of any built-in reader; those of other formats (``tick_order`` for a
    LArCV3 file) are ignored, so that a list of files may mix formats.

    Args:
        path: the file or folder.
        options: options of the reader.
        reader: name of the reader, see ``reader_class``; None = by the content.
        reader_options: options of a reader of another package.
        given: options by name; they override those of ``options``.

    Raises:
        InputError: no reader has such an option, or the file cannot be read.
    """
    given = {**(options.given() if options else {}), **given}
    for name in given:
        if name not in DEFAULTS:
            raise InputError(f"no reader has an argument {name!r}{nearest(name, DEFAULTS)}")
    cls, own = chosen_reader(path, reader), dict(reader_options or {})
    taken = cls.options_class.names()
    for name in own:
        if name not in taken:
            raise InputError(f"reader {reader or cls.__name__} has no option {name!r}{nearest(name, taken)}")
    return cls(path, **{**{name: value for name, value in given.items() if name in taken}, **own})
