"""Scan with a tolerance: first-order outputs, exact ones where those are bad, and a certificate of the map.

Windows are made exact in the order in which they change the statistics of the normalisations, which is where the
first order fails. How large a share of them is tried in a fixed order, from all to none, against one random sample of
exact windows; the last share that passes is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.journal import Rows
from dmcnn._common.progress import ProgressBar
from dmcnn.engines.dense import inference
from dmcnn.engines.first_order import FirstOrder
from dmcnn.engines.sparse import sparse
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion import certificate
from dmcnn.occlusion.certificate import Certificate
from dmcnn.occlusion.engines import CHANGES_AT_ONCE, Engine, pixel_changes
from dmcnn.occlusion.windows import Windows

SHARES = (1.0, 0.75, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0)
"""Shares of the windows that are made exact, in the order in which they are tried."""


class Preview:
    """First-order outputs of an event for all of its windows.

    Args:
        net: network in evaluation mode.
        event: one image.
        windows: windows of the event.
        engine: exact engine of the rest, with the fill and scaling of both.

    Attributes:
        rows: (windows, outputs) float64 outputs.
        order: (windows,) int64 numbers of the windows, from the largest change of the statistics to the smallest.

    Raises:
        InputError: a network whose outputs do not depend on the statistics of an image: incremental is exact there.
    """

    def __init__(self, net: nn.Module, event: SparseImages, windows: Windows, engine: Engine) -> None:
        rows = sparse(net)
        image, values, where = engine.inputs(net, event, windows)
        if reason := rows.obstacle(image, where) or rows.has_hooks * "it carries hooks":
            raise InputError(f"engine = first_order: the network is dense, for {reason}")
        first = FirstOrder(rows, rows.images(image, where))
        with inference(image.device, "32"):
            parts = [
                first.outputs(pixel_changes(event, windows, which, values))
                for which in np.split(
                    np.arange(len(windows)), range(CHANGES_AT_ONCE, len(windows), CHANGES_AT_ONCE)
                )
            ]
        self.rows = np.concatenate([outputs.cpu().numpy() for outputs, _ in parts])
        changes = np.concatenate([change.cpu().numpy() for _, change in parts])
        self.order = np.argsort(-changes, kind="stable")


def scan(
    net: nn.Module,
    event: SparseImages,
    windows: Windows,
    engine: Engine,
    journal: Rows,
    bar: ProgressBar,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], Certificate]:
    """Score all windows of one event within a tolerance.

    Args:
        net: network in evaluation mode.
        event: one image, with at least one window.
        windows: windows of the event.
        engine: engine of the windows that are exact; its seed draws the sample.
        journal: (window, outputs) rows of windows that are exact, in any order.
        bar: counts windows.

    Returns:
        (windows, outputs) float64 outputs, (windows,) whether exact, and the certificate.
    """
    preview = Preview(net, event, windows, engine)
    rows, exact = preview.rows.copy(), np.zeros(len(windows), np.bool_)
    done = journal.rows
    rows[done[:, 0].astype(np.int64)], exact[done[:, 0].astype(np.int64)] = done[:, 1:], True

    def make_exact(which: NDArray[np.int64]) -> None:
        """Score those of the windows that are not exact yet."""
        left = which[~exact[which]]
        for outputs in engine.scores(net, event, windows, left):
            part, left = np.split(left, [len(outputs)])
            journal.append(np.column_stack([part, outputs]))
            rows[part], exact[part] = outputs, True
            bar.update(len(part))

    centres = len(windows.number)
    drawn, misses = certificate.draw(centres, engine.seed), certificate.design(centres)[1]
    sample = windows.number[drawn]
    make_exact(np.unique(sample))
    errors = preview.rows[sample] - rows[sample]
    scale = engine.tolerance * rows[sample].std(axis=0)
    ranks = np.empty(len(windows), np.int64)
    ranks[preview.order] = np.arange(len(windows))
    counts = [int(np.ceil(share * len(windows))) for share in SHARES]

    def passes(count: int) -> bool:
        """Return whether the drawn centres are within ``scale`` if ``count`` windows are exact."""
        left = np.where((ranks[sample] < count)[:, None], 0.0, errors)
        return certificate.bound(left, scale, misses) <= 1

    kept = 0
    while kept + 1 < len(counts) and passes(counts[kept + 1]):
        kept += 1
    while True:
        make_exact(preview.order[: counts[kept]])
        scale = engine.tolerance * rows[windows.number].std(axis=0)
        if kept == 0 or passes(counts[kept]):
            break
        kept -= 1
    bar.update(len(windows) - bar.n)
    # the allowed difference, not the smaller one that was seen: that would be a second look at the same sample
    within = tuple(0.0 if kept == 0 else float(s) for s in scale)
    share = float(exact[windows.number].mean())
    return rows, exact, Certificate(engine.tolerance, within, centres, len(drawn), misses, share)
