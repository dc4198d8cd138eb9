"""Tolerance of a scan: windows that are exact, an approximation of the rest, and a certificate of the map.

Which approximation is taken, and how large a share of the windows is made exact, is tried in a fixed order, from all
windows to the cheapest map, against one random sample of exact windows; the last step that passes is kept.
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

SHARES = (0.75, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0)
"""Shares of the windows that are made exact beside the first order, in the order in which they are tried."""

BELOW_DELTA = 0.5
"""Largest share of exact windows that costs less than differences of all windows."""


@dataclass(frozen=True)
class Step:
    """Step of the order in which a scan is made cheaper.

    Attributes:
        share: of the windows that are exact.
        rest: name of the approximation of all others; "" if there are none.
    """

    share: float
    rest: str


def steps(approximations: tuple[str, ...]) -> list[Step]:
    """Return the steps in their fixed order, the first of which is exact."""
    order = [Step(1.0, "")]
    if "delta" in approximations:
        order.append(Step(0.0, "delta"))
    if "first_order" in approximations:
        most = BELOW_DELTA if "delta" in approximations else 1.0
        order += [Step(share, "first_order") for share in SHARES if share <= most]
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
        self._made = np.full(len(windows), "", dtype=f"<U{max(map(len, ('sparse', *APPROXIMATIONS)))}")
        self._set(done[:, 0].astype(np.int64), done[:, 1:], "sparse")
        centres = len(windows.number)
        self._drawn, self._misses = certificate.draw(centres, engine.seed), certificate.design(centres)[1]
        self._sample = windows.number[self._drawn]

    def run(self) -> tuple[Floats, NDArray[np.str_], Certificate]:
        """Return (windows, outputs) float64 outputs, the (windows,) engine of each, and the certificate."""
        order, kept = steps(self._engine.approximations), 0
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
        share = float((self._made[centres] == "sparse").mean())
        about = len(centres), len(self._drawn), self._misses, share, order[kept].rest
        return self._rows, self._made, Certificate(self._engine.tolerance, within, *about)

    def _set(self, which: NDArray[np.int64], outputs: Floats, name: str) -> None:
        """Store outputs of windows, and which engine made them."""
        self._rows[which], self._made[which] = outputs, name
        self._bar.update(int((self._made != "").sum()) - self._bar.n)

    def _make_exact(self, which: NDArray[np.int64]) -> None:
        """Score those of the windows that are not exact yet."""
        left = which[self._made[which] != "sparse"]
        for outputs in self._engine.scores(self._net, self._event, self._windows, left):
            part, left = np.split(left, [len(outputs)])
            self._journal.append(np.column_stack([part, outputs]))
            self._set(part, outputs, "sparse")

    def _approximation(self, name: str) -> Approximation:
        if name not in self._approximations:
            make = APPROXIMATIONS[name]
            self._approximations[name] = make(self._net, self._event, self._windows, self._engine)
        return self._approximations[name]

    def _count(self, step: Step) -> int:
        """Return how many windows are exact in a step, beside those of the sample."""
        return int(np.ceil(step.share * len(self._windows)))

    def _make(self, step: Step) -> None:
        """Score all windows as a step does, but for those that are exact already."""
        if not step.rest:
            self._make_exact(np.arange(len(self._windows)))
            return
        rest = self._approximation(step.rest)
        self._make_exact(np.argsort(rest.rank)[: self._count(step)])
        left = np.flatnonzero((self._made != "sparse") & (self._made != step.rest))
        for outputs in rest.scores(left):
            part, left = np.split(left, [len(outputs)])
            self._set(part, outputs, step.rest)

    def _passes(self, step: Step, scale: Floats) -> bool:
        """Return whether the drawn centres are within ``scale`` in a step."""
        rest = self._approximation(step.rest)
        if step.rest not in self._errors:
            which, at = np.unique(self._sample, return_inverse=True)
            self._errors[step.rest] = (np.concatenate([*rest.scores(which)]) - self._rows[which])[at]
        exact = rest.rank[self._sample] < self._count(step)
        errors = np.where(exact[:, None], 0.0, self._errors[step.rest])
        return certificate.bound(errors, scale, self._misses) <= 1
