"""Variations of sparse images, each event by itself: turns, flips, charge scale, lost pixels, noise, dead wires."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dmcnn._common.errors import InputError, nearest
from dmcnn.images import augment, draws
from dmcnn.images.augment import FLIP_COLUMNS, FLIP_ROWS, TURNS
from dmcnn.images.sparse import SparseImages

ORIENTATIONS = {
    **{f"rotate{angle}": bits for angle, bits in TURNS.items() if angle},
    "flip_x": FLIP_COLUMNS,
    "flip_y": FLIP_ROWS,
}
"""Word -> orientation: x runs along columns (wires), y along rows (ticks)."""

FORMS = (*ORIENTATIONS, "charge*1.05", "dropout 0.05", "noise 2", "dead_wires 10")
"""Ways in which a variation is written, by example."""

AMOUNT = {"charge": (0.0, np.inf), "dropout": (0.0, 1.0), "noise": (0.0, np.inf), "dead_wires": (1, 2**16)}
"""Kind of variation with a number -> its smallest and largest number."""


@dataclass(frozen=True)
class Variation:
    """Variation of images. Random numbers of an event depend on the seed and its ids and entry number alone.

    Attributes:
        kind: word of ORIENTATIONS or AMOUNT.
        amount: factor of the charge; probability of a pixel to be lost; standard deviation of the noise on active
            pixels, in the unit of their values; number of wires (columns) without charge.
    """

    kind: str
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Variation:
        """Parse ``rotate90``, ``charge*1.05``, ``dropout 0.05`` and so on; raise InputError for any other text."""
        if text in ORIENTATIONS:
            return cls(text)
        match = re.fullmatch(
            r"(?:(charge)\s*\*|(dropout|noise|dead_wires)\s)\s*(\d*\.?\d+(?:e-?\d+)?)", text.strip()
        )
        if match is None:
            raise InputError(f"{text!r}{nearest(text, FORMS)}, expected one like {', '.join(FORMS)}")
        kind, amount = match[1] or match[2], float(match[3])
        low, high = AMOUNT[kind]
        if not low <= amount <= high or (kind == "dead_wires" and amount % 1):
            raise InputError(
                f"{text!r}: expected {'a whole number' if low else 'a number'} from {low} to {high}"
            )
        return cls(kind, amount)

    @property
    def name(self) -> str:
        """Name in columns, such as ``charge_1.05``."""
        return self.kind if self.kind in ORIENTATIONS else f"{self.kind}_{self.amount:g}"

    def __str__(self) -> str:
        """Return the text that ``parse`` takes, such as ``charge*1.05``."""
        if self.kind in ORIENTATIONS:
            return self.kind
        return f"{self.kind}{'*' if self.kind == 'charge' else ' '}{self.amount:g}"

    def __call__(
        self, images: SparseImages, seed: int = 1, *, low: float | None = None, high: float | None = None
    ) -> SparseImages:
        """Return the varied images; ``meta`` stays that of the original ones.

        Args:
            images: images as readers make them.
            seed: seed of all random numbers.
            low, high: threshold and clip of the reader, which changed charges meet again. Pixels that were below the
                threshold when they were read are lost, whatever the factor.

        Raises:
            InputError: a turn of images that are not square, or more dead wires than columns.
        """
        if self.kind in ORIENTATIONS:
            return augment.orient(images, ORIENTATIONS[self.kind])
        if self.kind == "charge":
            return augment.scale_charge(images, self.amount).limited(low, high)
        key = draws.event_keys(images)
        if self.kind == "noise":
            return augment.blur_charge(images, self.amount, seed=seed, key=key).limited(low, high)
        if self.kind == "dropout":
            return augment.drop_pixels(images, self.amount, seed=seed, key=key)
        return self._without_wires(images, seed, key)

    def _without_wires(self, images: SparseImages, seed: int, key: draws.Words) -> SparseImages:
        """Return the images without the charge of some wires, the same of all channels."""
        width = images.shape[2]
        if self.amount > width:
            raise InputError(f"{self.kind} {self.amount:g}: the images have {width} columns")
        order = draws.uniform(seed ^ augment.DEAD, key[:, None], np.arange(width, dtype=np.uint64)).argsort()
        alive = np.ones((len(images), width), bool)
        np.put_along_axis(alive, order[:, : int(self.amount)], False, axis=1)
        return augment.select(
            images, alive[np.repeat(np.arange(len(images)), images.n_pixels), images.index % width]
        )
