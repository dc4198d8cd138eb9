"""Variations of sparse images, each event by itself: turns, flips, charge scale, lost pixels, noise, dead wires."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.images.sparse import SparseImages

TRANSPOSE, FLIP_ROWS, FLIP_COLUMNS = 1, 2, 4
"""Bits of an orientation; the transposition comes first."""

TURNS = {0: 0, 90: TRANSPOSE | FLIP_ROWS, 180: FLIP_ROWS | FLIP_COLUMNS, 270: TRANSPOSE | FLIP_COLUMNS}
"""Angle [degrees] -> orientation, as np.rot90."""

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
            return orient(images, ORIENTATIONS[self.kind])
        if self.kind == "charge":
            return replace(images, value=images.value * np.float32(self.amount)).limited(low, high)
        draws = list(self._draws(images, seed))
        drawn = np.concatenate([np.zeros(0), *draws])
        if self.kind == "noise":
            noisy = (images.value + self.amount * drawn).astype(np.float32)
            return replace(images, value=noisy).limited(low, high)
        return _masked(images, drawn > 0)

    def _draws(self, images: SparseImages, seed: int) -> Iterator[NDArray[np.float64]]:
        """Yield a number for every pixel, event by event: of noise in units of its width, else 1 = keep, 0 = lose."""
        width = images.shape[2]
        if self.kind == "dead_wires" and self.amount > width:
            raise InputError(f"{self.kind} {self.amount:g}: the images have {width} columns")
        for number, (run, subrun, event, entry, _) in enumerate(images.events.tolist()):
            random = np.random.default_rng([seed, list(AMOUNT).index(self.kind), run, subrun, event, entry])
            index = images.index[images.offsets[number] : images.offsets[number + 1]]
            if self.kind == "noise":
                yield random.standard_normal(len(index))
            elif self.kind == "dropout":
                yield (random.random(len(index)) >= self.amount).astype(np.float64)
            else:
                dead = random.choice(width, int(self.amount), replace=False)
                yield (~np.isin(index % width, dead)).astype(np.float64)


def orient(images: SparseImages, orientation: int) -> SparseImages:
    """Return the images transposed and flipped by the bits of an orientation; InputError unless they are square."""
    height, width = images.shape[1:]
    if orientation & TRANSPOSE and height != width:
        raise InputError(f"a turn by 90 or 270 degrees needs square images, not {height} x {width}")
    channel, row, column = np.unravel_index(images.index, images.shape)
    if orientation & TRANSPOSE:
        row, column = column, row
    row = height - 1 - row if orientation & FLIP_ROWS else row
    column = width - 1 - column if orientation & FLIP_COLUMNS else column
    index = np.ravel_multi_index((channel, row, column), images.shape).astype(np.int32)
    order = np.lexsort((index, np.repeat(np.arange(len(images)), images.n_pixels)))
    return replace(images, index=index[order], value=images.value[order])


def _masked(images: SparseImages, mask: NDArray[np.bool_]) -> SparseImages:
    """Return the images with some of their pixels."""
    offsets = np.concatenate([[0], np.cumsum(mask)]).astype(np.int64)[images.offsets]
    return replace(images, offsets=offsets, index=images.index[mask], value=images.value[mask])
