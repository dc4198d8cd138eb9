"""Prediction of the bins of a stack with its uncertainties, and the data in the same bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.evaluation.stack_samples import StackSample
from dmcnn.evaluation.systematics import UncertaintySource

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction of the bins by samples, with its uncertainties. All arrays hold the bins below and above the range.

    Attributes:
        axis: axis of hist with b bins.
        samples: name -> sample, those of the stack first.
        background: names of the samples of the stack.
        sources: sources of systematic uncertainty.
    """

    axis: Any
    samples: Mapping[str, StackSample]
    background: Sequence[str]
    sources: Sequence[UncertaintySource]

    @cached_property
    def histograms(self) -> dict[str, Any]:
        """Name -> histogram of hist with the weights and their variances."""
        return {name: sample.histogram(self.axis) for name, sample in self.samples.items()}

    @property
    def signals(self) -> list[str]:
        """Names of the samples that are not stacked."""
        return [name for name in self.samples if name not in self.background]

    def places(self, names: Sequence[str] | None = None) -> list[int]:
        """Return the numbers of samples, in the order of the deviations by a source; default: the stack."""
        return [list(self.samples).index(name) for name in names or self.background]

    def values(self, name: str) -> Floats:
        """Return the (b + 2,) sums of the weights of a sample."""
        return np.asarray(self.histograms[name].values(flow=True))

    def variances(self, name: str) -> Floats:
        """Return the (b + 2,) statistical variances of a sample."""
        return np.asarray(self.histograms[name].variances(flow=True))

    def total(self, names: Sequence[str] | None = None) -> Floats:
        """Return the (b + 2,) sum of samples; default: the stack."""
        return np.asarray(np.sum([self.values(name) for name in names or self.background], axis=0))

    def statistical(self, names: Sequence[str] | None = None) -> Floats:
        """Return the (b + 2, b + 2) statistical covariance of the sum of samples; default: the stack."""
        return np.diag(np.sum([self.variances(name) for name in names or self.background], axis=0))

    def systematic(self, names: Sequence[str] | None = None) -> Floats:
        """Return the (b + 2, b + 2) covariance of the sum of samples by all sources; default: the stack."""
        places = self.places(names)
        zero = np.zeros((self.axis.size + 2, self.axis.size + 2))
        return sum((source.covariance(places) for source in self.sources), start=zero)

    @cached_property
    def covariances(self) -> dict[str, Floats]:
        """Covariance of the stack by cause, and their sum, "total"."""
        places = self.places()
        parts = {"statistical": self.statistical()}
        parts |= {source.name: source.covariance(places) for source in self.sources}
        return parts | {"total": self.statistical() + self.systematic()}


@dataclass(frozen=True, eq=False)
class Observation:
    """Data in the bins of a prediction.

    Attributes:
        counts: (b + 2,) events per bin, NaN where they stay hidden; None without data.
        hidden: (b + 2,) whether a bin stays hidden.
        unscored: events in no bin.
    """

    counts: Floats | None
    hidden: NDArray[np.bool_]
    unscored: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether there are data of which no bin stays hidden."""
        return self.counts is not None and not self.hidden.any()
