"""Misclassified events, the most wrong first, and scores against the size of the events."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmcnn.evaluation import EvaluationResult
from dmcnn.evaluation.signal import Kinds, pool
from dmcnn.figures.networks import score_against_pixels
from dmcnn.tables.table import Table
from dmcnn.tables.texts import Texts


def judge(kinds: Kinds, cut: float) -> EvaluationResult:
    """List the misclassified events, and draw the scores against the numbers of active pixels where tables hold them.

    Args:
        kinds: scored events of each kind, read from tables.
        cut: lowest score of an event that is classified as signal.
    """
    table = misclassified(kinds, cut)
    drawings: dict[str, Figure] = {}
    pixels = {
        kind: np.full(len(events), np.nan) if events.rows is None else events.rows.numbers("n_pixels")
        for kind, events in kinds.items()
    }
    if any(np.isfinite(one).any() for one in pixels.values()):
        drawings["score_vs_n_pixels"] = score_against_pixels(
            {kind: (pixels[kind], events.score, events.weight) for kind, events in kinds.items()}, cut
        )
    numbers = {"misclassified": {kind: int(_is_wrong(kinds, kind, cut).sum()) for kind in kinds}}
    return EvaluationResult(numbers, drawings, [], {"wrong": table})


def misclassified(kinds: Kinds, cut: float) -> Table:
    """Return the events on the wrong side of the cut, by falling distance of their score from it.

    The columns are ids, entry, size, file and score table of an event, its label, what it was predicted, its score,
    and the distance from the cut.
    """
    wrong, kind = pool(
        {kind: events.take(np.flatnonzero(_is_wrong(kinds, kind, cut))) for kind, events in kinds.items()}
    )
    distance = np.abs(wrong.score - cut)
    order = np.argsort(-distance, kind="stable")
    wrong, kind = wrong.take(order), kind[order]
    return Table.from_columns({
        **({} if wrong.rows is None else wrong.rows.identity()),
        "label": Texts.of(list(kinds)).take(kind),
        "predicted": Texts.of(["background" if one == "signal" else "signal" for one in kinds]).take(kind),
        "score": wrong.score,
        "distance": distance[order],
    })  # fmt: skip


def _is_wrong(kinds: Kinds, kind: str, cut: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return whether each event of a kind is on the wrong side of the cut."""
    return np.asarray((kinds[kind].score >= cut) != (kind == "signal"))
