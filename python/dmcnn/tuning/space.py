"""Spaces of settings, and the draw of one combination."""

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
"""Key -> list of choices, or {"low", "high"} with "log" or "step"; integer limits draw integers."""

MAX_LISTED = 100_000
"""Combinations above which draws are independent: two of them are hardly ever equal."""


def normalise(space: Space) -> dict[str, Any]:
    """Return the space with float limits for real settings and ranges with a step that end on a step."""
    return {key: choice if isinstance(choice, list) else _range(key, choice) for key, choice in space.items()}


def _range(key: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normalised range of one key."""
    kind = float if _is_real(TrainSettings.model_fields[key].annotation) else (lambda number: number)
    limits = {word: value if word == "log" else kind(value) for word, value in choice.items()}
    return limits if limits.get("step") is None else {**limits, "high": values(limits)[-1]}


def _is_real(annotation: Any) -> bool:
    """Return whether a type is float, or one of several is, with or without bounds."""
    return annotation is float or any(map(_is_real, get_args(annotation)))


def values(choice: Any) -> list[Any]:
    """Return all values of a list, or of a range with a step (exact decimals: 0.1, 0.2, 0.3)."""
    if isinstance(choice, list):
        return choice
    low, high, step = (Decimal(str(choice[word])) for word in ("low", "high", "step"))
    kind = int if _whole(choice) else float
    return [kind(low + i * step) for i in range(int((high - low) // step) + 1)]


def _whole(choice: Mapping[str, Any]) -> bool:
    """Return whether all limits of a range are integers."""
    return all(isinstance(choice.get(word) or 1, int) for word in ("low", "high", "step"))


def combinations(space: Space) -> int | None:
    """Return the number of combinations; None if a range is continuous."""
    if any(isinstance(choice, dict) and choice.get("step") is None for choice in space.values()):
        return None
    return prod(len(values(choice)) for choice in space.values())


def combination(space: Space, number: int) -> dict[str, Any]:
    """Return combination ``number`` of a space without continuous ranges."""
    drawn = {}
    for key, choice in space.items():
        listed = values(choice)
        number, position = divmod(number, len(listed))
        drawn[key] = listed[position]
    return drawn


def random_combination(space: Space, seed: int, number: int) -> dict[str, Any] | None:
    """Return combination ``number`` of a random order without repetition.

    None if a range is continuous, the space has more than MAX_LISTED combinations, or ``number`` is beyond the last.
    """
    count = combinations(space)
    if count is None or count > MAX_LISTED or number >= count:
        return None
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return combination(space, order[number])


def samples(space: Space, most: int = 200) -> Iterator[dict[str, Any]]:
    """Yield settings that together hold every choice and both ends of every range.

    These are all combinations of a space that has at most ``most``.
    """
    count = combinations(space)
    if count is not None and count <= most:
        yield from (combination(space, number) for number in range(count))
        return
    columns = [choice if isinstance(choice, list) else _ends(choice) for choice in space.values()]
    for i in range(max(map(len, columns))):
        yield dict(zip(space, (column[min(i, len(column) - 1)] for column in columns), strict=True))


def _ends(choice: Mapping[str, Any]) -> list[Any]:
    """Return low and high of a range, and the first step."""
    if choice.get("step") is None:
        return [choice["low"], choice["high"]]
    return [choice["low"], choice["low"] + choice["step"], choice["high"]]


def draw(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Draw the settings of a trial with the sampler of its study; a trial that has begun keeps its settings."""
    return {key: _draw(trial, key, choice) for key, choice in space.items()}


def _draw(trial: optuna.Trial, key: str, choice: Any) -> Any:
    """Draw the value of one key."""
    if isinstance(choice, list):
        names = list(map(storable, choice))
        return choice[names.index(trial.suggest_categorical(key, names))]
    low, high, step, log = choice["low"], choice["high"], choice.get("step"), bool(choice.get("log"))
    if _whole(choice):
        return trial.suggest_int(key, low, high, step=step or 1, log=log)
    number = trial.suggest_float(key, low, high, step=step, log=log)
    return number if step is None else min(values(choice), key=lambda value: abs(value - number))


def storable(value: Any) -> Any:
    """Return a choice in the form that Optuna stores: numbers and texts unchanged, lists and dicts as text."""
    return value if isinstance(value, str | int | float | bool) else repr(value)
