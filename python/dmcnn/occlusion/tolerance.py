"""Tolerance of a scan: windows that are exact, an approximation of the rest, and a certificate of the map.

Which approximation is taken, and for how large a share of the windows a better one or the exact engine, is tried in
a fixed order, from all windows exact to the cheapest map, against one random sample of exact windows; the last step
that passes is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.journal import Rows
from dmcnn._common.progress import ProgressBar
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion import certificate
from dmcnn.occlusion.approximations import APPROXIMATIONS, Approximation
from dmcnn.occlusion.certificate import Certificate
from dmcnn.occlusion.engines import Engine
from dmcnn.occlusion.windows import Windows

Floats = NDArray[np.float64]

EXACT = "sparse"
"""Engine of windows that are exact."""

SHARES = (0.75, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.0)
"""Shares of the windows that the first order is too coarse for, in the order in which they are tried."""

SMALL = 0.002
"""Relative change of the scales of normalisations up to which the first order is near, by experience with MPID."""


@dataclass(frozen=True)
class Step:
    """Step of the order in which a scan is made cheaper.

    Attributes:
        share: of the windows, those that ``rest`` is worst for.
        by: what scores this share: EXACT, or the name of an approximation.
        rest: name of the approximation of all others; "" if there are none.
    """

    share: float
    by: str
    rest: str


def steps(approximations: tuple[str, ...]) -> list[Step]:
    """Return the steps in their fixed order, the first of which is exact."""
    order, best = [Step(1.0, EXACT, "")], EXACT
    if "delta" in approximations:
        best = "delta"
        order.append(Step(0.0, EXACT, best))
    if "first_order" in approximations:
        order += [Step(share, best, "first_order") for share in SHARES]
    return order


class ToleranceScan:
    """Scan of all windows of one event within a tolerance.

    Args:
        net: network in evaluation mode.
        event: one image, with at least one window.
        windows: windows of the event.
        engine: engine of the windows that are exact; its seed draws the sample.
        journal: (window, outputs) rows of windows that are exact, in any order.
        bar: counts windows.
    """

    def __init__(
        self,
        net: nn.Module,
        event: SparseImages,
        windows: Windows,
        engine: Engine,
        journal: Rows,
        bar: ProgressBar,
    ) -> None:
        self._net, self._event, self._windows, self._engine = net, event, windows, engine
        self._journal, self._bar = journal, bar
        self._approximations: dict[str, Approximation] = {}
        self._errors: dict[str, Floats] = {}
        done = journal.rows
        self._rows = np.full((len(windows), done.shape[1] - 1), np.nan)
        self._made = np.full(len(windows), "", dtype=f"<U{max(map(len, (EXACT, *APPROXIMATIONS)))}")
        self._set(done[:, 0].astype(np.int64), done[:, 1:], EXACT)
        centres = len(windows.number)
        self._drawn = certificate.draw(centres, engine.tolerance, engine.seed)
        _, self._misses = certificate.design(centres, engine.tolerance)
        self._sample = windows.number[self._drawn]

    def run(self) -> tuple[Floats, NDArray[np.str_], Certificate]:
        """Return (windows, outputs) float64 outputs, the (windows,) engine of each, and the certificate."""
        order, kept = steps(self._names()), 0
        self._make_exact(np.unique(self._sample))
        scale = self._engine.tolerance * self._rows[self._sample].std(axis=0)
        while kept + 1 < len(order) and self._passes(order[kept + 1], scale):
            kept += 1
        while True:
            self._make(order[kept])
            scale = self._engine.tolerance * self._rows[self._windows.number].std(axis=0)
            if kept == 0 or self._passes(order[kept], scale):
                break
            kept -= 1
        # the allowed difference, not the smaller one that was seen: that would be a second look at the same sample
        within = tuple(0.0 if kept == 0 else float(s) for s in scale)
        centres = self._windows.number
        made, about = self._made[centres], (len(centres), len(self._drawn), self._misses)
        exact, delta = (float((made == name).mean()) for name in (EXACT, "delta"))
        rest = order[kept].rest
        better = delta if rest != "delta" else 0.0
        found = Certificate(self._engine.tolerance, within, *about, exact, rest, better)
        return self._rows, self._made, found

    def _names(self) -> tuple[str, ...]:
        """Return the approximations to try; what they are follows from the event and its windows alone.

        Where windows hardly change the statistics, the first order will do for a coarse map: differences of the drawn
        windows would cost more than they could save.
        """
        names, first = self._engine.approximations, "first_order"
        is_coarse = first in names and self._engine.tolerance >= certificate.COARSE
        return (first,) if is_coarse and self._approximation(first).typical_change < SMALL else names

    def _set(self, which: NDArray[np.int64], outputs: Floats, name: str) -> None:
        """Store outputs of windows, and which engine made them."""
        self._rows[which], self._made[which] = outputs, name
        self._bar.update(int((self._made != "").sum()) - self._bar.n)

    def _make_exact(self, which: NDArray[np.int64]) -> None:
        """Score those of the windows that are not exact yet."""
        left = which[self._made[which] != EXACT]
        for outputs in self._engine.scores(self._net, self._event, self._windows, left):
            part, left = np.split(left, [len(outputs)])
            self._journal.append(np.column_stack([part, outputs]))
            self._set(part, outputs, EXACT)

    def _approximation(self, name: str) -> Approximation:
        if name not in self._approximations:
            make = APPROXIMATIONS[name]
            self._approximations[name] = make(self._net, self._event, self._windows, self._engine)
        return self._approximations[name]

    def _worst(self, step: Step) -> NDArray[np.bool_]:
        """Return (windows,) whether a window is of the share that ``step.by`` scores."""
        most = np.ceil(step.share * len(self._windows))
        worst: NDArray[np.bool_] = self._approximation(step.rest).rank < most
        return worst

    def _make(self, step: Step) -> None:
        """Score all windows as a step does, but for those that are exact already."""
        if not step.rest:
            self._make_exact(np.arange(len(self._windows)))
            return
        wanted = np.where(self._worst(step), step.by, step.rest)
        self._make_exact(np.flatnonzero(wanted == EXACT))
        for name in APPROXIMATIONS:
            left = np.flatnonzero((wanted == name) & (self._made != EXACT) & (self._made != name))
            if not len(left):
                continue
            for outputs in self._approximation(name).scores(left):
                part, left = np.split(left, [len(outputs)])
                self._set(part, outputs, name)

    def _passes(self, step: Step, scale: Floats) -> bool:
        """Return whether the drawn centres are within ``scale`` in a step."""
        worst = self._worst(step)[self._sample][:, None]
        errors = np.where(worst, self._sample_errors(step.by), self._sample_errors(step.rest))
        return certificate.bound(errors, scale, self._misses) <= 1

    def _sample_errors(self, name: str) -> Floats:
        """Return the (drawn, outputs) errors of an approximation at the drawn centres; 0 of exact windows."""
        if name not in self._errors:
            which, at = np.unique(self._sample, return_inverse=True)
            exact = self._rows[which]
            made = exact if name == EXACT else np.concatenate([*self._approximation(name).scores(which)])
            self._errors[name] = (made - exact)[at]
        return self._errors[name]
