"""Settings of ``tune``."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any, ClassVar, Literal

from dmcnn._common.errors import nearest
from dmcnn.settings.base import Conflict, Settings, setting
from dmcnn.settings.train import TrainSettings

MOST_VALUES = 1000
"""Largest number of values of a range with a step."""


class TuneSettings(Settings):
    """Search the settings of ``train`` for the best network; resumes where it stopped, on any number of machines."""

    base: str = setting(..., "search", "cfg of train that all trials share", example="training.cfg")
    space: dict[str, Any] = setting(
        ...,
        "search",
        'key of train -> list of choices, or {"low": a, "high": b} with "log": True or "step": s',
        example={"learning_rate": [0.0003, 0.001]},
    )
    trials: int | None = setting(None, "search", "number of trials (default: the whole grid)", ge=1)
    fraction_limit: float | None = setting(
        None, "search", "number of trials as a share of all combinations, instead of trials", gt=0, le=1
    )
    sampler: Literal["tpe", "random", "grid"] = setting(
        "tpe",
        "search",
        "method that draws values: tpe = tree of Parzen estimators; random and grid draw each "
        "combination once, in random order",
    )
    objective: Literal["val_loss", "val_accuracy", "val_auc"] = setting(
        "val_loss", "search", "quantity that is optimised"
    )
    pruner: Literal["none", "median", "hyperband"] = setting(
        "median", "search", "rule that stops trials with worse results than others at the same evaluation"
    )
    storage: str | None = setting(
        None,
        "machine",
        "SQL address of the trials, such as postgresql://host/base, for several machines to share "
        "(default: an SQLite file in output_dir)",
    )
    workers: int = setting(1, "machine", "trials at the same time, each in its own process", ge=1)
    keep_checkpoints: bool = setting(
        False, "search", "keep the checkpoints of all trials, not only of the best"
    )
    seed_number: int = setting(1, "search", "seed of the sampler", ge=0, le=2**32 - 1)
    output_dir: str = setting("outputs", "outputs", "folder of trials, tables, figures and the best cfg")

    resumes: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("base",)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        drawable = TrainSettings.keys(tune="")
        space = self.space or {}  # None if the cfg gives another type
        for key, choice in space.items():
            if key not in TrainSettings.model_fields:
                yield ("space",), f"space: {key!r} cannot be searched{nearest(key, drawable)}"
            elif reason := TrainSettings.untunable(key):
                yield ("space",), f"space: {key!r} cannot be searched: {reason}"
            elif fault := _fault(choice):
                yield ("space",), f"space: {key!r}: {fault}"
        if not space:
            yield ("space",), "space is empty: expected at least one key of train"
        if self.trials is not None and self.fraction_limit is not None:
            yield (
                ("trials", "fraction_limit"),
                "trials and fraction_limit both give the number of trials: give one",
            )
        ranges = [
            key for key, choice in space.items() if isinstance(choice, dict) and choice.get("step") is None
        ]
        listed = f"needs choices or a step for {', '.join(ranges)}"
        if ranges and self.sampler == "grid":
            yield ("sampler", "space"), f"sampler = 'grid' {listed}"
        if ranges and self.fraction_limit is not None:
            yield ("fraction_limit", "space"), f"fraction_limit {listed}"
        if self.trials is None and self.fraction_limit is None and self.sampler != "grid":
            yield ("trials",), "trials is missing: give trials, fraction_limit, or sampler = 'grid'"


def _fault(choice: Any) -> str:
    """Return the fault of the values of one key, or an empty text."""
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
        return "log needs low above 0 and no step"
    return ""


def _number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
