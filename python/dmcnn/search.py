"""Spaces of settings: what a search draws from, and the table of what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import floor, prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

Space = Mapping[str, Any]
"""Key -> list of choices, or {"low", "high"} with "log" or "step"; whole numbers draw whole numbers."""

COLUMNS = ("start", "end", "duration", "round_epochs", "loss", "accuracy", "val_loss", "val_accuracy")
"""Those that users of Talos know; ``duration`` in seconds."""


def _whole(choice: Mapping[str, Any]) -> bool:
    return all(isinstance(choice.get(word, 1), int) for word in ("low", "high", "step"))


def values(choice: Any) -> list[Any]:
    """All values of a list, or of a range with a step."""
    if isinstance(choice, list):
        return choice
    low, step = choice["low"], choice["step"]
    return [low + i * step for i in range(floor((choice["high"] - low) / step * (1 + 1e-12)) + 1)]


def combinations(space: Space) -> int:
    """How many combinations a space without continuous ranges has."""
    return prod(len(values(choice)) for choice in space.values())


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Settings that together hold every choice, and both ends of every range."""
    columns = [
        choice if isinstance(choice, list) else [choice["low"], choice["high"]] for choice in space.values()
    ]
    for i in range(max(map(len, columns))):
        yield dict(zip(space, (column[min(i, len(column) - 1)] for column in columns), strict=True))


def _names(choice: list[Any]) -> list[Any]:
    """Choices as Optuna stores them: lists and dicts as their text."""
    return [value if isinstance(value, str | int | float | bool) else repr(value) for value in choice]


def grid(space: Space) -> dict[str, list[Any]]:
    """The space as Optuna's grid sampler takes it."""
    return {key: _names(values(choice)) for key, choice in space.items()}


def draw(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """The settings of a trial, kept with it as ``values``."""
    found = {key: _draw(trial, key, choice) for key, choice in space.items()}
    trial.set_user_attr("values", found)
    return found


def _draw(trial: optuna.Trial, key: str, choice: Any) -> Any:
    if isinstance(choice, list):
        names = _names(choice)
        return choice[names.index(trial.suggest_categorical(key, names))]
    low, high, log = choice["low"], choice["high"], bool(choice.get("log"))
    if _whole(choice):
        return trial.suggest_int(key, low, high, step=choice.get("step", 1), log=log)
    return trial.suggest_float(key, low, high, step=choice.get("step"), log=log)


def rows(trials: Sequence[optuna.trial.FrozenTrial], keys: Sequence[str]) -> list[dict[str, Any]]:
    """One row per trial, lowest val_loss first: COLUMNS, then the settings, then state and number of the trial."""
    found = []
    for trial in trials:
        about, took = trial.user_attrs, trial.duration
        found.append(
            {
                "start": None
                if trial.datetime_start is None
                else trial.datetime_start.isoformat(" ", "seconds"),
                "end": None
                if trial.datetime_complete is None
                else trial.datetime_complete.isoformat(" ", "seconds"),
                "duration": None if took is None else round(took.total_seconds(), 1),
                **{name: about.get(name) for name in COLUMNS[3:]},
                **{key: about.get("values", {}).get(key) for key in keys},
                "state": trial.state.name.lower(),
                "trial": trial.number,
            }
        )
    return sorted(found, key=lambda row: (row["val_loss"] is None, row["val_loss"]))


def importance(study: optuna.Study) -> dict[str, float]:
    """How much each setting matters for a good objective (PED-ANOVA, arXiv:2304.10255), highest first; sum 1."""
    import optuna

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (RuntimeError, ValueError):  # all trials alike: nothing explains anything
        return {}
