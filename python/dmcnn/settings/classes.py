"""Settings of the classes of a training: their names, and the rule that gives every event one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dmcnn._common.errors import nearest
from dmcnn.detectors.lartpc import CLASSES
from dmcnn.settings.base import Conflict, Label, setting
from dmcnn.settings.recipe import SAME_TASK, RecipeSettings


class ClassSettings(RecipeSettings):
    """Keys of classes and labels."""

    num_class: int | None = setting(
        None,
        "classes and labels",
        "number of classes (default: the number of names in classes)",
        ge=2,
        tune=SAME_TASK,
    )
    classes: list[str] | None = setting(
        None,
        "classes and labels",
        "class names in the order of the logits",
        tune=SAME_TASK,
    )
    signal: str | None = setting(
        None,
        "classes and labels",
        'name of the signal class (default: "signal")',
        tune=SAME_TASK,
    )
    label: Label = setting(
        "run == 100",
        "classes and labels",
        "class of an event (the default is for files of DM-CNN): a condition on run/subrun/event (true = signal), "
        '{"file pattern": class} or {PDG code: class}; "prefix": the class name at the beginning of the file name; '
        '"y": the class number in the file',
        tune=SAME_TASK,
    )
    scaling: Literal["none", "minmax"] = setting(
        "none",
        "classes and labels",
        "scaling of pixel values; minmax: every image to 0.1 .. 1.1 as (x - min) / (max - min) + 0.1",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.targets is None:
            yield from self._classes()

    def _classes(self) -> Iterator[Conflict]:
        """Yield contradictions between classes, signal and label."""
        names = self.class_names
        by_condition = isinstance(self.label, str) and self.label not in ("prefix", "y")
        if self.classes is None and (self.num_class not in (None, 2) or not by_condition):
            yield ("classes",), "classes is missing: name the classes in the order of their numbers"
        elif len(names) != (self.num_class or len(names)) or len(set(names)) != len(names):
            yield ("classes", "num_class"), f"classes = {names} are not num_class = {self.num_class} names"
        elif self.signal is not None and self.signal not in names:
            yield ("signal",), f"signal = {self.signal!r} is not one of {names}{nearest(self.signal, names)}"
        elif self.signal_class is None and len(names) == 2 and by_condition:
            yield ("signal",), f"signal is missing: which of {names} is the signal?"
        elif self.classes is not None or self.label != ClassSettings.model_fields["label"].default:
            from dmcnn.datasets.labels import (
                LabelRule,  # NumPy, which a cfg with the usual label need not wait for
            )

            try:
                LabelRule.parse(self.label, tuple(names), self.signal_class)
            except ValueError as error:
                yield ("label",), str(error)
        weights = self.class_weights
        if isinstance(weights, list) and len(weights) != len(names):
            yield ("class_weights",), f"class_weights = {weights}: expected one for each of {names}"
        for name in weights if isinstance(weights, dict) else ():
            if name not in names:
                hint = nearest(name, names)
                yield ("class_weights",), f"class_weights: {name!r} is not one of {names}{hint}"

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of the logits, by default signal, background; empty with targets."""
        return [] if self.targets else self.classes or list(CLASSES)

    @property
    def signal_class(self) -> str | None:
        """Class whose score is the signal score; None if there is no signal class."""
        return self.signal or ("signal" if "signal" in self.class_names else None)
