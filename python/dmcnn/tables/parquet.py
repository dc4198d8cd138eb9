"""Parquet files of typed columns; they need pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file


def write(path: str | Path, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
    """Write columns of one length to ``path``, whole or not at all; None is null, NaN stays NaN.

    Raises:
        InputError: pyarrow is not installed, columns differ in length, or one mixes values of different kinds.
    """
    arrow, parquet = need("pyarrow"), need("pyarrow.parquet")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: columns of different lengths {lengths}")
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = arrow.array(values)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
            raise InputError(f"{path}: column {name!r} cannot be stored ({error})") from None
    with atomic_file(path) as temporary:
        parquet.write_table(arrow.table(arrays), temporary)
