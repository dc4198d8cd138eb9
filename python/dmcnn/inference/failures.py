"""Failures of single files in a scoring: each is passed over and reported, and the end tells which they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dmcnn._common.errors import FileError
from dmcnn.inference.coverage import FileFailure
from dmcnn.inference.outputs import FORMATS

log = logging.getLogger("dmcnn")


class Failures:
    """Files that cannot be read or do not fit the settings, while others are scored.

    Args:
        stems: path of every file -> path of its outputs, without suffix.

    Attributes:
        found: file -> its failure.
    """

    def __init__(self, stems: Mapping[str, Path]) -> None:
        self._stems = stems
        self._faults: dict[str, FileError] = {}
        self._reported: set[str] = set()
        self.found: dict[str, FileFailure] = {}

    @contextmanager
    def passed_over(self, file: str, entries: int | None = None) -> Iterator[None]:
        """Note a fault of a file in the block as its failure; raise it if there is no other file.

        Args:
            file: the file.
            entries: number of its entries; None = not known.
        """
        try:
            yield
        except FileError as fault:
            if len(self._stems) == 1:
                raise
            stem, self._faults[file] = self._stems[file], fault
            tables = [stem.with_name(f"{stem.name}.{suffix}") for suffix in FORMATS]
            earlier = [path.name for path in tables if path.exists()]
            self.found[file] = FileFailure(file, "; ".join(fault.faults), entries, earlier)

    def check(self, counted: str | None) -> None:
        """Raise the first fault if all files have it, which is one of the settings, or if no file may be lost.

        Args:
            counted: key whose entries are counted through all files; None = there is none.
        """
        reasons = {one.reason.replace(file, "") for file, one in self.found.items()}
        if len(self.found) == len(self._stems) and len(reasons) == 1:
            raise next(iter(self._faults.values()))
        if self.found and counted is not None:
            first = next(iter(self.found.values()))
            raise FileError(
                f"{first.line()}; {counted} counts the entries through all files, which must be whole"
            )

    def report(self) -> None:
        """Write the reports of new failures, and log a warning for each."""
        for file in [file for file in self.found if file not in self._reported]:
            log.warning("failed: %s", self.found[file].line())
            self.found[file].write(self._stems[file])
        self._reported |= self.found.keys()

    def lines(self) -> list[str]:
        """Return the last lines of the command, one for each failure; none without any."""
        if not self.found:
            return []
        rest = len(self._stems) - len(self.found)
        others = f"the other {rest} are finished; the same command tries again" if rest else "none is scored"
        names = [file for file in self._stems if file in self.found]
        return [
            f"{len(names)} of {len(self._stems)} files failed, {others}:",
            *(f"  {self.found[file].line()}" for file in names),
        ]
