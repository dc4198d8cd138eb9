"""Parquet files of pixel frames in the layout of the published smart pixel data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import replacing
from dmcnn.images.sparse import SparseImages, join
from dmcnn.writers.npy import ABOUT, replacing_folder

SUFFIX = ".parquet"


def write(
    path: str | Path,
    batches: Iterable[SparseImages],
    *,
    columns: Sequence[str],
    rows_per_file: int = 5000,
    attributes: Mapping[str, str | int | float] | None = None,
) -> int:
    """Write batches of charges with labels, one after another; return how many frames there are.

    A row is a frame. Its charges [electrons] are float64 columns named by the number of the pixel, t * H * W +
    y * W + x, zeros included; its labels are more columns. Ids are not stored.

    Args:
        path: a name that ends in .parquet for one table of both; else a folder for pairs of files
            ``recon3D/recon3D_d1.parquet`` and ``labels/labels_d1.parquet``, … (recon2D if the frames have one slice),
            whole or absent; an earlier one is replaced.
        batches: all of one shape, with labels (n, k).
        columns: names of the k labels.
        rows_per_file: frames in each pair, or in each row group of the table: so many are in memory, zeros included.
        attributes: plain values that say where the frames come from.

    Raises:
        InputError: ``path`` is of the other kind than its name says, or is a folder that this function has not
            written; or pyarrow is not installed.
        ValueError: images without labels, or with others than ``columns``.
    """
    parquet, path = need("pyarrow.parquet"), Path(path)
    if path.suffix == SUFFIX:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected a file or a new name")
        return _one_table(parquet, path, _of(batches, rows_per_file), columns, attributes)
    events = number = 0
    with replacing_folder(path, SUFFIX) as folder:
        for number, batch in enumerate(_of(batches, rows_per_file), 1):
            recon = "recon2D" if batch.shape[0] == 1 else "recon3D"
            for word, table in ((recon, _charges(batch)), ("labels", _labels(batch, columns))):
                (folder / word).mkdir(exist_ok=True)
                parquet.write_table(table, folder / word / f"{word}_d{number}{SUFFIX}")
            events += len(batch)
        (folder / ABOUT).write_text(json.dumps({"files": 2 * number, **(attributes or {})}, indent=1))
    return events


def _one_table(
    parquet: Any,
    path: Path,
    batches: Iterator[SparseImages],
    columns: Sequence[str],
    attributes: Mapping[str, str | int | float] | None,
) -> int:
    """Charges and labels in one file, a row group for each batch."""
    events, writer = 0, None
    with replacing(path) as temporary:
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


def _of(batches: Iterable[SparseImages], count: int) -> Iterator[SparseImages]:
    """The same frames in batches of ``count``, the last one of what remains."""
    held: list[SparseImages] = []
    for batch in batches:
        held.append(batch)
        while sum(map(len, held)) >= count:
            whole = join(held)
            yield whole.take(slice(0, count))
            held = [whole.take(slice(count, len(whole)))]
    if sum(map(len, held)):
        yield join(held)


def _charges(batch: SparseImages) -> Any:
    """A table of the charges."""
    arrow = need("pyarrow")
    pixels = np.zeros((int(np.prod(batch.shape)), len(batch)))
    pixels[batch.index, np.repeat(np.arange(len(batch)), batch.n_pixels)] = batch.value
    return arrow.table([arrow.array(pixel) for pixel in pixels], names=[str(n) for n in range(len(pixels))])


def _labels(batch: SparseImages, columns: Sequence[str]) -> Any:
    """A table of the labels."""
    shape = None if batch.label is None else batch.label.shape
    if batch.label is None or shape != (len(batch), len(columns)):
        raise ValueError(
            f"labels of shape {shape}, expected {(len(batch), len(columns))}: {', '.join(columns)}"
        )
    arrow = need("pyarrow")
    return arrow.table(
        [arrow.array(np.ascontiguousarray(column)) for column in batch.label.T], names=list(columns)
    )
