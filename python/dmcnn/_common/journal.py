"""Work that resumes where it stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Journal:
    """Rows of finished work on disk, so that a killed command goes on where it was.

    Line one is JSON: the ``key`` that says exactly which work this is. Then (n, width) float64 rows follow in
    the order of the work. A row cut in half by a crash is dropped; a journal of other work is started anew.
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
        """(n, width) float64: everything done so far."""
        self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def append(self, rows: NDArray[np.float64]) -> None:
        """Add (m, width) rows and hand them to the operating system before returning."""
        rows = np.ascontiguousarray(rows, np.float64).reshape(-1, self._width)
        with self.path.open("ab") as file:
            file.write(rows.tobytes())
        self._rows.append(rows)

    def close(self) -> None:
        """The work is finished and stored elsewhere: remove the journal."""
        self.path.unlink(missing_ok=True)
