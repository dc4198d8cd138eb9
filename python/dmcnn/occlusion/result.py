"""Result of an occlusion scan: the scores at all centres, their maps, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file
from dmcnn._common.journal import Journal
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.engines import Dense, Engine
from dmcnn.occlusion.fills import FILLS
from dmcnn.occlusion.windows import BORDERS, Windows, windows

Activation = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(n, outputs) outputs of a network -> (n, outputs) scores."""


@dataclass(frozen=True)
class Scan:
    """Which windows of an event are replaced, and by what.

    Attributes:
        k: [pixels] reach of a window to every side.
        depth: [frames] reach of a window to earlier and later channels; None = through all of them.
        border: one of dmcnn.occlusion.windows.BORDERS.
        stride: 1 for a window around every active pixel, s for one per s x s cell with charge.
        fill, seed: what covered pixels become, see dmcnn.occlusion.fills.
    """

    k: int = 4
    depth: int | None = None
    border: str = "clip"
    stride: int = 1
    fill: str = "zero"
    seed: int = 1

    def __post_init__(self) -> None:
        for word, value, known in (("fill", self.fill, FILLS), ("border", self.border, BORDERS)):
            if value not in known:
                raise InputError(f"{word} = {value!r}{nearest(value, known)}, there is {', '.join(known)}")
        if self.k < 0 or self.stride < 1:
            raise InputError(f"k = {self.k} and stride = {self.stride}, expected at least 0 and at least 1")
        if self.depth is not None and self.depth < 0:
            raise InputError(f"depth = {self.depth}, expected at least 0, or None for all frames")

    def windows(self, event: SparseImages) -> Windows:
        """Return the windows of one event."""
        return windows(event, self.k, depth=self.depth, border=self.border, stride=self.stride)

    def dense(self, batch_size: int, precision: str = "32", scaling: str = "none") -> Dense:
        """Return the engine that scores these windows by dense forward passes."""
        return Dense(batch_size, self.fill, self.seed, precision, scaling)

    def key(self, event: SparseImages, weights: str, precision: str) -> dict[str, Any]:
        """Return what makes two scans the same scan: event, weights (their SHA-256), windows and precision."""
        depth = {} if self.depth is None else {"depth": self.depth}
        return {
            **depth,
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
    """Outputs of a network for one event with each of its windows replaced.

    Attributes:
        windows: the windows.
        logits: (n, outputs) float64 at the centres.
        base: (outputs,) float64 of the untouched event.
    """

    windows: Windows
    logits: NDArray[np.float64]
    base: NDArray[np.float64]

    def maps(self, activation: Activation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the maps (outputs, H, W), of boxes (outputs, T, H, W), and the (outputs,) untouched scores."""
        scores, base = activation(self.logits), activation(self.base[None])[0]
        drawn = [self.windows.score_map(scores[:, i], base[i]) for i in range(len(base))]
        return np.stack(drawn), base

    def save(
        self,
        path: Path,
        key: dict[str, Any],
        event: SparseImages,
        classes: Sequence[str],
        activation: Activation,
    ) -> None:
        """Write the npz: centres (rows, cols; of boxes frames and depth), scores (n, classes), base (classes,), k,
        logits and base_logits, the maps of all classes (float32), and who and what: classes, event, meta, key."""
        maps, base = self.maps(activation)
        with atomic_file(path) as temporary:
            np.savez_compressed(
                temporary,
                **self.windows.centres,
                scores=activation(self.logits),
                base=base,
                k=key["k"],
                logits=self.logits,
                base_logits=self.base,
                maps=maps.astype(np.float32),
                classes=np.array(classes),
                event=event.events,
                meta=event.meta,
                key=_text(key),
            )


def read(path: Path, key: dict[str, Any], found: Windows) -> OcclusionResult | None:
    """Return the result that the npz holds, or None if it is not there or of another scan."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as old:
        if "key" not in old or str(old["key"]) != _text(key):
            return None
        return OcclusionResult(found, old["logits"], old["base_logits"])


def scan_event(
    net: nn.Module,
    event: SparseImages,
    found: Windows,
    engine: Engine,
    base: NDArray[np.float64],
    journal: Journal,
    label: str = "",
) -> OcclusionResult:
    """Score all windows of one event, going on from what the journal holds; a bar named ``label`` shows progress."""
    done = len(journal)
    with tqdm(total=len(found), initial=done, desc=label, unit="window") as bar:
        for part in engine.scores(net, event, found, np.arange(done, len(found))):
            journal.append(part)
            bar.update(len(part))
    return OcclusionResult(found, journal.rows[found.number], base)


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
