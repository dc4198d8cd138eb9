"""Cross-validation: scores of all events, each by the training that did not see it, and the spread over the folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common import json_files
from dmcnn._common.errors import InputError
from dmcnn.metrics import classification, distributions
from dmcnn.tables import table

CHOSEN = (
    "the validation events of each fold chose the step of its weights, so that out-of-fold numbers are a little too "
    "good: run_test = False takes the weights of the last step"
)
PLACE = ("file", "entry_number")
"""Columns that identify an event of the input files."""


def out_of_fold(paths: Sequence[Path]) -> table.Table:
    """Return the score tables of the validation events of all folds as one, with a column ``fold``.

    Raises:
        InputError: tables of other columns, or an event in two of them: folds of other input files or seeds.
    """
    tables = [table.read(path, PLACE) for path in paths]
    seen: dict[tuple[str, ...], Path] = {}
    for path, each in zip(paths, tables, strict=True):
        if each.columns != tables[0].columns:
            raise InputError(f"{path}: other columns than {paths[0]}: train this fold again (resume=False)")
        for place in zip(*(each.column(name) for name in PLACE), strict=True):
            if seen.setdefault(place, path) != path:
                raise InputError(
                    f"{path}: entry {place[1]} of {place[0]} is in {seen[place].name} too: these folds are of other "
                    "files or seeds, train them again (resume=False)"
                )
    fold = np.repeat(np.arange(len(tables)), [len(each) for each in tables])
    whole = table.Table.concatenate(tables)
    return table.Table((*whole.columns, "fold"), [*whole.values, fold])


def spread(cards: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mean, standard deviation (n - 1) and values over the folds of every number of their model cards.

    Numbers of the validation events begin with ``validation_``, those of the test events with ``test_``.
    """
    folds = [
        {
            **{f"validation_{name}": value for name, value in card["evaluation"].items()},
            **{f"test_{name}": about["value"] for name, about in card["metrics"].items()},
        }
        for card in cards
    ]
    values = {name: [fold.get(name) for fold in folds] for name in folds[0]}
    known = {
        name: [math.nan if each is None else each for each in numbers] for name, numbers in values.items()
    }
    return {
        name: {"mean": float(np.mean(numbers)), "spread": float(np.std(numbers, ddof=1)), "values": numbers}
        for name, numbers in known.items()
    }


def overall(model: Mapping[str, Any], rows: table.Table) -> dict[str, float]:
    """Return the numbers of all out-of-fold scores together: AUC with its 95 % interval, accuracy, or residuals.

    Args:
        model: entry ``model`` of a model card.
        rows: table of ``out_of_fold``.
    """
    names: list[str] = model["outputs"]
    if model["task"] == "regression":
        numbers: dict[str, float] = {"events": len(rows)}
        for name in names:
            residual = rows.numbers(name) - rows.numbers(f"true_{name}")
            numbers[f"rms_{name}"] = float(np.sqrt(np.mean(residual**2)))
            numbers[f"bias_{name}"] = float(np.mean(residual))
        return numbers
    label = np.array(rows.column("label"))
    if (signal := model["signal"]) is None:
        right = label == np.array(rows.column("predicted"))
        return {"events": len(label), "accuracy": float(right.mean())}
    score = rows.numbers("signal_score")
    area = classification.auc_interval(labels=label == signal, scores=score)
    return {
        "events": len(label),
        "auc": float(area.value),
        "auc_low": float(area.low),
        "auc_high": float(area.high),
    }


def lines(numbers: Mapping[str, float], spreads: Mapping[str, Mapping[str, Any]], folds: int) -> list[str]:
    """Return log lines: the out-of-fold numbers, then mean ± spread of each number over the folds."""
    first = ", ".join(f"{name} {value:.6g}" for name, value in numbers.items())
    return [f"{folds} folds, out of fold: {first}"] + [
        f"  {name}: {distributions.format_estimate(about['mean'], about['spread'])}"
        for name, about in spreads.items()
        if math.isfinite(about["mean"]) and about["spread"] > 0
    ]


def read_card(path: Path) -> dict[str, Any]:
    """Return the model card of a fold; InputError if its training has not ended."""
    card = json_files.read(path, "the model card of a fold", ["state"])
    if card["state"] != "finished" or "evaluation" not in card:
        raise InputError(f"{path}: this fold has not ended: train it first")
    return card
