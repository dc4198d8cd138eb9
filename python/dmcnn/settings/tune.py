"""The settings of ``tune``."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any, ClassVar, Literal

from dmcnn._common.errors import nearest
from dmcnn.settings.base import Conflict, Settings, setting
from dmcnn.settings.train import TrainSettings

MOST_VALUES = 1000
"""Of a range with a step."""


class TuneSettings(Settings):
    """Search the settings of ``train`` for the best network; goes on where it stopped, on any number of machines."""

    base: str = setting(
        example="training.cfg", section="search", description="cfg of train that every trial begins with"
    )
    space: dict[str, Any] = setting(
        example={"learning_rate": [0.0003, 0.001]},
        section="search",
        description='key of train -> list of choices, or {"low": a, "high": b} with "log": True or "step": s',
    )
    trials: int | None = setting(
        None, ge=1, section="search", description="trials in all (default: the whole grid)"
    )
    fraction_limit: float | None = setting(
        None,
        gt=0,
        le=1,
        section="search",
        description="so many trials as this share of all combinations, instead of trials",
    )
    sampler: Literal["tpe", "random", "grid"] = setting(
        "tpe",
        section="search",
        description="how values are drawn: tree of Parzen estimators, or at random; random and grid draw each "
        "combination once",
    )
    objective: Literal["val_loss", "val_accuracy", "val_auc"] = setting(
        "val_loss", section="search", description="what is optimised"
    )
    pruner: Literal["none", "median", "hyperband"] = setting(
        "median",
        section="search",
        description="stops trials that do worse than others did at the same evaluation",
    )
    storage: str | None = setting(
        None,
        section="machine",
        description="SQL address of the trials, such as postgresql://host/base, for several machines to share "
        "(default: an SQLite file in output_dir)",
    )
    workers: int = setting(
        1, ge=1, section="machine", description="trials at a time, each in a process of its own"
    )
    keep_checkpoints: bool = setting(
        False, section="search", description="keep those of all trials, not of the best alone"
    )
    seed_number: int = setting(1, ge=0, le=2**32 - 1, section="search", description="seed of the sampler")
    output_dir: str = setting(
        "outputs", section="outputs", description="folder of trials, tables, figures and the best cfg"
    )

    inputs: ClassVar[tuple[str, ...]] = ("base",)

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        drawable = set(TrainSettings.model_fields) - TrainSettings.keys(tune=False)
        space = self.space or {}  # None if what was given is no dict
        for key, choice in space.items():
            if key not in drawable:
                hint = nearest(key, drawable)
                yield ("space",), f"space: {key!r} cannot be searched{hint}"
            elif fault := _fault(choice):
                yield ("space",), f"space: {key!r}: {fault}"
        if not space:
            yield ("space",), "space is empty: which settings are to be searched?"
        if self.trials is not None and self.fraction_limit is not None:
            yield ("trials", "fraction_limit"), "trials and fraction_limit both say how many: give one"
        ranges = [
            key for key, choice in space.items() if isinstance(choice, dict) and choice.get("step") is None
        ]
        listed = f"needs choices or a step for {', '.join(ranges)}"
        if ranges and self.sampler == "grid":
            yield ("sampler", "space"), f"sampler = 'grid' {listed}"
        if ranges and self.fraction_limit is not None:
            yield ("fraction_limit", "space"), f"fraction_limit {listed}"
        if self.trials is None and self.fraction_limit is None and self.sampler != "grid":
            yield ("trials",), "trials is missing: how many? (or fraction_limit, or sampler = 'grid')"


def _fault(choice: Any) -> str:
    """What is wrong with the values of one key, or an empty text."""
    if isinstance(choice, list):
        return "" if choice else "an empty list"
    if not isinstance(choice, dict):
        return f'{choice!r}, expected a list of choices or {{"low": a, "high": b}}'
    known = {"low", "high", "log", "step"}
    for word in choice:
        if word not in known:
            return f"unknown {word!r}{nearest(str(word), known)}, expected low, high, and log or step"
    numbers: list[Any] = [choice.get(word) for word in ("low", "high", "step")]
    low, high, step = numbers
    if not (_number(low) and _number(high) and (step is None or _number(step))):
        return f"{choice!r}, expected numbers for low, high and step"
    if low >= high:
        return f"low = {low} is not below high = {high}"
    if step is not None and not (high - low) / MOST_VALUES <= step <= high - low:
        return f"step = {step}, expected one that gives 2 to {MOST_VALUES} values"
    if choice.get("log") and (low <= 0 or step is not None):
        return "log needs low above 0, and goes with no step"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
