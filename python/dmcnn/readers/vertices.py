"""Vertices of events, from tables or as points in the detector, and their places in the images of the planes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.images.sparse import NO_IMAGE, UNIT_CM, UNSET
from dmcnn.tables import table

Floats = NDArray[np.float64]

POINT, PLACE = ("x", "y", "z"), ("wire", "tick")
"""Columns of a table: point in the detector [cm], or its place in the image of the only plane."""

CM_AXES = {0: (0, 1), 1: (1, 2), 2: (2, 0)}
"""Projection id of images in cm -> axes of the detector (x, y, z = 0, 1, 2) along W and H, as larcv numbers them."""


def read_vertices(
    csv: str | Sequence[str], columns: Sequence[str] | None, events: NDArray[Any], planes: int
) -> tuple[str, Floats]:
    """Read the vertices of events from tables, by run, subrun and event.

    Args:
        csv: paths and globs of the tables.
        columns: names of the columns of x, y and z [cm], or of wire and tick in every plane; None = POINT or PLACE.
        events: (n,) EVENT.
        planes: number of planes.

    Returns:
        The tables, for messages, and (n, 3) points or (n, 2 * planes) places; NaN for events without a row.

    Raises:
        InputError: a column is missing, a value is no number, or an event has two vertices.
    """
    paths = expand(csv)
    points: dict[tuple[int, ...], tuple[float, ...]] = {}
    width = 0
    for path in paths:
        rows = table.read(path, table.IDS)
        names = _columns(path, rows.columns, columns, planes)
        if width not in (0, len(names)):
            raise InputError(f"{path}: vertex in {', '.join(names)}, in {paths[0]} in other columns: name them in "
                             "vertex_columns")  # fmt: skip
        width = len(names)
        words = zip(*(rows.column(name) for name in names), strict=True)
        events_of_rows = zip(*(rows.column(name) for name in table.IDS), strict=True)
        for number, (ids, cells) in enumerate(zip(events_of_rows, words, strict=True)):
            try:
                event, point = tuple(map(_whole, ids)), tuple(map(_number, cells))
            except ValueError as error:
                raise InputError(f"{rows.place(number)}: {error}") from None
            if all(map(math.isfinite, point)) and points.setdefault(event, point) != point:
                raise InputError(f"{rows.place(number)}: event {event} has another vertex in a row before")
    missing = (math.nan,) * width
    known = np.array([points.get(_ids(event), missing) for event in events], np.float64)
    return ", ".join(paths), known.reshape(len(events), width)


def _ids(event: Any) -> tuple[int, ...]:
    """Return run, subrun and event; ids that were never set are those of no row."""
    ids = tuple(int(event[name]) for name in ("run", "subrun", "event"))
    return () if UNSET in ids else ids


def _whole(word: str) -> int:
    """Return 7001 for "7001" and "7001.0"; ValueError for any other text."""
    try:
        number = Decimal(word)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number != int(number):
        raise ValueError(f"id {word!r}, expected a whole number")
    return int(number)


def _number(word: str) -> float:
    """Return a number, NaN for an empty word; ValueError for any other text."""
    try:
        return float(word) if word.strip() else math.nan
    except ValueError:
        raise ValueError(f"vertex {word!r}, expected a number") from None


def _columns(path: str, present: Sequence[str], columns: Sequence[str] | None, planes: int) -> Sequence[str]:
    """Return the names of the columns of the vertex in a table; InputError for a wrong number of them, or none."""
    choices = [PLACE, POINT] if planes == 1 else [POINT]
    if columns is None:
        known = [names for names in choices if set(names) <= set(present)]
        if not known:
            listed = " or ".join(", ".join(names) for names in choices)
            raise InputError(f"{path}: no columns {listed}: name those of the vertex in vertex_columns; "
                             f"found {', '.join(present)}")  # fmt: skip
        return known[0]
    if len(columns) not in (3, 2 * planes):
        raise InputError(
            f"vertex_columns = {list(columns)}: expected the 3 columns of x, y and z, or the {2 * planes} of wire "
            f"and tick in {planes} plane{'s' * (planes > 1)}"
        )
    return columns


def project(where: str, points: Floats, meta: NDArray[Any], projection: Mapping[int, Any] | None) -> Floats:
    """Return the (n, C, 2) places of points along the axes W and H of images, in the unit of the images.

    Args:
        where: file, for messages.
        points: (n, 3) x, y, z [cm].
        meta: (n, C) META of the images; without an image a point has no place (NaN).
        projection: plane -> (2, 4) coefficients of x, y, z and 1; None = images in cm, see CM_AXES.

    Raises:
        InputError: images in other units whose plane is not in ``projection``.
    """
    places = np.full((*meta.shape, 2), np.nan)
    for plane in np.unique(meta["plane"][meta["plane"] != NO_IMAGE]).tolist():
        event, channel = np.nonzero(meta["plane"] == plane)
        if plane in (projection or {}):
            matrix = np.array((projection or {})[plane], np.float64)
        elif plane in CM_AXES and (meta["unit"][event, channel] == UNIT_CM).all():
            matrix = np.eye(4)[list(CM_AXES[plane])]
        else:
            raise InputError(
                f"{where}: images of plane {plane} are not in cm, so that a point x, y, z has no place in them: give "
                f"vertex_projection = {{{plane}: [[…], […]]}}, or wire and tick in vertex_csv"
            )
        places[event, channel] = points[event] @ matrix[:, :3].T + matrix[:, 3]
    return places
