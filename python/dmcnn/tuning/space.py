"""Spaces of settings: what a search draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import prod
from typing import TYPE_CHECKING, Any, get_args

from dmcnn.settings import TrainSettings

if TYPE_CHECKING:
    import optuna

Space = Mapping[str, Any]
"""Key -> list of choices, or {"low", "high"} with "log" or "step"; whole numbers draw whole numbers."""

LISTED = 100_000
"""Spaces with more combinations are drawn from as if they had no end: two draws are hardly ever the same."""


def usable(space: Space) -> dict[str, Any]:
    """The space as it is drawn from: ranges of a real setting are real, those with a step end on a step."""
    return {key: choice if isinstance(choice, list) else _range(key, choice) for key, choice in space.items()}


def _range(key: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    annotation = TrainSettings.model_fields[key].annotation
    kind = float if float in (annotation, *get_args(annotation)) else (lambda number: number)
    found = {word: value if word == "log" else kind(value) for word, value in choice.items()}
    return found if found.get("step") is None else {**found, "high": values(found)[-1]}


def values(choice: Any) -> list[Any]:
    """All values of a list, or of a range with a step (exact decimals: 0.1, 0.2, 0.3)."""
    if isinstance(choice, list):
        return choice
    low, high, step = (Decimal(str(choice[word])) for word in ("low", "high", "step"))
    kind = int if _whole(choice) else float
    return [kind(low + i * step) for i in range(int((high - low) // step) + 1)]


def _whole(choice: Mapping[str, Any]) -> bool:
    return all(isinstance(choice.get(word) or 1, int) for word in ("low", "high", "step"))


def combinations(space: Space) -> int | None:
    """How many combinations there are; None with a continuous range."""
    if any(isinstance(choice, dict) and choice.get("step") is None for choice in space.values()):
        return None
    return prod(len(values(choice)) for choice in space.values())


def point(space: Space, number: int) -> dict[str, Any]:
    """Combination ``number`` of a space without continuous ranges."""
    found = {}
    for key, choice in space.items():
        listed = values(choice)
        number, at = divmod(number, len(listed))
        found[key] = listed[at]
    return found


def shuffled(space: Space, seed: int, number: int) -> dict[str, Any] | None:
    """The ``number``-th combination in random order, each once; None if they cannot be listed."""
    count = combinations(space)
    if count is None or count > LISTED or number >= count:
        return None
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return point(space, order[number])


def samples(space: Space, most: int = 200) -> Iterator[dict[str, Any]]:
    """Settings that together hold every choice and both ends of every range: all combinations, if they are few."""
    count = combinations(space)
    if count is not None and count <= most:
        yield from (point(space, number) for number in range(count))
        return
    columns = [choice if isinstance(choice, list) else _ends(choice) for choice in space.values()]
    for i in range(max(map(len, columns))):
        yield dict(zip(space, (column[min(i, len(column) - 1)] for column in columns), strict=True))


def _ends(choice: Mapping[str, Any]) -> list[Any]:
    if choice.get("step") is None:
        return [choice["low"], choice["high"]]
    return [choice["low"], choice["low"] + choice["step"], choice["high"]]


def draw(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """The settings of a trial, drawn by its study's sampler or as they were drawn before."""
    return {key: _draw(trial, key, choice) for key, choice in space.items()}


def _draw(trial: optuna.Trial, key: str, choice: Any) -> Any:
    if isinstance(choice, list):
        names = list(map(stored, choice))
        return choice[names.index(trial.suggest_categorical(key, names))]
    low, high, step, log = choice["low"], choice["high"], choice.get("step"), bool(choice.get("log"))
    if _whole(choice):
        return trial.suggest_int(key, low, high, step=step or 1, log=log)
    found = trial.suggest_float(key, low, high, step=step, log=log)
    return found if step is None else min(values(choice), key=lambda value: abs(value - found))


def stored(value: Any) -> Any:
    """A choice as Optuna stores it: numbers and texts as they are, lists and dicts as their text."""
    return value if isinstance(value, str | int | float | bool) else repr(value)
