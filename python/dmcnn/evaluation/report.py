"""Report of an evaluation: results, figures, tables, every number, files and settings on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dmcnn._common.environment import without_folders
from dmcnn.evaluation import EvaluationResult
from dmcnn.evaluation.captions import caption
from dmcnn.pages import report as pages

MOST_ROWS = 1000
"""Rows of a table above which the page names its file only."""


def page(
    result: EvaluationResult, stem: Path, origins: Sequence[str], fingerprints: Mapping[str, str], cfg: str
) -> str:
    """Return the HTML of the report of an evaluation, with those of its figures that are written.

    Args:
        result: numbers, figures and tables.
        stem: path of the results without ending.
        origins: what the score tables state of the origin of their events.
        fingerprints: fingerprint by path of the files that the result is made from.
        cfg: text of the settings.
    """
    own = [Path(f"{stem.name}_{ending}{suffix}") for ending in result.figures for suffix in (".png", ".pdf")]
    own += [Path(f"{stem.name}_{ending}.csv") for ending in result.tables]
    own += [Path(f"{stem.name}_{ending}") for ending in result.files]
    sections = {
        "Result": [pages.paragraph(without_folders(line)) for line in result.lines],
        "Figures": [
            pages.figure(path, caption(ending))
            for ending in result.figures
            if (path := stem.with_name(f"{stem.name}_{ending}.png")).is_file()
        ],
        "Tables": [_table(ending, result) for ending in result.tables],
        "Numbers": [pages.numbers(result.numbers)],
        "Files": [
            pages.files(fingerprints, "Score tables"),
            pages.table(
                ["file"], [[name] for name in (f"{stem.name}.json", *own)], "Results beside this page"
            ),
        ],
        "Settings": [pages.preformatted(without_folders(cfg))],
    }
    return pages.report(stem.name.replace("_", " "), sections, ", ".join(origins))


def _table(ending: str, result: EvaluationResult) -> pages.Html:
    """Return a table of results; of a long one its size."""
    rows, title = result.tables[ending], caption(ending)
    if len(rows) > MOST_ROWS:
        return pages.paragraph(f"{title}: {len(rows)} rows, in the CSV beside this page")
    return pages.table(rows.columns, [[_number(word) for word in row] for row in rows.rows], title)


def _number(word: str) -> int | float | str:
    """Return a text as the number that it is, or as it is."""
    try:
        return int(word) if word.isdecimal() else float(word)
    except ValueError:
        return word
