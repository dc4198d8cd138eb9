"""Tables of a LArCV3 HDF5 file, checked before and after libhdf5 decodes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common import interrupts
from dmcnn._common.errors import InputError
from dmcnn.formats.origin import read_origin
from dmcnn.formats.source import decoding_errors, split_name

MAGIC = b"\x89HDF\r\n\x1a\n"
PIXELS = "pixels"
KINDS = {
    **dict.fromkeys(("first", "N", "run", "subrun", "event", "projection_id", "number_of_voxels"), "iu"),
    **dict.fromkeys(("pdg", "trackid", "parent_trackid", "id"), "iu"),
    **dict.fromkeys(("origin", "image_sizes", "value", PIXELS, "x", "y", "z", "t"), "f"),
    "vtx": "V",
    "valid": "iub",
    "process": "S",
}
"""Column -> kinds of NumPy dtype that are valid for it."""


def is_hdf5(path: Path) -> bool:
    """Return whether a file has the signature of HDF5, at its beginning or after a user block.

    MATLAB 7.3 writes a user block; it has 512 bytes, or 1024, 2048, … .
    """
    place, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while place + len(MAGIC) <= size:
            file.seek(place)
            if file.read(len(MAGIC)) == MAGIC:
                return True
            place = 2 * place or 512
    return False


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Yield the open file and close it after the block.

    Opening takes 0.3 ms. Readers open the file for each block of work, so that no handle reaches a worker process.

    Raises:
        InputError: not an HDF5 file, a damaged one, or one that is locked.
    """
    if not is_hdf5(path):
        with path.open("rb") as raw:
            raise InputError(f"{path}: not an HDF5 file (begins with {raw.read(len(MAGIC))!r})")
    with decoding_errors(str(path)):
        file = h5py.File(path, "r")
    with file:
        yield file


def content_list(file: h5py.File) -> str:
    """Return the names and shapes of the first datasets of a file, as text."""
    listed: list[str] = []

    def add(name: str, entry: h5py.HLObject) -> bool | None:
        """List a dataset; return True, which ends the visit, after the sixth."""
        if isinstance(entry, h5py.Dataset):
            listed.append("…" if len(listed) == 6 else f"{name} {entry.shape}")
        return True if len(listed) > 6 else None

    with decoding_errors(file.filename):
        file.visititems(add)
    return ", ".join(listed) or "no dataset"


def origin(file: h5py.File) -> dict[str, str]:
    """Return the origin that the attributes of a file state."""
    with decoding_errors(file.filename):
        names = [name for name in file.attrs if name in ("sample", "dmcnn", "detector")]
        return read_origin({name: file.attrs[name] for name in names})


class Disk(FileIO):
    """New file that libhdf5 writes to; after a failed write it takes no more bytes, and ``check`` raises the fault.

    libhdf5 itself cannot close a file that it cannot write: it prints what fails, and may end the process.
    """

    fault: OSError | None = None

    def __init__(self, path: Path, interrupts: Sequence[int]) -> None:
        super().__init__(path, "w+")
        self._interrupts = interrupts

    def write(self, data: Any) -> int:
        """Write all bytes, or take them without writing them after a fault."""
        view = memoryview(data).cast("B")
        try:
            while len(view) and self.fault is None:
                view = view[super().write(view) :]
        except OSError as error:
            self.fault = error
        return len(memoryview(data).cast("B"))

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file, unless it has a fault."""
        try:
            return size or 0 if self.fault else super().truncate(size)
        except OSError as error:
            self.fault = error
            return size or 0

    def check(self) -> None:
        """Raise the fault of an earlier write, or the interrupt that has arrived meanwhile."""
        if self.fault is not None:
            raise self.fault
        if self._interrupts:
            raise interrupts.interrupt(self._interrupts[0])


@contextmanager
def create(path: Path) -> Iterator[tuple[h5py.File, Disk]]:
    """Yield a new HDF5 file, and the disk that tells whether it could be written; OSError if it could not."""
    with interrupts.delay() as arrived, Disk(path, arrived) as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file, disk
        finally:
            disk.check()


def member(file: h5py.Group, address: str) -> Any:
    """Return the group or dataset at ``address``; None if there is none.

    Raises:
        InputError: it is in another file: a link, or a dataset whose numbers are elsewhere. These are not followed.
    """
    found: Any = file
    for depth, part in enumerate(address.split("/")):
        where = f"{file.file.filename}: {'/'.join(address.split('/')[: depth + 1])}"
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise InputError(f"{where}: is a link to another file ({link.filename!r}), which is not followed")
        if isinstance(link, h5py.SoftLink):
            start = found.file if link.path.startswith("/") else found
            found = member(start, link.path.strip("/"))
        else:
            found = found[part]
        if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
            raise InputError(f"{where}: its numbers are in other files, which are not read")
    return found


def groups(file: h5py.File, product: str) -> dict[str, str]:
    """Return {producer: path of its group} of a ``product``.

    Raises:
        InputError: no such group; the message lists those of the file, or what else it holds.
    """
    with decoding_errors(file.filename):
        members = sorted(member(file, "Data")) if "Data" in file else None
    if members is None:
        raise InputError(
            f"{file.filename}: holds {content_list(file)}; expected images X (n, H, W, 2) of energy and time, or "
            "LArCV3's groups /Data/<product>_<producer>_group"
        )
    names = {name: split_name(name, "group") for name in members}
    by_producer = {parts[1]: f"Data/{name}" for name, parts in names.items() if parts and parts[0] == product}
    if not by_producer:
        listed = ", ".join(members) or "nothing"
        raise InputError(f"{file.filename}: no {product} group in /Data, which holds {listed}")
    return by_producer


def table(file: h5py.File, name: str, *columns: str, optional: Sequence[str] = ()) -> NDArray[Any]:
    """Return (n,) structured rows: all of ``columns``, and those of ``optional`` that the table has.

    Raises:
        InputError: no such table or column, or a damaged one.
    """
    where = f"{file.filename}: {name}"
    with decoding_errors(where):
        data = member(file, name)
        if not isinstance(data, h5py.Dataset) or data.ndim != 1:
            raise InputError(f"{where}: no such table")
        # deflate expands one byte to at most 1032
        if data.size * data.dtype.itemsize > 2000 * Path(file.filename).stat().st_size:
            raise InputError(f"{where}: {data.size} rows, more than the file can hold, damaged file")
        names = [*columns, *(column for column in optional if column in (data.dtype.names or ()))]
        check_columns(where, data.dtype, names)
        rows: NDArray[Any] = data.fields(names)[:]
    return rows


class Content:
    """Pixels or voxels of a product, read in slices."""

    def __init__(self, data: h5py.Dataset | None, columns: Sequence[str]) -> None:
        self._length = 0 if data is None else len(data)
        self._data: Any = np.zeros(0, np.float32)
        if data is not None:
            self._data = data.fields(columns) if columns else data

    def __len__(self) -> int:
        return self._length

    def slices(
        self, first: NDArray[np.int64], n: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return rows first:first+n of every image, and the (m,) int64 position in them where each image begins.

        The whole range is read at once if at least one row in eight is used (files are written in order); else
        each image is read alone.

        Args:
            first: (m,) first row of each image.
            n: (m,) number of rows of each image.
        """
        if not n.any():
            return self._data[:0], np.zeros(len(n), np.int64)
        used = n > 0
        low, high = int(first[used].min()), int((first + n)[used].max())
        if high - low <= 8 * int(n.sum()):
            return self._data[low:high], np.where(used, first - low, 0)
        parts = [self._data[a : a + k] for a, k in zip(first.tolist(), n.tolist(), strict=True)]
        return np.concatenate(parts), np.cumsum(n) - n


def content(file: h5py.File, name: str) -> Content:
    """Return dataset ``images`` (numbers) or ``voxels`` (id, value); empty if it is absent: no image is filled."""
    where = f"{file.filename}: {name}"
    with decoding_errors(where):
        data = member(file, name)
        if data is None:
            return Content(None, ())
        if data.dtype.names is None:
            check_type(where, PIXELS, data.dtype, 0, data.dtype.itemsize)
            return Content(data, ())
        check_columns(where, data.dtype, ("id", "value"))
        return Content(data, ("id", "value"))


def check_columns(where: str, dtype: np.dtype[Any], columns: Sequence[str]) -> None:
    """Raise InputError unless a row type has all columns, each of a valid type."""
    fields: Mapping[str, Any] = dtype.fields or {}
    for column in columns:
        if column not in fields:
            raise InputError(f"{where}: no column {column!r}, not a LArCV3 table")
        check_type(where, column, fields[column][0], fields[column][1], dtype.itemsize)


def check_type(where: str, name: str, dtype: np.dtype[Any], offset: int, room: int) -> None:
    """Raise InputError unless a column holds numbers or text and lies inside its row of ``room`` bytes.

    With a damaged type libhdf5 writes beyond its buffers, so only checked columns are read, by name.
    """
    if dtype.base.kind not in KINDS[name] or dtype.itemsize > 4096 or offset + dtype.itemsize > room:
        raise InputError(f"{where}: {name!r} is of type {dtype}, damaged file")
    for part, (kind, begin) in ((part, about[:2]) for part, about in (dtype.fields or {}).items()):
        if part not in KINDS or kind.fields:
            raise InputError(f"{where}: {name!r} has {part!r}, expected x, y, z and t")
        check_type(where, part, kind, begin, dtype.itemsize)


def check_extents(where: str, extents: NDArray[Any], length: int) -> None:
    """Raise InputError unless the slices first:first+N lie in a table of ``length`` rows without more rows in all."""
    first, n = extents["first"].astype(np.uint64), extents["N"].astype(np.uint64)
    total = np.uint64(length)
    wrong = np.flatnonzero((n > 0) & ((first > total) | (n > total - np.minimum(first, total))))
    if not len(wrong) and n.sum() > total:
        raise InputError(f"{where}: slices of {n.sum()} rows in all, there are {length}; damaged file")
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{where}: row {row} refers to {n[row]} rows from {first[row]}, there are {length}; damaged file"
        )


def row_numbers(extents: NDArray[Any]) -> NDArray[np.int64]:
    """Return the (sum of N,) int64 row numbers in the slices first:first+N, one slice after another."""
    n = extents["N"].astype(np.int64)
    first = np.where(n > 0, extents["first"], 0).astype(np.int64)
    return np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum())
