"""Choice of the engine of a scan: by the user, or by the predicted cost of a window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.journal import holds
from dmcnn.engines import choice, cost
from dmcnn.engines.choice import Choice
from dmcnn.engines.sparse import sparse
from dmcnn.engines.variants import VariedImages
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion import certificate
from dmcnn.occlusion.engines import CHANGES_AT_ONCE, ENGINES, Engine, pixel_changes
from dmcnn.occlusion.result import Scan
from dmcnn.occlusion.windows import Windows

WORDS = ("auto", *ENGINES)
"""Words by which a user chooses the engine of a scan."""

EXACT = ("dense", "sparse", "incremental")
"""Engines without a tolerance."""


class EngineChoice:
    """Choice of the engine for the events of a run, whose exact engine is chosen at the first of them.

    Args:
        word: one of WORDS.
        net: network in evaluation mode.
        batch_size, precision, scaling: as of dmcnn.occlusion.engines.Engine.
    """

    def __init__(self, word: str, net: nn.Module, batch_size: int, precision: str, scaling: str) -> None:
        check(word, 1.0 if word == "first_order" else 0.0, "32")
        self.word, self._net, self._how, self._exact = word, net, (batch_size, precision, scaling), ""

    def choose(self, event: SparseImages, scan: Scan, windows: Windows) -> Choice:
        """Choose the engine of a scan, see ``choose``; the line is new only where a choice is."""
        chosen = choose(self.word, self._net, event, scan, windows, *self._how, exact=self._exact)
        if self.word == "auto" and chosen.engine in EXACT and len(windows):
            self._exact = chosen.engine
        return chosen

    def engine(self, name: str, scan: Scan) -> Engine:
        """Return an engine of a scan."""
        return scan.engine(name, *self._how)

    def begun(self, path: Path, key: dict[str, Any], scan: Scan, outputs: int) -> str:
        """Return the engine of the unfinished scan with a key in a journal; "" where it holds none.

        Raises:
            InputError: the user asks for another engine.
        """
        for name in ENGINES:
            if holds(path, key | choice.word(name), self.engine(name, scan).row_width(outputs)):
                return choice.resumed(self.word, name, path)
        return ""


def choose(
    word: str,
    net: nn.Module,
    event: SparseImages,
    scan: Scan,
    windows: Windows,
    batch_size: int,
    precision: str = "32",
    scaling: str = "none",
    *,
    exact: str = "",
) -> Choice:
    """Choose the engine of a scan, and say in one line which it is and why.

    Without a tolerance auto takes an exact engine: the one whose windows cost least by prediction. With a tolerance
    it takes the first order, unless nearly as many windows are drawn for the certificate as there are.

    Args:
        word: one of WORDS.
        net: network in evaluation mode, on its device.
        event: one image, a typical one.
        scan: options of the scan.
        windows: windows of the event.
        batch_size: windows per forward pass.
        precision, scaling: as of dmcnn.occlusion.engines.Engine.
        exact: exact engine that auto has chosen before.

    Raises:
        InputError: an engine that cannot do this scan, with the reason.
    """
    check(word, scan.tolerance, precision)
    if word in ("dense", "sparse") or not len(windows):
        return Choice("dense" if word == "auto" else word, f"engine: {word}, as asked for")
    drawn, _ = certificate.design(len(windows.number))
    is_certified = scan.tolerance > 0 and 2 * drawn < len(windows.number)
    if exact and not is_certified:
        return Choice(exact, f"engine: {exact}, as for the events before")
    rows = sparse(net)
    image, values, where = scan.engine("sparse", batch_size, precision, scaling).inputs(net, event, windows)
    with torch.inference_mode():
        images = rows.images(image, where)
        reason = rows.obstacle(image, where)
        layer = "" if reason else rows.global_layer(images)
    if word != "auto":
        if reason:
            raise InputError(f"engine = {word}: the network is dense, for {reason}; engine = dense is exact")
        if word == "incremental" and layer:
            raise InputError(
                f"engine = incremental: {layer} needs all places of an image; engine = sparse is exact"
            )
        return Choice(word, f"engine: {word}, as asked for")
    if is_certified and layer:
        return Choice(
            "first_order", f"engine: first_order, certified to {scan.tolerance:g} standard deviations"
        )
    if exact:
        return Choice(exact, f"engine: {exact}, as for the events before")
    if reason or image.device.type != "cpu":
        return Choice("dense", f"engine: dense, for {reason or 'its cost is known on CPUs alone'}")
    copied = cost.copy_of(net, training=False)
    with torch.inference_mode():
        speeds = {}
        for name, count in {
            "sparse": batch_size,
            **({} if layer else {"incremental": CHANGES_AT_ONCE}),
        }.items():
            some = np.unique(np.linspace(0, len(windows) - 1, count).astype(np.int64))
            varied = VariedImages.make(
                copied.images(image.float(), where),
                pixel_changes(event, windows, some, values),
                whole=name == "sparse",
            )
            work = cost.work_of(copied, varied)
            assert work is not None
            dense, fast = cost.predict(replace(work, places=0), cost.rates(precision), training=False)
            speeds[name] = dense / fast * len(some) / varied.shape[0]
    best = max(speeds, key=lambda name: speeds[name])
    gain = f"{speeds[best]:.1f}x as fast as dense by estimate"
    if speeds[best] < choice.MARGIN:
        return Choice("dense", f"engine: dense ({best}: {gain})")
    return Choice(best, f"engine: {best} ({gain})")


def check(word: str, tolerance: float, precision: str = "32") -> None:
    """Raise InputError for an unknown engine, or one that does not go with the tolerance or precision."""
    choice.check_engine(word, WORDS)
    if tolerance > 0 and word in EXACT:
        raise InputError(
            f"engine = {word} is exact: tolerance = {tolerance:g} has no use; leave one of them out"
        )
    if word == "first_order" and not tolerance:
        raise InputError("engine = first_order needs a tolerance above 0, such as tolerance = 0.5")
    if tolerance > 0 and precision != "32":
        raise InputError(f"tolerance = {tolerance:g} is certified against precision = 32, not {precision}")
