"""Concatenation of records of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Columns = TypeVar("Columns", bound="DataclassInstance")
"""Dataclass whose fields are all arrays."""


def join(parts: Sequence[Columns], empty: Columns | None = None) -> Columns:
    """Return all rows of ``parts`` in one record; columns ``offsets`` are joined by ``join_offsets``.

    Args:
        parts: records of one class.
        empty: result for no parts; needed only if ``parts`` may be empty.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts and empty is not None:
        return empty
    columns: dict[str, Any] = {}
    for field in fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        columns[field.name] = join_offsets(values) if field.name == "offsets" else np.concatenate(values)
    return type(parts[0])(**columns)


def join_offsets(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the (n + m + … + 1,) int64 offsets of the whole from (n+1,), (m+1,), … offsets that begin at 0."""
    ends = np.cumsum([0, *(part[-1] for part in parts)])
    return np.concatenate([[0], *(part[1:] + end for part, end in zip(parts, ends, strict=False))]).astype(
        np.int64
    )
