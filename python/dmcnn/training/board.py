"""TensorBoard of a training: the metrics table as scalars, one per column and step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dmcnn._common.extras import need
from dmcnn._common.files import note

EVENTS = "events.out.tfevents.*"
"""Names of the files that TensorBoard reads."""


class Board:
    """Folder for ``tensorboard --logdir``, in which every step stands once, also after an interrupt.

    The files of an earlier process are replaced: it may have gone on after the last checkpoint.

    Args:
        folder: folder of the files.

    Raises:
        InputError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        need("tensorboard")  # torch's error would not say how to install it
        for path in folder.glob(EVENTS):
            path.unlink()
        self._writer: Any = need("torch.utils.tensorboard").SummaryWriter(str(folder))
        self._written = 0
        note(folder)

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the rows of a metrics table that are not yet written; a number that is NaN is left out."""
        for row in rows[self._written :]:
            for name, value in row.items():
                if name not in ("epoch", "step") and not math.isnan(value):
                    self._writer.add_scalar(name, value, int(row["step"]))
        self._written = len(rows)
        self._writer.flush()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
