"""Cache of a dataset's sparse images in one memory-mapped file: no ROOT or HDF5 is decoded twice.

The file holds the columns of SparseImages one after another, each starting at a multiple of 64 bytes, in this
machine's byte order; then a JSON text with position, shape and CRC-32 of each column; then the length of that text
(uint64), its CRC-32 (uint32) and 12 bytes that mark the end. A truncated file has no such end.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dmcnn import __version__
from dmcnn._common.files import atomic_file, output_folder
from dmcnn._common.progress import ProgressBar
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.sparse import EVENT, META, Axis, SparseImages

log = logging.getLogger("dmcnn")

MARK = b"dmcnnsparse1"
END = struct.Struct(f"=QI{len(MARK)}s")
ALIGN = 64
DTYPES: dict[str, Any] = {
    "index": np.int32, "value": np.float32, "offsets": np.int64, "events": EVENT, "meta": META, "label": np.int64,
    "targets": np.float32,
}  # fmt: skip

MAPPED = ("index", "value")
"""Columns that stay on disk until they are used; the others are small."""


class UnusableError(ValueError):
    """Cache file that cannot be used; the text gives the reason."""


def load(dataset: Dataset, folder: str | Path, arguments: dict[str, Any]) -> tuple[SparseImages, list[str]]:
    """Return the events of a dataset that hold an image, memory-mapped, and the report of its reader.

    They come from a cache file in ``folder`` if it is whole and was made from the same files (by their bytes) with
    the same arguments, labels and version of dmcnn; else the file is written, with a log line if it replaces another.

    Args:
        dataset: labelled or not.
        folder: folder of the cache; created if it does not exist.
        arguments: arguments of the reader with which the dataset was opened.
    """
    places = [str(path.resolve()) for path in dataset.files]
    path = output_folder(folder) / f"{_digest({**arguments, ' files': places})}.sparse"
    name = key(dataset, arguments)
    try:
        content = read(path, [name, _old_key(dataset, arguments)], dataset.axis0)
        log.info("%s: images from the cache", path)
        return content
    except FileNotFoundError:
        pass
    except UnusableError as error:
        log.warning("warning: %s: %s; making it again", path, error)
    with ProgressBar(total=len(dataset), unit="event", desc="reading") as bar:

        def chunks() -> Iterable[SparseImages]:
            """Yield the events with an image of every chunk."""
            with dataset.unchanged():
                for chunk in dataset.chunks():
                    yield chunk.take(chunk.has_image)
                    bar.update(len(chunk))

        write(path, chunks(), name, dataset.report_lines)
    return read(path, [name], dataset.axis0)


def key(dataset: Dataset, arguments: dict[str, Any]) -> str:
    """Return the identity of a cache: hash of events, labels, reader arguments and version of dmcnn."""
    return _digest({**arguments, " data": [dataset.fingerprint(), _labels(dataset), __version__]})


def _old_key(dataset: Dataset, arguments: dict[str, Any]) -> str:
    """Return the identity of a cache by the old fingerprint and the times of change of the files."""
    about = [dataset.old_fingerprint(), dataset.modified(), _labels(dataset), __version__]
    return _digest({**arguments, " data": about})


def _labels(dataset: Dataset) -> str | None:
    """Return the SHA-256 of all labels; None without labels."""
    return None if dataset.labels is None else hashlib.sha256(dataset.labels.tobytes()).hexdigest()


def _digest(words: dict[str, Any]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of sorted names and values."""
    return hashlib.sha256(repr(sorted(words.items())).encode()).hexdigest()[:16]


def write(path: Path, chunks: Iterable[SparseImages], name: str, report: Any = list) -> None:
    """Write chunks of one shape as the cache with identity ``name``.

    The pixels go to disk chunk by chunk, so that a dataset may be larger than the memory.

    Args:
        path: cache file, whole or absent.
        chunks: events in order.
        name: identity from ``key``.
        report: function that returns the lines of the reader, called after the last chunk.

    Raises:
        ValueError: chunks of different shapes, or a column of another dtype than DTYPES.
    """
    rest: dict[str, list[NDArray[Any]]] = {
        "offsets": [np.zeros(1, np.int64)],
        "events": [],
        "meta": [],
        "label": [],
        "targets": [],
    }
    shape: tuple[int, int, int] | None = None
    with (
        atomic_file(path) as temporary,
        temporary.open("wb") as file,
        TemporaryFile(dir=path.parent) as values,
    ):
        index_crc = value_crc = count = 0
        for chunk in chunks:
            shape = shape or chunk.shape
            if chunk.shape != shape:
                raise ValueError(f"images of shapes {shape} and {chunk.shape} cannot share a cache")
            index, value = np.ascontiguousarray(chunk.index), np.ascontiguousarray(chunk.value)
            file.write(index.data)
            values.write(value.data)
            index_crc, value_crc = zlib.crc32(index.data, index_crc), zlib.crc32(value.data, value_crc)
            rest["offsets"].append(chunk.offsets[1:] + count)
            rest["events"].append(chunk.events)
            rest["meta"].append(chunk.meta)
            if chunk.label is not None:
                rest["targets" if chunk.label.ndim == 2 else "label"].append(chunk.label)
            count += len(index)
        columns: dict[str, Any] = {"index": [0, [count], index_crc]}
        columns["value"] = [_align(file), [count], value_crc]
        values.seek(0)
        shutil.copyfileobj(values, file)
        for column, parts in rest.items():
            if parts:
                whole = np.concatenate(parts)
                if whole.dtype != DTYPES[column]:
                    raise ValueError(f"{column} of {whole.dtype}, the cache holds {np.dtype(DTYPES[column])}")
                columns[column] = [_align(file), whole.shape, zlib.crc32(whole.tobytes())]
                file.write(whole.tobytes())
        about = {"key": name, "shape": shape, "columns": columns, "dtypes": _dtypes(), "report": report()}
        text = json.dumps(about).encode()
        file.write(text + END.pack(len(text), zlib.crc32(text), MARK))


def _align(file: IO[bytes]) -> int:
    """Pad the file to a multiple of ALIGN bytes and return the position."""
    file.write(bytes(-file.tell() % ALIGN))
    return file.tell()


def _dtypes() -> dict[str, str]:
    """Return the dtypes of the columns as text."""
    return {name: repr(np.dtype(dtype).descr) for name, dtype in DTYPES.items()}


def read(path: Path, names: Sequence[str], axis0: Axis = "plane") -> tuple[SparseImages, list[str]]:
    """Return the images of a cache file, their pixels memory-mapped, and their reader's report; check every byte.

    The file does not say what the channels are: ``axis0`` does.

    Raises:
        FileNotFoundError: no such file.
        UnusableError: a damaged file, or one with another identity than one of ``names``.
    """
    if path.stat().st_size < END.size:
        raise UnusableError("cut short")
    raw = np.asarray(np.memmap(path, np.uint8, "r"))
    length, crc, mark = END.unpack(raw[-END.size :].tobytes())
    if mark != MARK or length > len(raw) - END.size:
        raise UnusableError("cut short, or no cache of dmcnn")
    text = raw[len(raw) - END.size - length : -END.size].tobytes()
    if zlib.crc32(text) != crc:
        raise UnusableError("damaged: wrong checksum of its header")
    about = json.loads(text)
    if about["key"] not in names or about["dtypes"] != _dtypes():
        raise UnusableError("made from files that have changed since, or by another version of dmcnn")
    columns = {column: _column(raw, column, *place) for column, place in about["columns"].items()}
    if "targets" in columns:
        columns["label"] = columns.pop("targets")
    images = SparseImages(shape=tuple(about["shape"]), axis0=axis0, **columns)
    return images, about["report"]


def _column(raw: NDArray[np.uint8], name: str, start: int, shape: list[int], crc: int) -> NDArray[Any]:
    """Return a column of the mapped bytes; UnusableError if its checksum is wrong."""
    dtype = np.dtype(DTYPES[name])
    part = raw[start : start + dtype.itemsize * int(np.prod(shape))]
    if zlib.crc32(part.data) != crc:
        raise UnusableError(f"damaged: wrong checksum of its {name}")
    column: NDArray[Any] = part.view(dtype).reshape(shape)
    return column if name in MAPPED else column.copy()
