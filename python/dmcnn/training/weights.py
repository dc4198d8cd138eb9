"""Weights of events in the loss: a number per file, a column of a table, and a number per class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.evaluation import weights as of_tables
from dmcnn.images.sparse import UNSET, SparseImages
from dmcnn.metrics.distributions import effective
from dmcnn.tables import join, table

log = logging.getLogger("dmcnn")

Floats = NDArray[np.float64]
Rule = str | Mapping[str, float] | None
"""Column of tables, {file pattern: weight of all its events}, or None: every event counts 1."""
ClassWeights = Literal["balanced"] | Sequence[float] | Mapping[str, float] | None
"""A number per class, in their order or by name (1 where there is none), or "balanced": every class has the same sum
of weights."""


@dataclass(frozen=True)
class EventWeights:
    """Weights of events.

    Attributes:
        rule: column or numbers per file.
        tables: paths of CSVs with run_number, subrun_number, event_number and the column of the rule.
    """

    rule: Rule = None
    tables: Sequence[str] = ()

    def check(self, files: Sequence[str]) -> None:
        """Raise InputError for a pattern that matches none of the files of all parts."""
        of_tables.check_patterns({} if isinstance(self.rule, str) else self.rule, files)

    def assign(self, images: SparseImages, files: Sequence[str], part: str) -> SparseImages:
        """Return the images of one part with the weights of their events; without a rule as they are.

        Args:
            images: images whose events name one of ``files`` by its number.
            files: files of the part.
            part: "train", "validation" or "test", for messages.

        Raises:
            InputError: an event without a weight, or a weight below 0, for which a loss has no minimum.
        """
        if self.rule is None:
            return images
        if isinstance(self.rule, str):
            weight = self._of_ids(images, self.rule, part)
        else:
            of_files = [of_tables.of_file(file, self.rule) for file in files]
            weight = np.array(of_files)[images.events["file"]]
        if (low := weight.min(initial=0.0)) < 0:
            raise InputError(
                f"event_weight: a {part} event has weight {low:g}, expected 0 or more: the loss would have no minimum"
            )
        return replace(images, weight=weight.astype(np.float32))

    def _of_ids(self, images: SparseImages, column: str, part: str) -> Floats:
        """Return the (n,) weights of events by run, subrun and event."""
        tables = [table.read(path, [*table.IDS, column]) for path in self.tables]
        events = np.stack([images.events[name] for name in ("run", "subrun", "event")], axis=1)
        asked = join.EventIds(events, (events != UNSET).all(axis=1))
        number, *numbers = join.number_ids(asked, *map(join.event_ids, tables))
        by_number = np.full(max(one.max(initial=-1) for one in (number, *numbers)) + 1, np.nan)
        for rows, own in zip(tables, numbers, strict=True):
            weight = of_tables.of_rows(rows, column)
            assert weight is not None
            known, first = np.unique(own, return_index=True)
            by_number[known] = np.where(np.isnan(by_number[known]), weight[first], by_number[known])
            for row in np.flatnonzero(by_number[own] != weight)[:1].tolist():
                ids = [rows.column(name)[row] for name in table.IDS]
                raise InputError(
                    f"{rows.place(row)}: event {_words(ids)} has {column} = {weight[row]:g}, and "
                    f"{by_number[own[row]]:g} before"
                )
        weights = by_number[number]
        if len(missing := np.flatnonzero(np.isnan(weights))):
            raise InputError(
                f"event_weight: {len(missing)} of {len(events)} {part} events are in none of "
                f"{', '.join(self.tables)}, such as {_words(events[missing[0]].tolist())}"
            )
        return weights


def _words(ids: Sequence[Any]) -> str:
    """Return run, subrun and event as text."""
    return "/".join(map(str, ids))


def weigh(
    images: Mapping[str, SparseImages], class_weights: ClassWeights, classes: Sequence[str]
) -> dict[str, SparseImages]:
    """Return the images of all parts with the product of event and class weights, of mean 1 over training events.

    So that the step size means the same with and without weights, and a step on few events is not worth more than
    one on many. Without weights the images are returned as they are.

    Args:
        images: labelled images by part, among them "train".
        class_weights: weights of the classes.
        classes: names of the classes.

    Raises:
        InputError: a name that is no class, or a part whose weights are all 0.
    """
    training = images["train"]
    if class_weights is None and training.weight is None:
        return dict(images)
    factor = np.ones(1)
    if class_weights is not None:
        factor = of_classes(class_weights, classes, training)
        listed = (f"{name} {number:.4g}" for name, number in zip(classes, factor, strict=True))
        log.info("class weights: %s", ", ".join(listed))
    raw = {part: _product(batch, factor) for part, batch in images.items()}
    for part, weight in raw.items():
        if not weight.any():
            raise InputError(f"all {part} events have weight 0")
    mean, count = raw["train"].mean(), len(training)
    if training.weight is not None:
        log.info("event weights: %.4g effective of %d training events", effective(count, raw["train"]), count)
    return {
        part: replace(batch, weight=(raw[part] / mean).astype(np.float32)) for part, batch in images.items()
    }


def _product(images: SparseImages, factor: Floats) -> Floats:
    """Return the (n,) product of the weights of events and of their classes, (k,) or (1,)."""
    weight = np.ones(len(images)) if images.weight is None else images.weight.astype(np.float64)
    return weight if len(factor) == 1 else weight * factor[np.asarray(images.label, np.int64)]


def of_classes(rule: ClassWeights, classes: Sequence[str], training: SparseImages) -> Floats:
    """Return the (k,) weights of the classes.

    "balanced" is n / (k n_c), as in scikit-learn, with sums of event weights for n and n_c, and k the number of
    classes that have any; a class without events has weight 1.
    """
    if isinstance(rule, Mapping):
        for name in rule:
            if name not in classes:
                raise InputError(f"class_weights: {name!r} is no class{nearest(name, classes)}")
        return np.array([rule.get(name, 1.0) for name in classes], np.float64)
    if rule != "balanced":
        assert rule is not None
        return np.array(rule, np.float64)
    sums = np.bincount(np.asarray(training.label, np.int64), training.weight, len(classes))
    return np.where(
        sums > 0, sums.sum() / (max(1, np.count_nonzero(sums)) * np.where(sums > 0, sums, 1)), 1.0
    )
