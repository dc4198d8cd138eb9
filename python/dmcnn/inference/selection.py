"""Selection of events by number, or by the scores of networks, which are read from tables or computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.datasets import selection
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.selection import SelectedEvent
from dmcnn.inference.predictor import Predictor, load_predictor
from dmcnn.inference.stored_scores import ranking

Paths = str | Sequence[str]


def select(
    predictor: Predictor,
    dataset: Dataset,
    folder: Path,
    *,
    entries: int | Sequence[int] | None = None,
    score_csv: Paths | None = None,
    score_column: str = "signal_score",
    other_weight_file: str | None = None,
    other_score_csv: Paths | None = None,
    network: Mapping[str, Any] | None = None,
    label: Any = None,
    signal_label: str | None = None,
    **kinds: Any,
) -> list[SelectedEvent]:
    """Return the selected events, first by entry, then by score, each once.

    Args:
        predictor: network whose scores rank the events.
        dataset: events.
        folder: where infer may have left the scores.
        entries: numbers of events.
        score_csv, score_column: tables of the scores, one per file of the dataset; None = of the network.
        other_weight_file, other_score_csv: the other network of ``disagree``, or its tables.
        network: arguments with which its weight file is opened, see ``load_predictor``.
        label: class of an event, for ``wrong``; None = the rule of the network.
        signal_label: label of signal events in ``score_csv``; None = the signal class of the network.
        kinds: top, bottom, border, border_score, disagree, wrong, per_file of select_by_score.
    """
    by_number = selection.select_by_number(dataset, entries)
    if all(kinds.get(kind) is None for kind in ("top", "bottom", "border", "disagree", "wrong")):
        return selection.merge_reasons(by_number)
    if score_csv is not None:
        scores = selection.read_scores(score_csv, dataset, score_column)
    else:
        predictor.task.need_classes("a choice of events by score")
        scores = ranking(predictor, dataset, folder)
    others = None
    if other_score_csv is not None:
        others = selection.read_scores(other_score_csv, dataset, score_column)
    elif other_weight_file is not None:
        others = _other_scores(predictor, dataset, other_weight_file, network or {})
    wrong, cut = None, kinds.get("border_score", 0.5)
    if kinds.get("wrong") is not None and score_csv is not None:
        signal = signal_label or predictor.card.signal or ""
        wrong = selection.read_distances(score_csv, dataset, score_column, cut=cut, signal=signal)
    elif kinds.get("wrong") is not None:
        wrong = wrong_distances(predictor, dataset, scores, cut, label)
    by_score = selection.select_by_score(
        scores, dataset.events["file"], others=others, distances=wrong, **kinds
    )
    return selection.merge_reasons([*by_number, *by_score])


def wrong_distances(
    predictor: Predictor, dataset: Dataset, scores: NDArray[np.float64], cut: float, label: Any = None
) -> NDArray[np.float64]:
    """Return how wrong a network classifies the events of a dataset; NaN for those that are right or without label.

    Args:
        predictor, dataset: network and events.
        scores: (n,) scores, see ``ranking``.
        cut: lowest score of an event that is classified as signal; without signal the largest score decides.
        label: class of an event; None = the rule of the network.

    Raises:
        InputError: no event has a label.
    """
    task = predictor.task.need_classes("a choice of misclassified events")
    labels = list(predictor.task.truth(dataset, label))
    if all(one is None for one in labels):
        raise InputError(
            "wrong: the classes of the events are unknown; give label, or score_csv with a column of labels"
        )
    if predictor.card.signal is not None:
        return selection.wrong_distances(scores, labels, predictor.card.signal, cut)
    return selection.wrong_margins(task.scores(predictor.all_logits(dataset)), labels, predictor.card.classes)


def _other_scores(
    predictor: Predictor, dataset: Dataset, weight_file: str, network: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Return the (n,) scores of the dataset by another network of the same classes."""
    other = load_predictor(weight_file, **network)
    if other.card.classes != predictor.card.classes:
        raise InputError(
            f"{weight_file}: has the classes {other.card.classes}, expected {predictor.card.classes}"
        )
    files = [str(path) for path in dataset.files]
    return other.task.need_classes("a score").ranking(other.all_logits(other.open(files)))
