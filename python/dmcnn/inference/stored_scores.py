"""Scores that infer has left: the table of the same weights, checked against the network on a few events."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.fingerprint import path_fingerprint
from dmcnn._common.provenance import read_provenance
from dmcnn._common.shares import TAG
from dmcnn.datasets import selection
from dmcnn.datasets.dataset import Dataset
from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")

CHECKED = 8
"""Number of events whose scores are computed again, spread over the dataset."""

TOLERANCE = {"32": 1e-3, "bf16": 0.02}
"""Precision -> largest difference of a score that is the same but for rounding."""


def ranking(predictor: Predictor, dataset: Dataset, folder: Path, rotation: int = 0) -> NDArray[np.float64]:
    """Return the (n,) scores by which events are ranked, from the tables that infer left in a folder, or computed.

    A table counts if it was made with these weights from the same bytes, holds every event, and agrees with the
    network where it is asked again.
    """
    task = predictor.task.need_classes("a score")
    tables = _tables(predictor, dataset, folder)
    if tables is not None:
        scores = _read(predictor, dataset, tables)
        if scores is not None and _agrees(predictor, dataset, scores, rotation):
            log.info("scores: %s", ", ".join(map(str, tables)))
            return scores
    return task.ranking(predictor.all_logits(dataset, rotation))


def _tables(predictor: Predictor, dataset: Dataset, folder: Path) -> list[Path] | None:
    """Return the newest table of every file of a dataset by these weights, or None if one has none."""
    tables = []
    for file in dataset.files:
        start = f"{file.stem}_DM-CNN_scores"
        own = [
            path
            for path in folder.glob("*.csv")
            if path.name.startswith(start)
            and not TAG.search(path.stem)
            and _is_of(path.with_suffix(".cfg"), predictor.sha256, file)
        ]
        if not own:
            return None
        tables.append(max(own, key=lambda path: path.stat().st_mtime_ns))
    return tables


def _is_of(cfg: Path, weights: str, file: Path) -> bool:
    """Return whether a saved cfg belongs to scores of a file by the network of these weights (SHA-256)."""
    try:
        with cfg.open(encoding="utf-8") as lines:
            named = lines.readline().rpartition(", weights ")[2].strip()
    except (OSError, UnicodeDecodeError):
        return False
    return named == weights and path_fingerprint(file) in read_provenance(cfg).values()


def _read(predictor: Predictor, dataset: Dataset, tables: list[Path]) -> NDArray[np.float64] | None:
    """Return the (n,) scores in the tables, or None if they are not those of all events."""
    paths, card = [str(path) for path in tables], predictor.card
    columns = ["signal_score"] if card.signal is not None else [f"p_{name}" for name in card.classes]
    try:
        scores = np.max([selection.read_scores(paths, dataset, column) for column in columns], axis=0)
    except InputError:
        return None
    return scores if np.isfinite(scores).all() else None


def _agrees(predictor: Predictor, dataset: Dataset, scores: NDArray[np.float64], rotation: int) -> bool:
    """Return whether the network gives the same scores to a few events."""
    numbers = np.unique(np.linspace(0, len(dataset) - 1, CHECKED).astype(int)).tolist()
    events = [dataset.read(number, number + 1) for number in numbers]
    again = predictor.task.need_classes("a score").ranking(
        np.concatenate(list(predictor.logits(events, rotation)))
    )
    return bool(np.abs(again - scores[numbers]).max() <= TOLERANCE[predictor.precision])
