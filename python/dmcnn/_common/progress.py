"""Progress bars: in a terminal a bar, elsewhere a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

QUIET = 30.0
"""Seconds between two lines where the output is no terminal, such as a log; shorter work is silent there."""


class ProgressBar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """Bar with rate and remaining time; where the output is no terminal, whole lines at the pace of QUIET."""

    def __init__(
        self, items: Iterable[Any] | None = None, *, file: TextIO | None = None, **options: Any
    ) -> None:
        """Make the bar; ``options`` are those of tqdm: total, initial, desc, unit, disable, …"""
        file = sys.stderr if file is None else file
        if not file.isatty():
            options |= {"mininterval": QUIET, "maxinterval": QUIET, "delay": QUIET}
        super().__init__(
            items, file=file if file.isatty() else _Lines(file), dynamic_ncols=file.isatty(), **options
        )

    def skip(self, count: int) -> None:
        """Count ``count`` items that were finished before: they have no part in the rate."""
        if not self.disable:
            self.initial += count
            self.n += count


class _Lines:
    """Stream without carriage returns: what is written to it becomes a line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write a line, unless it is empty."""
        if text.strip():
            self._file.write(text.strip() + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
