"""Column of texts: the bytes of a file, and the place of every text in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 50_000
"""Texts that are copied at once."""

MOST_DIGITS = 19
"""Number of digits that a uint64 always holds."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Column of n texts.

    Attributes:
        source: bytes in UTF-8, each as the character of its number (Latin-1), so that places count bytes; columns of
            one file share it.
        start, stop: (n,) integers. Text i is ``source[start[i]:stop[i]]``.
    """

    source: str
    start: NDArray[Any]
    stop: NDArray[Any]

    @classmethod
    def of(cls, words: Sequence[str]) -> Texts:
        """Make a column of texts, in which surrogates stand for bytes that are not UTF-8."""
        source = "".join(words)
        if not source.isascii():
            words = [word.encode("utf-8", "surrogateescape").decode("latin-1") for word in words]
            source = "".join(words)
        stop = np.fromiter(accumulate(map(len, words)), integer(len(source)), len(words))
        return cls(source, np.concatenate([stop[:0], [0], stop[:-1]])[: len(stop)].astype(stop.dtype), stop)

    @classmethod
    def concatenate(cls, parts: Sequence[Texts]) -> Texts:
        """Join columns one after another."""
        if len(parts) == 1:
            return parts[0]
        parts = [part.compact() for part in parts]
        source = "".join(part.source for part in parts)
        kind, first = integer(len(source)), accumulate((len(part.source) for part in parts), initial=0)
        at = np.repeat(np.fromiter(first, kind)[:-1], list(map(len, parts)))
        start, stop = (
            np.concatenate([getattr(part, end) for part in parts]) + at for end in ("start", "stop")
        )
        return cls(source, start, stop)

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words())

    def __getitem__(self, which: slice | NDArray[Any]) -> Texts:
        """Return a column of the texts ``which``, without a copy of them."""
        return Texts(self.source, self.start[which], self.stop[which])

    def take(self, which: NDArray[np.int64]) -> Texts:
        """Return a column of the texts of these numbers; -1 gives an empty text."""
        if not len(self):
            return Texts("", *np.zeros((2, len(which)), np.int32))
        missing = which < 0
        start, stop = self.start[which], self.stop[which]
        start[missing] = stop[missing] = 0
        return Texts(self.source, start, stop)

    def words(self) -> list[str]:
        """Return the n texts."""
        places = zip(self.start.tolist(), self.stop.tolist(), strict=True)
        words = [self.source[start:stop] for start, stop in places]
        if self.source.isascii():
            return words
        return [
            word if word.isascii() else word.encode("latin-1").decode("utf-8", "surrogateescape")
            for word in words
        ]

    def compact(self) -> Texts:
        """Return the same texts with a source that holds nothing else."""
        size = self.stop - self.start
        if (length := int(size.sum())) == len(self.source):
            return self
        stop, source, parts = np.cumsum(size, dtype=integer(length)), self.bytes(), []
        for first in range(0, len(self), BLOCK):  # the places of all bytes take many times their memory
            block = size[first : first + BLOCK]
            before = np.cumsum(block) - block
            at = np.repeat(self.start[first : first + BLOCK] - before, block) + np.arange(block.sum())
            parts.append(source[at].tobytes())
        return Texts(b"".join(parts).decode("latin-1"), (stop - size).astype(stop.dtype), stop)

    def bytes(self) -> NDArray[np.uint8]:
        """Return the bytes of the source."""
        return np.frombuffer(self.source.encode("latin-1"), np.uint8)

    def integers(self) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return (n,) numbers, and where they hold: where a text is nothing but 1 to MOST_DIGITS digits."""
        size, source = self.stop - self.start, self.bytes()
        value, plain = np.zeros(len(self), np.uint64), (size > 0) & (size <= MOST_DIGITS)
        for place in range(int(size[plain].max(initial=0))):
            rows = np.flatnonzero(plain & (size > place))
            digit = source[self.start[rows] + place] - np.uint8(48)  # a byte below "0" wraps to more than 9
            value[rows] = value[rows] * np.uint64(10) + digit
            plain[rows[digit > 9]] = False
        return value, plain


def integer(largest: int) -> type[np.signedinteger[Any]]:
    """Return the smallest type of places up to ``largest``."""
    return np.int32 if largest < 2**31 else np.int64
