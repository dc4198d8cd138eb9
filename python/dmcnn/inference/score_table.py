"""Score table: what a network found in every entry, with its identity, for CSV files and notebooks."""

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
    outputs: NDArray[np.float64],
    truth: Truth,
    sizes: NDArray[np.int64],
    status: str = "scored",
) -> ResultTable:
    """Return one row per entry, in the order of the entries; what does not exist is missing.

    Args:
        task: of the network.
        events: (n,) EVENT.
        files: (n,) where every entry comes from.
        outputs: (n, m); NaN where an entry holds no image.
        truth: (n,) or (n, k), see ``Task.truth``.
        sizes: (n, 2) active pixels of all channels together, and pixels that are active in any of them.
        status: of entries with an image.
    """
    place = {
        **{
            f"{name}_number": [None if i == UNSET else int(i) for i in events[name]]
            for name in ("run", "subrun", "event")
        },
        "entry_number": events["entry"],
        "file": files,
    }
    missing = np.isnan(outputs[:, 0])
    return ResultTable(
        {
            **task.columns(outputs, truth, sizes, place),
            "status": np.where(missing, join.NO_IMAGE, status),
        }
    )
