"""Variations of images by name: turns, flips, charge scale, noise, lost pixels and dead wires, event by event."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dmcnn._common.errors import InputError, nearest
from dmcnn.images import augment
from dmcnn.images.draws import event_keys
from dmcnn.images.sparse import SparseImages

ORIENTATIONS = {
    **{f"rotate{angle}": bits for angle, bits in augment.TURNS.items() if angle},
    "flip_x": augment.FLIP_COLUMNS,
    "flip_y": augment.FLIP_ROWS,
}
"""Word -> orientation: x runs along columns (wires), y along rows (ticks)."""

MOST = {"charge": math.inf, "noise": math.inf, "dropout": 1.0, "dead_wires": 1.0}
"""Kind of variation with a number -> its largest number."""

FORMS = (*ORIENTATIONS, "charge*1.05", "noise 2", "dropout 0.05", "dead_wires 0.02")
"""Ways in which a variation is written, by example."""


@dataclass(frozen=True)
class Variation:
    """Variation of images. Random numbers of an event depend on the seed and its ids and entry number alone.

    Attributes:
        kind: word of ORIENTATIONS or MOST.
        amount: factor of the charge; standard deviation of the noise on active pixels, in the unit of their values;
            probability of an active pixel to be lost; probability of a wire (column of a channel) to be dead.
    """

    kind: str
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Variation:
        """Parse ``rotate90``, ``charge*1.05``, ``dropout 0.05`` and so on; raise InputError for any other text."""
        if text in ORIENTATIONS:
            return cls(text)
        form = r"(?:(charge)\s*\*|(noise|dropout|dead_wires)\s)\s*(\d*\.?\d+(?:e-?\d+)?)"
        if (match := re.fullmatch(form, text.strip())) is None:
            raise InputError(f"{text!r}{nearest(text, FORMS)}, expected one like {', '.join(FORMS)}")
        kind, amount = match[1] or match[2], float(match[3])
        if not amount <= MOST[kind]:
            raise InputError(f"{text!r}: expected a probability from 0 to 1")
        return cls(kind, amount)

    @property
    def name(self) -> str:
        """Name in columns, such as ``charge_1.05``."""
        return self.kind if self.kind in ORIENTATIONS else f"{self.kind}_{self.amount:g}"

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
            InputError: a turn by 90 or 270 degrees of images that are not square.
        """
        if self.kind in ORIENTATIONS:
            return augment.orient(images, ORIENTATIONS[self.kind])
        if self.kind == "charge":
            return augment.scale_charge(images, self.amount).limited(low, high)
        key = event_keys(images)
        if self.kind == "noise":
            return augment.blur_charge(images, self.amount, seed=seed, key=key).limited(low, high)
        drop = augment.drop_pixels if self.kind == "dropout" else augment.drop_wires
        return drop(images, self.amount, seed=seed, key=key)
