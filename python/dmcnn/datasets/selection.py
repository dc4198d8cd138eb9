"""Selection of events by number, by score, or by the difference of the scores of two networks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.datasets.dataset import Dataset
from dmcnn.tables import table

Floats = NDArray[np.float64]

DISAGREEMENT = "most disagreement"
"""Reason of the selection of an event by the scores of two networks."""


@dataclass(frozen=True)
class SelectedEvent:
    """Event by its number in the dataset, with the reason of its selection."""

    number: int
    reason: str


def select_by_number(dataset: Dataset, entries: int | Sequence[int] | None) -> list[SelectedEvent]:
    """Select events by number, counted through all files; InputError for a number beyond the dataset."""
    numbers = [] if entries is None else dataset.entries(entries)
    return [SelectedEvent(number, f"entry {number}") for number in numbers]


def rank_events(key: Floats, count: int | None, files: NDArray[np.int32], per_file: int | None) -> list[int]:
    """Return the numbers of the first ``count`` events by rising ``key``, at most ``per_file`` of each file.

    Args:
        key: (n,) float64; events with NaN are left out, and of equals the lower number comes first.
        count: None = all.
        files: (n,) file number of every event.
        per_file: None = no limit.
    """
    counts: Counter[int] = Counter()
    numbers: list[int] = []
    for number in np.argsort(key, kind="stable").tolist():
        if math.isnan(key[number]) or len(numbers) == count:
            break
        if per_file is None or counts[int(files[number])] < per_file:
            counts[int(files[number])] += 1
            numbers.append(number)
    return numbers


def select_by_score(
    scores: Floats,
    files: NDArray[np.int32],
    *,
    top: int | None = None,
    bottom: int | None = None,
    border: int | None = None,
    border_score: float = 0.5,
    others: Floats | None = None,
    disagree: int | None = None,
    wrong: int | None = None,
    distances: Floats | None = None,
    per_file: int | None = None,
) -> list[SelectedEvent]:
    """Select events of highest and lowest score, nearest to a border, of largest disagreement, and the most wrong.

    Args:
        scores: (n,) float64; NaN where an event has none.
        files: (n,) file number of every event.
        top, bottom, border, disagree, wrong: number of events of each kind; None = no such kind.
        border_score: score to which ``border`` refers.
        others: (n,) scores of another network, for ``disagree``.
        distances: (n,) how wrong the events are classified, for ``wrong``; NaN for those that are right.
        per_file: largest number of events of each kind from one file; None = no limit.
    """
    kinds = [
        ("highest score", top, -scores),
        ("lowest score", bottom, scores),
        (f"nearest to a score of {border_score:g}", border, np.abs(scores - border_score)),
        (DISAGREEMENT, disagree, -np.abs(scores - (scores if others is None else others))),
        ("misclassified", wrong, np.full(len(scores), np.nan) if distances is None else -distances),
    ]
    return [
        SelectedEvent(
            number,
            f"{what}, number {place}: {_scores(number, scores, others if what == DISAGREEMENT else None)}",
        )
        for what, count, key in kinds
        if count is not None
        for place, number in enumerate(rank_events(key, count, files, per_file), 1)
    ]


def _scores(number: int, scores: Floats, others: Floats | None) -> str:
    """Return the score of an event, or the scores of both networks, as text."""
    both = "" if others is None else f" and {others[number]:.4f}"
    return f"{scores[number]:.4f}{both}"


def merge_reasons(events: Iterable[SelectedEvent]) -> list[SelectedEvent]:
    """Return every event once, at its first place, with all its reasons."""
    reasons: dict[int, list[str]] = {}
    for event in events:
        reasons.setdefault(event.number, []).append(event.reason)
    return [SelectedEvent(number, "; ".join(dict.fromkeys(texts))) for number, texts in reasons.items()]


def read_scores(paths: str | Sequence[str], dataset: Dataset, column: str = "signal_score") -> Floats:
    """Return the (n,) float64 scores of the events of a dataset from CSVs; NaN where a CSV has none.

    Args:
        paths: paths and globs of the CSVs, one per file of the dataset, in order.
        dataset: rows and events are matched by ``entry_number``.
        column: column of the score.

    Raises:
        InputError: another number of CSVs than files, or an entry that a file does not have.
    """
    scores = np.full(len(dataset), np.nan)
    for _, _, events, values in _rows_of_events(paths, dataset, column):
        scores[events] = values
    return scores


def read_distances(
    paths: str | Sequence[str], dataset: Dataset, column: str, *, cut: float, signal: str
) -> Floats:
    """Return how wrong the events of a dataset are classified, from CSVs with labels; NaN for those that are right.

    Args:
        paths, dataset, column: see ``read_scores``.
        cut: lowest score of an event that is classified as signal.
        signal: label of signal events.

    Raises:
        InputError: see ``read_scores``; no column of labels, or no event with the label of the signal.
    """
    distances, labels = np.full(len(dataset), np.nan), set[str]()
    for rows, at, events, values in _rows_of_events(paths, dataset, column):
        column_of_labels = rows.column("label")
        words = [column_of_labels[row] for row in at.tolist()]
        labels |= set(words) - {""}
        distances[events] = wrong_distances(values, words, signal, cut)
    if signal not in labels:
        found = ", ".join(map(repr, sorted(labels))) or "none"
        raise InputError(f"score_csv: no event has the label {signal!r} (signal_label); found {found}")
    return distances


def wrong_distances(scores: Floats, labels: Sequence[Any], signal: str | None, cut: float) -> Floats:
    """Return the distance of (n,) scores from the cut for events on its wrong side; NaN for all others.

    Events without label (None or an empty text) are neither right nor wrong.
    """
    is_signal = np.array([label == signal for label in labels], np.bool_)
    known = np.array([label not in (None, "") for label in labels], np.bool_)
    wrong = known & ((scores >= cut) != is_signal)
    return np.where(wrong, np.abs(scores - cut), np.nan)


def wrong_margins(scores: Floats, labels: Sequence[Any], classes: Sequence[str]) -> Floats:
    """Return the largest of (n, classes) scores minus that of the true class where it is larger; NaN for others."""
    number = np.array([classes.index(label) if label in classes else -1 for label in labels], np.int64)
    margin = scores.max(axis=1) - scores[np.arange(len(scores)), number]
    return np.where((number >= 0) & (margin > 0), margin, np.nan)


def _rows_of_events(
    paths: str | Sequence[str], dataset: Dataset, column: str
) -> Iterator[tuple[table.Table, NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Yield every CSV with the numbers of its rows that have an entry and a score, their events, and these scores."""
    csvs = expand(paths)
    if len(csvs) != len(dataset.files):
        raise InputError(
            f"score_csv names {len(csvs)} files for {len(dataset.files)} input files: give one each, in order"
        )
    for number, path in enumerate(csvs):
        rows = table.read(path, ["entry_number", column])
        scores, _ = table.scores_of(rows, column)
        own = np.flatnonzero(dataset.events["file"] == number)
        place = dict(zip(dataset.events["entry"][own].tolist(), own.tolist(), strict=True))
        at, events = [], []
        for row, word in enumerate(rows.column("entry_number")):
            if math.isnan(scores[row]) or not word.strip():
                continue
            entry = _entry(rows, row, word)
            if entry not in place:
                raise InputError(
                    f"{rows.place(row)}: entry {word}, but {dataset.files[number]} has {len(own)} entries"
                )
            at.append(row)
            events.append(place[entry])
        chosen = np.array(at, np.int64)
        yield rows, chosen, np.array(events, np.int64), scores[chosen]


def _entry(rows: table.Table, row: int, word: str) -> int:
    """Return the entry number of a row; InputError if it is no whole number."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise InputError(f"{rows.place(row)}: entry_number is {word!r}, expected a whole number")
    return int(number)
