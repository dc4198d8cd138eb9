"""Which events to look at: by number, by score, by how much two networks differ, so many of each file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.datasets.dataset import Dataset
from dmcnn.tables import table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """An event by its number in the dataset, and why it was chosen."""

    number: int
    reason: str


def by_number(dataset: Dataset, entries: int | Sequence[int] | None) -> list[Chosen]:
    """The events of these numbers, counted through all files; InputError for one that the dataset does not have."""
    numbers = [] if entries is None else dataset.entries(entries)
    return [Chosen(number, f"entry {number}") for number in numbers]


def ranked(key: Floats, count: int | None, files: NDArray[np.int32], per_file: int | None) -> list[int]:
    """Event numbers by rising ``key``: the first ``count``, at most ``per_file`` of each file; NaN is never chosen.

    Args:
        key: (n,) small for the events that are wanted; ties go to the lower number.
        count: how many; None = all.
        files: (n,) file of every event.
        per_file: None = no limit.
    """
    taken: Counter[int] = Counter()
    found: list[int] = []
    for number in np.argsort(key, kind="stable").tolist():
        if math.isnan(key[number]) or len(found) == count:
            break
        if per_file is None or taken[int(files[number])] < per_file:
            taken[int(files[number])] += 1
            found.append(number)
    return found


def by_score(
    scores: Floats,
    files: NDArray[np.int32],
    *,
    top: int | None = None,
    bottom: int | None = None,
    border: int | None = None,
    border_score: float = 0.5,
    others: Floats | None = None,
    disagree: int | None = None,
    per_file: int | None = None,
) -> list[Chosen]:
    """The events of the highest and the lowest scores, of those nearest to a border, and of most disagreement.

    Args:
        scores: (n,) NaN where an event has none.
        files: (n,) file of every event.
        top, bottom, border, disagree: how many of each kind; None = no such kind.
        border_score: the score that ``border`` means.
        others: (n,) scores of another network, for ``disagree``.
        per_file: at most so many of each kind from each file.
    """
    kinds = [
        ("highest score", top, -scores),
        ("lowest score", bottom, scores),
        (f"nearest to a score of {border_score:g}", border, np.abs(scores - border_score)),
        ("most disagreement", disagree, -np.abs(scores - (scores if others is None else others))),
    ]
    return [
        Chosen(
            number,
            f"{what}, number {place}: {_scores(number, scores, others if count is disagree else None)}",
        )
        for what, count, key in kinds
        if count is not None
        for place, number in enumerate(ranked(key, count, files, per_file), 1)
    ]


def _scores(number: int, scores: Floats, others: Floats | None) -> str:
    both = "" if others is None else f" and {others[number]:.4f}"
    return f"{scores[number]:.4f}{both}"


def each_once(chosen: Iterable[Chosen]) -> list[Chosen]:
    """Every event once, where it came first, with all its reasons."""
    reasons: dict[int, list[str]] = {}
    for one in chosen:
        reasons.setdefault(one.number, []).append(one.reason)
    return [Chosen(number, "; ".join(dict.fromkeys(why))) for number, why in reasons.items()]


def from_tables(paths: str | Sequence[str], dataset: Dataset, column: str = "signal_score") -> Floats:
    """(n,) scores of the dataset's events from CSVs, one per file of the dataset, by ``entry_number``; else NaN."""
    csvs = expand(paths)
    if len(csvs) != len(dataset.files):
        raise InputError(
            f"score_csv names {len(csvs)} files for {len(dataset.files)} input files: give one each, in order"
        )
    scores = np.full(len(dataset), np.nan)
    for number, path in enumerate(csvs):
        values, _ = table.scores(path, column)
        rows = table.read(path, ["entry_number"])
        mine = np.flatnonzero(dataset.events["file"] == number)
        place = {
            int(entry): int(event) for event, entry in zip(mine, dataset.events["entry"][mine], strict=True)
        }
        for row, (word, score) in enumerate(zip(rows.column("entry_number"), values, strict=True)):
            if math.isnan(score) or not word.strip():
                continue
            entry = _entry(rows, row, word)
            if entry not in place:
                raise InputError(
                    f"{rows.place(row)}: entry {word}, but {dataset.files[number]} has {len(mine)} entries"
                )
            scores[place[entry]] = score
    return scores


def _entry(rows: table.Table, row: int, word: str) -> int:
    try:
        return int(float(word))
    except (ValueError, OverflowError):
        raise InputError(f"{rows.place(row)}: entry_number is {word!r}, expected a whole number") from None
