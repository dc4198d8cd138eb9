"""Choice of the engine of a scan: by the user, or by the predicted cost of a window."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.journal import holds
from dmcnn.engines import choice, cost, delta, first_order
from dmcnn.engines.choice import Choice
from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.normalise import image_norms
from dmcnn.engines.sparse import SparseNet, dense_network, sparse
from dmcnn.engines.variants import VariedImages
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion import certificate
from dmcnn.occlusion.approximations import DeltaWindows
from dmcnn.occlusion.engines import ENGINES, Engine, pixel_changes
from dmcnn.occlusion.result import Scan
from dmcnn.occlusion.windows import Windows

log = logging.getLogger("dmcnn")

WORDS = ("auto", *ENGINES)
"""Words by which a user chooses the engine of a scan."""

EXACT = tuple(name for name, engine in ENGINES.items() if not engine.approximations)
"""Engines without a tolerance."""


class EngineChoice:
    """Choice of the engine for the events of a run, whose exact engine is chosen at the first of them.

    Args:
        word: one of WORDS.
        net: network in evaluation mode.
        batch_size, precision, scaling: as of dmcnn.occlusion.engines.Engine.
    """

    def __init__(self, word: str, net: nn.Module, batch_size: int, precision: str, scaling: str) -> None:
        self.word, self._net, self._how, self._exact = word, net, (batch_size, precision, scaling), ""
        self._told: set[str] = set()

    def choose(self, event: SparseImages, scan: Scan, windows: Windows) -> Choice:
        """Choose the engine of a scan, see ``choose``."""
        chosen = choose(self.word, self._net, event, scan, windows, *self._how, exact=self._exact)
        if self.word == "auto" and chosen.engine in EXACT and len(windows):
            self._exact = chosen.engine
        return chosen

    def network(self, name: str) -> nn.Module:
        """Return the network as an engine takes it."""
        return network(self._net, name)

    def tell(self, line: str) -> None:
        """Log a line; each is told once in a run."""
        if line not in self._told:
            self._told.add(line)
            log.info(line)

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


def network(net: nn.Module, name: str) -> nn.Module:
    """Return the dense network for the dense engine, else the network as it is: a sparse one is traced once."""
    return dense_network(net) if name == "dense" else net


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
    it takes the first order, and differences in bfloat16 before it where they cost less than exact windows by
    prediction, unless nearly as many windows are drawn for the certificate as there are.

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
    if word in ("dense", "sparse"):
        return Choice(word, f"engine: {word}, as asked for")
    drawn, _ = certificate.design(len(windows.number), scan.tolerance)
    is_certified = scan.tolerance > 0 and 2 * drawn < len(windows.number)
    if exact and not is_certified:
        return Choice(exact, "")
    trial = Trial(net, event, scan, windows, (batch_size, precision, scaling))
    if word != "auto":
        trial.check(word)
        return Choice(word, f"engine: {word}, as asked for{trial.remark(word)}")
    try:
        if is_certified and (name := trial.approximate()):
            return Choice(name, f"engine: {name}, within {scan.tolerance:g} standard deviations of the map")
        return Choice(exact, "") if exact else trial.cheapest()
    except InputError:
        raise
    except Exception as error:  # a network of the user's own, which the dense engine may well evaluate
        reason, *_ = [*str(error).strip().splitlines(), type(error).__name__]
        return Choice("dense", f"engine: dense, for rows fail ({reason})")


TRIED = 16
"""Windows on which the work is counted."""


class Trial:
    """Trial of the engines on some windows of an event.

    Args:
        net: network in evaluation mode.
        event, scan, windows: as of ``choose``.
        how: batch size, precision and scaling.
    """

    def __init__(
        self, net: nn.Module, event: SparseImages, scan: Scan, windows: Windows, how: tuple[int, str, str]
    ) -> None:
        self._net, self._event, self._scan, self._windows, self._how = net, event, scan, windows, how
        self._rows = sparse(net)
        inputs = scan.engine("sparse", *how).inputs(net, event, windows)
        self._image, self._values, self._where = inputs
        self._some = np.unique(np.linspace(0, len(windows) - 1, min(TRIED, len(windows))).astype(np.int64))

    @cached_property
    def obstacle(self) -> str:
        """Why the network is dense altogether; "" where rows serve."""
        hooks = "it carries hooks" if self._rows.has_hooks else ""
        return self._rows.obstacle(self._image, self._where) or hooks

    @cached_property
    def global_layer(self) -> str:
        """First layer that needs all places of an image; "" if there is none."""
        with torch.inference_mode():
            is_dense = bool(self.obstacle)
            return "" if is_dense else self._rows.global_layer(self._rows.images(self._image, self._where))

    def check(self, word: str) -> None:
        """Raise InputError if an engine for windows cannot serve the network."""
        if self.obstacle:
            raise InputError(
                f"engine = {word}: the network is dense, for {self.obstacle}; engine = dense is exact"
            )
        if word == "incremental" and self.global_layer:
            raise InputError(
                f"engine = incremental: {self.global_layer} needs all places of an image; "
                "engine = sparse is exact"
            )
        if word not in EXACT and not image_norms(self._rows.layers()):
            raise InputError(
                f"engine = {word}: no layer normalises by the statistics of an image; "
                "engine = incremental is exact and cheaper"
            )
        if "delta" in ENGINES[word].approximations:
            self._try_delta()

    def _try_delta(self) -> None:
        """Raise InputError if differences fail, as where a network mixes the axis of the images with others."""
        engine = self._scan.engine("delta", *self._how)
        try:
            [*DeltaWindows(self._net, self._event, self._windows, engine).scores(self._some[:2])]
        except RuntimeError as error:
            reason, *_ = [*str(error).strip().splitlines(), type(error).__name__]
            raise InputError(
                f"engine = delta: differences fail ({reason}); try engine = first_order"
            ) from error

    def remark(self, word: str) -> str:
        """Return what to tell of an engine that the user asks for."""
        is_slow = "delta" in ENGINES[word].approximations and not bf16_is_fast(self._image.device)
        return is_slow * (
            ": this processor has no bfloat16 products; numbers rounded to bfloat16 are multiplied in float32, "
            "no faster than with engine = sparse"
        )

    def approximate(self) -> str:
        """Return the engine for a tolerance; "" where none but exact ones serve."""
        if self.obstacle or not image_norms(self._rows.layers()) or not self.agrees("sparse"):
            return ""
        has_first_order = not first_order.obstacle(self._rows.layers())
        if self._delta_pays():
            return "cascade" if has_first_order else "delta"
        return "first_order" if has_first_order else ""

    def _delta_pays(self) -> bool:
        """Return whether differences in bfloat16 cost less than exact windows by prediction, known on CPUs alone."""
        device = self._image.device
        if device.type != "cpu" or not bf16_is_fast(device):
            return False
        copied = cost.copy_of(self._net, training=False)
        if self._speed(copied, "delta") < choice.MARGIN * self._speed(copied, "sparse"):
            return False
        with suppress(InputError):
            self._try_delta()
            return True
        return False

    def cheapest(self) -> Choice:
        """Choose the exact engine whose windows cost least by prediction."""
        reason = self.obstacle or (
            "its cost is known on CPUs alone" if self._image.device.type != "cpu" else ""
        )
        if reason or not len(self._windows):
            return Choice("dense", f"engine: dense, for {reason or 'there is nothing to scan'}")
        names = ["sparse"] if self.global_layer else ["sparse", "incremental"]
        copied = cost.copy_of(self._net, training=False)
        speeds = {name: self._speed(copied, name) for name in names}
        best = max(speeds, key=lambda name: speeds[name])
        gain = f"{speeds[best]:.1f}x as fast as dense by estimate"
        if speeds[best] < choice.MARGIN:
            return Choice("dense", f"engine: dense ({best}: {gain})")
        if not self.agrees(best):
            return Choice("dense", "engine: dense, for rows give other outputs than the network")
        return Choice(best, f"engine: {best} ({gain})")

    def _speed(self, copied: SparseNet, name: str) -> float:
        """Return the predicted time of dense windows over that with an engine, whose plan is made."""
        changes = pixel_changes(self._event, self._windows, self._some, self._values)
        with torch.inference_mode():
            images = copied.images(self._image.float(), self._where)
            varied = VariedImages.make(images, changes, whole=name != "incremental")
            work = cost.work_of(copied, varied, may_end=name == "sparse")
        assert work is not None
        rates = cost.rates(self._how[1])
        if name == "delta":
            work.numbers *= delta.NUMBERS
            rates = replace(rates, matrix=cost.rates("bf16").matrix)
        dense, fast = cost.predict(replace(work, places=0), rates, training=False)
        return dense / fast * len(changes) / varied.shape[0]

    def agrees(self, name: str) -> bool:
        """Return whether an engine gives the outputs of the dense network for two windows, in float32."""
        batch_size, _, scaling = self._how
        rows, dense = (
            np.concatenate(
                [
                    *self._scan.engine(one, batch_size, scaling=scaling).scores(
                        network(self._net, one), self._event, self._windows, self._some[:2]
                    )
                ]
            )
            for one in (name, "dense")
        )
        return bool(np.abs(rows - dense).max() <= choice.TOLERANCE * np.abs(dense).max() + 1e-6)


def check(word: str, tolerance: float, precision: str = "32") -> None:
    """Raise InputError for an unknown engine, or one that does not go with the tolerance or precision."""
    choice.check_engine(word, WORDS)
    if tolerance > 0 and word in EXACT:
        raise InputError(
            f"engine = {word} is exact: tolerance = {tolerance:g} has no use; leave one of them out"
        )
    if word in ENGINES and word not in EXACT and not tolerance:
        usual = 0.5 if word == "first_order" else 0.1
        raise InputError(f"engine = {word} needs a tolerance above 0, such as tolerance = {usual}")
    if tolerance > 0 and precision != "32":
        raise InputError(f"tolerance = {tolerance:g} is certified against precision = 32, not {precision}")
