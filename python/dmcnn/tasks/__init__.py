"""Tasks: what networks are for, telling classes apart or estimating numbers, by the name on their cards."""

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


def task_of(card: Card, **training: Any) -> Task:
    """Return the task of a network; ``training``: the loss, and of a regression the names of its constraints."""
    if card.task not in TASKS:
        raise InputError(f"unknown task {card.task!r}{nearest(card.task, TASKS)}; known: {', '.join(TASKS)}")
    return TASKS[card.task](card, **training)
