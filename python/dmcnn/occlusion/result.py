"""Result of an occlusion scan: scores at all centres, their maps, and the npz that stores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn._common import npz
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.journal import Rows
from dmcnn._common.progress import ProgressBar
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.certificate import Certificate
from dmcnn.occlusion.engines import ENGINES, Engine
from dmcnn.occlusion.fills import FILLS
from dmcnn.occlusion.tolerance import ToleranceScan
from dmcnn.occlusion.windows import BORDERS, Windows, list_windows

CHECKS = 8
"""Number of windows that are scored in float32 too, to measure the error of another precision."""

Activation = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Function of the (n, outputs) outputs of a network that returns (n, outputs) scores."""


@dataclass(frozen=True)
class Scan:
    """Options of a scan: size, positions and fill of the windows.

    Attributes:
        k: [pixels] half width of a window, without its centre.
        depth: [frames] half width of a window along time, without its centre; None = through all channels.
        border: one of dmcnn.occlusion.windows.BORDERS.
        stride: 1 = a window around every active pixel; s = one for every s x s cell with charge.
        fill, seed: charge of covered pixels, see dmcnn.occlusion.fills.
        tolerance: allowed difference to the exact outputs at 95 % of the centres, in standard deviations of the map
            over the centres; 0 = exact.

    Raises:
        InputError: an unknown fill or border, or a number below its limit.
    """

    k: int = 4
    depth: int | None = None
    border: str = "clip"
    stride: int = 1
    fill: str = "zero"
    seed: int = 1
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        for word, value, known in (("fill", self.fill, FILLS), ("border", self.border, BORDERS)):
            if value not in known:
                raise InputError(
                    f"{word} = {value!r}{nearest(value, known)}, expected one of {', '.join(known)}"
                )
        if self.k < 0 or self.stride < 1:
            raise InputError(f"k = {self.k} and stride = {self.stride}, expected at least 0 and at least 1")
        if not 0 <= self.tolerance < np.inf:
            raise InputError(f"tolerance = {self.tolerance}, expected at least 0")
        if self.depth is not None and self.depth < 0:
            raise InputError(f"depth = {self.depth}, expected at least 0, or None for all frames")

    def windows(self, event: SparseImages) -> Windows:
        """Return the windows of one event."""
        return list_windows(event, self.k, depth=self.depth, border=self.border, stride=self.stride)

    def engine(self, name: str, batch_size: int, precision: str = "32", scaling: str = "none") -> Engine:
        """Return one of dmcnn.occlusion.engines.ENGINES for these windows; its arguments as of ``Options`` there."""
        tolerance = self.tolerance if ENGINES[name].approximations else 0.0
        return ENGINES[name](batch_size, self.fill, self.seed, precision, scaling, tolerance)

    def key(self, event: SparseImages, weights: str, precision: str) -> dict[str, Any]:
        """Return the key that identifies a scan: event, SHA-256 of the weights, windows, fill and precision."""
        depth = {} if self.depth is None else {"depth": self.depth}
        tolerance = {"tolerance": self.tolerance, "sample": self.seed} if self.tolerance else {}
        return {
            **depth,
            **tolerance,
            "image": sha256(event.index.tobytes() + event.value.tobytes()).hexdigest(),
            "ids": [int(event.events[name][0]) for name in ("run", "subrun", "event", "entry")],
            "weights": weights,
            "precision": precision,
            "k": self.k,
            "border": self.border,
            "stride": self.stride,
            "fill": [self.fill, self.seed if self.fill == "noise" else None],
        }


@dataclass(frozen=True, eq=False)
class OcclusionResult:
    """Outputs of a network for one event with each of its windows filled.

    Attributes:
        windows: windows of the event.
        logits: (n, outputs) float64 outputs at the centres.
        base: (outputs,) float64 outputs for the untouched event.
        error: (outputs,) largest differences to float32 at CHECKS windows; 0 where the scan is in float32.
        made_by: (n,) str, what made the outputs: "sparse" where they are exact, else an approximation; None = the one
            engine of the scan.
        certificate: of a scan with a tolerance.
    """

    windows: Windows
    logits: NDArray[np.float64]
    base: NDArray[np.float64]
    error: NDArray[np.float64]
    made_by: NDArray[np.str_] | None = None
    certificate: Certificate | None = None

    @property
    def exact(self) -> NDArray[np.bool_] | None:
        """(n,) whether the outputs are exact; None = all."""
        return None if self.made_by is None else self.made_by == "sparse"

    @property
    def relative_error(self) -> float:
        """Largest error over the standard deviation of its output at the centres; inf where that is 0."""
        spread = self.logits.std(axis=0) if len(self.logits) else np.zeros(len(self.base))
        return max((e / s if s else np.inf) if e else 0.0 for e, s in zip(self.error, spread, strict=True))

    def maps(self, activation: Activation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (outputs, H, W) maps, of boxes (outputs, T, H, W), and the (outputs,) untouched scores; float64."""
        scores, base = activation(self.logits), activation(self.base[None])[0]
        maps = [self.windows.score_map(scores[:, i], base[i]) for i in range(len(base))]
        return np.stack(maps), base

    def save(
        self,
        path: Path,
        key: dict[str, Any],
        event: SparseImages,
        classes: Sequence[str],
        activation: Activation,
        seconds: float = np.nan,
    ) -> None:
        """Write the result as npz.

        It holds rows and cols (n,), of boxes frames (n,) and depth, scores and logits (n, classes), base, base_logits
        and error (classes,), k, maps of all classes (float32), classes, event and meta as in SparseImages, and key
        (JSON), with a checksum; of a scan with a tolerance exact (n,), made_by (n,), the engine of each centre, and
        certificate (JSON) as well. Of a regression network ``classes`` are the targets, and scores their estimates.
        seconds is the time of the scan.
        """
        maps, base = self.maps(activation)
        certified = {}
        if self.certificate is not None:
            certified = {"exact": self.exact, "made_by": self.made_by}
            certified["certificate"] = np.array(self.certificate.json())
        npz.write(
            path,
            key,
            **self.windows.centres,
            scores=activation(self.logits),
            base=base,
            k=key["k"],
            logits=self.logits,
            base_logits=self.base,
            error=self.error,
            maps=maps.astype(np.float32),
            classes=np.array(classes),
            event=event.events,
            meta=event.meta,
            seconds=seconds,
            **certified,
        )


def read(path: Path, key: dict[str, Any], windows: Windows) -> OcclusionResult | None:
    """Return the result in the npz; None if the file does not exist, is damaged or holds another scan."""
    old = npz.read(path, key)
    if old is None or not {"logits", "base_logits"} <= old.keys():
        return None
    base = old["base_logits"]
    certificate = Certificate.parse(str(old["certificate"])) if "certificate" in old else None
    error, made_by = old.get("error", 0 * base), old.get("made_by")
    if made_by is None and "exact" in old:  # of a version that knew no approximation but the first order
        made_by = np.where(old["exact"], "sparse", "first_order")
    return OcclusionResult(windows, old["logits"], base, error, made_by, certificate)


def scan_event(
    net: nn.Module,
    event: SparseImages,
    windows: Windows,
    engine: Engine,
    base: NDArray[np.float64],
    journal: Rows,
    label: str = "",
) -> OcclusionResult:
    """Score all windows of one event that the journal does not hold yet, with a progress bar.

    Args:
        net: network in evaluation mode, on its device.
        event: one image.
        windows: windows of the event.
        engine: computes the outputs, with a tolerance those that are exact.
        base: (outputs,) float64 outputs for the untouched event.
        journal: rows of finished windows, of ``engine.row_width`` numbers.
        label: title of the progress bar.
    """
    done = len(journal)
    if engine.tolerance > 0 and len(windows):
        with ProgressBar(total=len(windows), initial=done, desc=label, unit="window") as bar:
            rows, made_by, certificate = ToleranceScan(net, event, windows, engine, journal, bar).run()
        which = windows.number
        return OcclusionResult(windows, rows[which], base, 0 * base, made_by[which], certificate)
    with ProgressBar(total=len(windows), initial=done, desc=label, unit="window") as bar:
        for part in engine.scores(net, event, windows, np.arange(done, len(windows))):
            journal.append(part)
            bar.update(len(part))
    error = precision_error(net, event, windows, engine, journal.rows)
    return OcclusionResult(windows, journal.rows[windows.number], base, error)


def precision_error(
    net: nn.Module, event: SparseImages, windows: Windows, engine: Engine, rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (outputs,) largest differences of outputs to float32, at CHECKS windows evenly spread.

    Args:
        net, event, windows, engine: as of ``scan_event``.
        rows: (windows, outputs) float64 outputs of all windows.
    """
    if engine.precision == "32" or not len(windows):
        return np.zeros(rows.shape[1])
    which = np.unique(np.linspace(0, len(windows) - 1, CHECKS).astype(np.int64))
    exact = np.concatenate(list(replace(engine, precision="32").scores(net, event, windows, which)))
    error: NDArray[np.float64] = np.abs(rows[which] - exact).max(axis=0)
    return error
