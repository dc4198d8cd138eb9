"""Parquet files of pixel frames in the layout of the published smart pixel data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file
from dmcnn.formats.origin import FOLDER_ORIGIN
from dmcnn.images.sparse import SparseImages, join
from dmcnn.writers.npy import atomic_folder

SUFFIX = ".parquet"


def write(
    path: str | Path,
    batches: Iterable[SparseImages],
    *,
    columns: Sequence[str],
    rows_per_file: int = 5000,
    attributes: Mapping[str, str | int | float] | None = None,
) -> int:
    """Write batches of charges with labels one after another and return the number of frames.

    A row holds one frame: the charges [electrons], zeros included, as float64 columns named by the pixel number
    t * H * W + y * W + x, then the labels as further columns. Ids are not stored.

    Args:
        path: a name that ends in .parquet for one table of both; else a folder for pairs of files
            ``recon3D/recon3D_d1.parquet`` and ``labels/labels_d1.parquet``, … (recon2D if the frames have one slice),
            whole or absent; an earlier one is replaced.
        batches: frames of one shape, with labels (n, k).
        columns: names of the k labels.
        rows_per_file: frames in each pair, or in each row group of the table; so many dense frames are in memory.
        attributes: numbers and texts that describe the origin of the frames.

    Raises:
        InputError: ``path`` is a folder where its name means a file, or a folder that this function has not written;
            or pyarrow is not installed.
        ValueError: images without labels, or with another number of labels than ``columns``.
    """
    parquet, path = need("pyarrow.parquet"), Path(path)
    if path.suffix == SUFFIX:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected a file or a new name")
        return _write_table(parquet, path, _regroup(batches, rows_per_file), columns, attributes)
    events, number, about = 0, 0, {"dmcnn": json.dumps(dict(attributes or {}))}
    with atomic_folder(path, SUFFIX) as folder:
        for number, batch in enumerate(_regroup(batches, rows_per_file), 1):
            recon = "recon2D" if batch.shape[0] == 1 else "recon3D"
            for word, table in ((recon, _charges(batch)), ("labels", _labels(batch, columns))):
                (folder / word).mkdir(exist_ok=True)
                table = table.replace_schema_metadata(about)
                parquet.write_table(table, folder / word / f"{word}_d{number}{SUFFIX}")
            events += len(batch)
        (folder / FOLDER_ORIGIN).write_text(json.dumps({"files": 2 * number, **(attributes or {})}, indent=1))
    return events


def _write_table(
    parquet: Any,
    path: Path,
    batches: Iterator[SparseImages],
    columns: Sequence[str],
    attributes: Mapping[str, str | int | float] | None,
) -> int:
    """Write charges and labels to one file, a row group for each batch, and return the number of frames."""
    events, writer = 0, None
    with atomic_file(path) as temporary:
        try:
            for batch in batches:
                table = _charges(batch)
                for name, column in zip(columns, _labels(batch, columns).columns, strict=True):
                    table = table.append_column(name, column)
                if writer is None:
                    table = table.replace_schema_metadata({"dmcnn": json.dumps(dict(attributes or {}))})
                    writer = parquet.ParquetWriter(temporary, table.schema)
                writer.write_table(table.cast(writer.schema))
                events += len(batch)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise ValueError(f"{path}: no frames to write")
    return events


def _regroup(batches: Iterable[SparseImages], count: int) -> Iterator[SparseImages]:
    """Yield the same frames in batches of ``count``, the last with the rest."""
    pending: list[SparseImages] = []
    for batch in batches:
        pending.append(batch)
        while sum(map(len, pending)) >= count:
            whole = join(pending)
            yield whole.take(slice(0, count))
            pending = [whole.take(slice(count, len(whole)))]
    if sum(map(len, pending)):
        yield join(pending)


def _charges(batch: SparseImages) -> Any:
    """Return a pyarrow table of the charges, a column for each pixel."""
    arrow = need("pyarrow")
    pixels = np.zeros((int(np.prod(batch.shape)), len(batch)))
    pixels[batch.index, np.repeat(np.arange(len(batch)), batch.n_pixels)] = batch.value
    return arrow.table([arrow.array(pixel) for pixel in pixels], names=[str(n) for n in range(len(pixels))])


def _labels(batch: SparseImages, columns: Sequence[str]) -> Any:
    """Return a pyarrow table of the labels, a column for each name in ``columns``."""
    shape = None if batch.label is None else batch.label.shape
    if batch.label is None or shape != (len(batch), len(columns)):
        raise ValueError(
            f"labels of shape {shape}, expected {(len(batch), len(columns))}: {', '.join(columns)}"
        )
    arrow = need("pyarrow")
    return arrow.table(
        [arrow.array(np.ascontiguousarray(column)) for column in batch.label.T], names=list(columns)
    )
