"""Coverage of a scoring: what became of every entry of a file, and of every row of its analysis table."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dmcnn._common import json_files
from dmcnn._common.files import atomic_file
from dmcnn._common.shares import TAG
from dmcnn.inference.score_table import NOT_A_NUMBER
from dmcnn.tables.join import NO_ENTRY, NO_IMAGE, NOT_IN_CSV, Coverage, count_shared
from dmcnn.tables.table import IDS, Table

LISTED = 20
"""Largest number of entries of a kind that are listed one by one."""

REASONS = {
    NO_IMAGE: "the event holds no image",
    NOT_A_NUMBER: "a network gives NaN",
}
"""Status of an entry without a score -> reason."""


SCORED, FAILED = "scored", "failed"
"""States of a file: it has its results, or it could not be read or does not fit the settings, and has none."""


@dataclass(frozen=True)
class FileCoverage:
    """Coverage of one file that was scored.

    Attributes:
        file: the image file.
        entries: entries of the file.
        chosen: entries that were to be scored.
        scored: entries with a score of every network.
        duplicates: chosen entries that share their ids with another one.
        failed: status of chosen entries without a score of every network -> their number.
        failed_entries: the first of them: entry_number, ids and reason.
        analysis_file: table to which the scores are joined.
        rows, rows_without_image, rows_without_ids, row_duplicates: rows of that table; those whose event is not among
            the chosen entries; those that name no event; those that share their ids with another one.
        entries_without_row: chosen entries that no row names.
        unmatched_rows, unmatched_entries: ids of the first rows without image, entry numbers of the first entries
            without row.
    """

    file: str
    entries: int
    chosen: int
    scored: int
    duplicates: int
    failed: dict[str, int]
    failed_entries: list[dict[str, str]]
    analysis_file: str | None = None
    rows: int | None = None
    rows_without_image: int | None = None
    rows_without_ids: int | None = None
    row_duplicates: int | None = None
    entries_without_row: int | None = None
    unmatched_rows: list[dict[str, str]] = field(default_factory=list)
    unmatched_entries: list[int] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return log lines: one on the entries, one on the rows of the analysis table."""
        chosen = f", chosen {self.chosen}" if self.chosen != self.entries else ""
        missing = {NO_IMAGE: self.failed.get(NO_IMAGE, 0), **self.failed}
        words = {NO_IMAGE: "without image"}
        lost = "".join(f", {words.get(status, status)} {count}" for status, count in missing.items())
        lines = [
            f"entries: {self.entries}{chosen}, scored {self.scored}{lost}, sharing their ids {self.duplicates}"
        ]
        if self.analysis_file is not None:
            lines.append(
                f"unmatched: {self.entries_without_row} entries without a row, "
                f"{self.rows_without_image} rows without an entry, of {self.rows} in {self.analysis_file}"
            )
        return lines

    def text(self) -> str:
        """Return the report for people."""
        failed = [
            f"failed: {' '.join(f'{key} {value}' for key, value in one.items())}"
            for one in self.failed_entries
        ]
        rows = [f"row without an entry: {' '.join(one.values())}" for one in self.unmatched_rows]
        entries = [f"entry without a row: {one}" for one in self.unmatched_entries]
        return "\n".join([self.file, *self.lines(), *failed, *rows, *entries]) + "\n"

    def write(self, stem: Path) -> None:
        """Write the report as ``<stem>_coverage.json`` and ``<stem>_coverage.txt``."""
        _write(stem, {"state": SCORED, **asdict(self)}, self.text())


@dataclass(frozen=True)
class FileFailure:
    """Coverage of a file without results.

    Attributes:
        file: the image file.
        reason: what was found, and what was expected.
        entries: entries of the file; None where it could not be opened.
        earlier: names of tables beside the report, which an earlier run has left.
    """

    file: str
    reason: str
    entries: int | None = None
    earlier: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the file, the reason and the earlier tables in one line."""
        place = "" if self.file in self.reason else f"{self.file}: "
        return f"{place}{self.reason}{self._remark()}"

    def _remark(self) -> str:
        return f" (of an earlier run, and not removed: {', '.join(self.earlier)})" if self.earlier else ""

    def text(self) -> str:
        """Return the report for people."""
        count = "" if self.entries is None else f"entries: {self.entries}, scored 0\n"
        return f"{self.file}\n{FAILED}: {self.reason}{self._remark()}\n{count}"

    def write(self, stem: Path) -> None:
        """Write the report where that of the same file would be, had it been scored."""
        _write(stem, {"state": FAILED, **asdict(self)}, self.text())


def _paths(stem: Path) -> tuple[Path, Path]:
    """Return the paths of a report, JSON and text."""
    as_json, as_text = (stem.with_name(f"{stem.name}_coverage{suffix}") for suffix in (".json", ".txt"))
    return as_json, as_text


def _write(stem: Path, content: Mapping[str, Any], text: str) -> None:
    """Write a report as JSON, without what is None, and as text."""
    as_json, as_text = _paths(stem)
    json_files.write(as_json, {name: value for name, value in content.items() if value is not None})
    with atomic_file(as_text) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def remove_report(stem: Path) -> None:
    """Remove the report of the failure of a share, which is finished now."""
    for path in _paths(stem):
        path.unlink(missing_ok=True)


def share_failures(stem: Path) -> list[str]:
    """Return a line for every share of the work ``stem`` in which its file failed."""
    lines = []
    for path in sorted(stem.parent.glob(f"{glob.escape(stem.name)}_share*_coverage.json")):
        name = path.stem.removesuffix("_coverage")
        if (match := TAG.search(name)) and name[: match.start()] == stem.name:
            report = json_files.read(path, "a coverage report of a failure", ["reason"])
            lines.append(f"share {match[1]}/{match[2]}: {report['reason']}")
    return lines


def coverage(
    file: str,
    entries: int,
    results: Table,
    joined: Table | None = None,
    join: Coverage | None = None,
    analysis: str = "",
) -> FileCoverage:
    """Return the coverage of one file.

    Args:
        file: the image file.
        entries: entries of the file.
        results: rows of the chosen entries, with ``entry_number`` and ``status``.
        joined, join: results joined to an analysis table, and the counts of the join.
        analysis: path of that table.
    """
    status, numbers = _status(results), results.column("entry_number")
    ids = list(zip(*(results.column(name) for name in IDS), strict=True))
    lost = [row for row, word in enumerate(status) if word in REASONS]
    report: dict[str, Any] = {}
    if joined is not None and join is not None:
        states = joined.column("status")
        their_ids = list(zip(*(joined.column(name) for name in IDS), strict=True))
        report = {
            "analysis_file": analysis,
            "rows": join.rows,
            "rows_without_image": join.rows - join.rows_matched,
            "rows_without_ids": join.rows_without_ids,
            "row_duplicates": join.rows_duplicate,
            "entries_without_row": join.entries - join.entries_matched,
            "unmatched_rows": _named(their_ids, [i for i, word in enumerate(states) if word == NO_ENTRY]),
            "unmatched_entries": [
                int(number)
                for number, word in zip(joined.column("entry_number"), states, strict=True)
                if word == NOT_IN_CSV
            ][:LISTED],
        }
    return FileCoverage(
        file=file,
        entries=entries,
        chosen=len(status),
        scored=len(status) - len(lost),
        duplicates=count_shared(results),
        failed=dict(Counter(status[row] for row in lost)),
        failed_entries=[
            {"entry_number": numbers[row], **names, "reason": REASONS[status[row]]}
            for row, names in zip(lost, _named(ids, lost), strict=False)
        ],
        **report,
    )


def _status(results: Table) -> list[str]:
    """Return the status of every entry: the first failure, where networks read images in several ways."""
    columns = [
        results.column(name) for name in results.columns if name == "status" or name.startswith("status_")
    ]
    return [
        next((word for word in words if word in REASONS), words[0]) for words in zip(*columns, strict=True)
    ]


def _named(ids: Sequence[tuple[str, ...]], rows: Sequence[int]) -> list[dict[str, str]]:
    """Return the ids of the first of some rows by name."""
    return [dict(zip(IDS, ids[row], strict=True)) for row in rows[:LISTED]]
