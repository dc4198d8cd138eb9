"""Journals of finished work, from which a killed command resumes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Journal:
    """Journal file of finished rows, from which a killed command resumes.

    The first line is JSON and holds the ``key`` that identifies the work. (n, width) float64 rows follow in the
    order of the work. A row that a crash has cut short is dropped; a journal with another key is started anew.
    """

    def __init__(self, path: str | Path, key: dict[str, Any], width: int) -> None:
        self.path = Path(path)
        header = (json.dumps({**key, "width": width}, sort_keys=True) + "\n").encode()
        old = self.path.read_bytes() if self.path.exists() else b""
        row = 8 * width
        if not old.startswith(header):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(header)
            old = header
        whole = len(header) + (len(old) - len(header)) // row * row
        os.truncate(self.path, whole)
        self._rows = [np.frombuffer(old[len(header) : whole], np.float64).reshape(-1, width)]
        self._width = width

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    @property
    def rows(self) -> NDArray[np.float64]:
        """(n, width) float64: all finished rows."""
        self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def append(self, rows: NDArray[np.float64]) -> None:
        """Append (m, width) rows and hand them to the operating system before returning."""
        rows = np.ascontiguousarray(rows, np.float64).reshape(-1, self._width)
        with self.path.open("ab") as file:
            file.write(rows.tobytes())
        self._rows.append(rows)

    def close(self) -> None:
        """Remove the journal: the work is finished and its result is stored elsewhere."""
        self.path.unlink(missing_ok=True)
