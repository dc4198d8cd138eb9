"""Tasks of networks: classification and regression, by the name on the card."""

from __future__ import annotations

from typing import Any

from dmcnn._common.errors import InputError, nearest
from dmcnn.checkpoints.card import Card
from dmcnn.tasks.base import EventScores, Result, Task
from dmcnn.tasks.classification import Classification, ClassificationResult
from dmcnn.tasks.regression import Regression, RegressionResult

__all__ = ["TASKS", "Classification", "ClassificationResult", "EventScores", "Regression", "RegressionResult",
           "Result", "Task", "task_of"]  # fmt: skip

TASKS: dict[str, type[Task]] = {task.name: task for task in (Classification, Regression)}
"""Name on the card -> task."""


def task_of(card: Card, **training: Any) -> Task:
    """Return the task of a network.

    Args:
        card: card of the network.
        training: options of a training: ``loss``, and for regression ``constraints``.

    Raises:
        InputError: unknown task.
    """
    if card.task not in TASKS:
        raise InputError(f"unknown task {card.task!r}{nearest(card.task, TASKS)}; known: {', '.join(TASKS)}")
    return TASKS[card.task](card, **training)
