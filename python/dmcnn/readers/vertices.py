"""Vertices of events, from tables or as points in the detector, and their places in the images of the planes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.images.sparse import NO_IMAGE, UNIT_CM, UNSET
from dmcnn.tables import join, table

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
    tables = [table.read(path, table.IDS) for path in paths]
    columns = columns or _columns(tables[0], planes)
    if len(columns) not in (3, 2 * planes):
        raise InputError(
            f"vertex_columns = {list(columns)}: expected the 3 columns of x, y and z, or the {2 * planes} of wire "
            f"and tick in {planes} plane{'s' * (planes > 1)}"
        )
    points = np.concatenate([np.stack([one.numbers(name) for name in columns], axis=1) for one in tables])
    ids = np.stack([events[name] for name in ("run", "subrun", "event")], axis=1)
    asked = join.EventIds(ids, (ids != UNSET).all(axis=1))
    number, *numbers = join.number_ids(asked, *map(join.event_ids, tables))
    own, finite = np.concatenate(numbers), np.flatnonzero(np.isfinite(points).all(axis=1))
    by_number = np.full((max(own.max(initial=-1), number.max(initial=-1)) + 1, len(columns)), np.nan)
    known, first = np.unique(own[finite], return_index=True)
    by_number[known] = points[finite[first]]
    for row in finite[(by_number[own[finite]] != points[finite]).any(axis=1)][:1].tolist():
        of, row = next((one, row - end + len(one)) for one, end in _ends(tables) if row < end)
        event = ", ".join(of.column(name)[row] for name in table.IDS)
        raise InputError(f"{of.place(row)}: event ({event}) has another vertex in a row before")
    return ", ".join(paths), by_number[number]


def _ends(tables: Sequence[table.Table]) -> Iterator[tuple[table.Table, int]]:
    """Yield every table, and the number of rows up to its end."""
    return zip(tables, np.cumsum(list(map(len, tables))).tolist(), strict=True)


def _columns(rows: table.Table, planes: int) -> Sequence[str]:
    """Return the names of the columns of the vertex that a table has by itself; InputError if it has none."""
    choices = [PLACE, POINT] if planes == 1 else [POINT]
    for names in choices:
        if set(names) <= set(rows.columns):
            return names
    listed = " or ".join(", ".join(names) for names in choices)
    raise InputError(f"{rows.path}: no columns {listed}: name those of the vertex in vertex_columns; found "
                     f"{', '.join(rows.columns)}")  # fmt: skip


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
