"""Score table: ids and outputs of a network for every entry, for files and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.images.sparse import UNSET
from dmcnn.tables import join
from dmcnn.tables.result_table import ResultTable
from dmcnn.tasks.base import Task, Truth


def score_table(
    task: Task,
    events: NDArray[Any],
    files: Sequence[str | None],
    rows: NDArray[np.float64],
    truth: Truth,
    status: str = "scored",
    *,
    rule: str = "",
    origins: Sequence[str] | None = None,
    windows: NDArray[np.float64] | None = None,
) -> ResultTable:
    """Return one row per entry, in the order of the entries; values that do not exist are missing.

    Args:
        task: task of the network.
        events: (n,) EVENT.
        files: (n,) file of every entry; None = no file.
        rows: (n, m + 2) outputs, NaN for entries without image; then the number of active pixels, summed over the
            channels, and of pixels active in any channel.
        truth: (n,) or (n, k), see ``Task.truth``.
        status: status of entries with an image, unless the network fails there.
        rule: label rule that gives the truth, as text; "" = none. A column tells it where there is a truth.
        origins: (n,) origin of the events, see ``Dataset.origins``. A column tells it where any is known.
        windows: (n, C, 2) lower edges of the regions of interest in x and y; columns window_x and window_y tell them,
            of several planes window_x_0, window_y_0, window_x_1, …
    """
    outputs, sizes = rows[:, :-2], rows[:, -2:].astype(np.int64)
    place = {
        **{
            f"{name}_number": [None if i == UNSET else int(i) for i in events[name]]
            for name in ("run", "subrun", "event")
        },
        "entry_number": events["entry"],
        "file": files,
    }
    return ResultTable(
        {
            **task.columns(outputs, truth, sizes, place),
            "status": _status(outputs[:, 0], sizes[:, 0], status),
            **({"label_rule": [rule] * len(events)} if rule else {}),
            **({"origin": list(origins)} if origins is not None and any(origins) else {}),
            **({} if windows is None else window_columns(windows)),
        }
    )


def passed(scores: NDArray[np.float64], cut: float) -> NDArray[np.object_]:
    """Return for each of (n,) scores 1 if it passes the cut, else 0; None where there is none."""
    decisions = (None if np.isnan(score) else int(score >= cut) for score in scores)
    return np.fromiter(decisions, object, len(scores))


def window_columns(windows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of (n, C, 2) lower edges of windows, NaN where there is no image."""
    planes = windows.shape[1]
    return {
        f"window_{axis}{f'_{plane}' * (planes > 1)}": windows[:, plane, number]
        for plane in range(planes)
        for number, axis in enumerate("xy")
    }


def _status(output: NDArray[np.float64], n_pixels: NDArray[np.int64], status: str) -> NDArray[np.str_]:
    """Return the (n,) status of entries by one of their outputs and their number of active pixels."""
    failed = np.where(n_pixels > 0, NOT_A_NUMBER, join.NO_IMAGE)
    return np.where(np.isnan(output), failed, status)


NOT_A_NUMBER = "not a number"
"""Status of an entry with charge for which the network gives NaN."""
