"""Index of events by run, subrun and event, in which those of other tables are found, also batch by batch."""

from __future__ import annotations

from itertools import count

import numpy as np
from numpy.typing import NDArray

from dmcnn.tables.join import EventIds, occurrences

Ids = NDArray[np.uint64]


class EventIndex:
    """Index of n events, to find those of other tables that are the same; events with the same ids pair in order."""

    def __init__(self, events: EventIds) -> None:
        own = np.flatnonzero(events.known)
        for self._salt in count():
            words = _mix(events.number[own], self._salt)
            order = np.argsort(words, kind="stable")
            words, ids = words[order], events.number[own[order]]
            is_new = np.ones(len(own), np.bool_)
            is_new[1:] = words[1:] != words[:-1]
            if (is_new[1:] | (ids[1:] == ids[:-1]).all(axis=1)).all():  # no two ids share a word
                break
        self._rows, self._start = own[order], np.flatnonzero(is_new)
        self._words, self._ids = words[is_new], ids[is_new]
        self._count = np.diff(self._start, append=len(own))
        self._seen = np.zeros(len(self._start), np.int64)

    def partners(self, others: EventIds) -> NDArray[np.int64]:
        """Return the (m,) numbers of the same events; -1 where there is none.

        A later call goes on after the events that the earlier ones returned.
        """
        partner = np.full(len(others.known), -1)
        if not len(self._words):
            return partner
        group = np.searchsorted(self._words, _mix(others.number, self._salt))
        group = np.minimum(group, len(self._words) - 1)
        same = np.flatnonzero(others.known & (self._ids[group] == others.number).all(axis=1))
        group = group[same]
        nth = self._seen[group] + occurrences(group)
        np.add.at(self._seen, group, 1)
        exists = nth < self._count[group]
        partner[same[exists]] = self._rows[self._start[group[exists]] + nth[exists]]
        return partner


def _mix(ids: Ids, salt: int) -> NDArray[np.uint64]:
    """Return a word of 64 bits for each of (n, 3) ids; the multipliers are those of xxHash."""
    words = np.full(len(ids), salt, np.uint64)
    for column in ids.T:
        words = (words ^ column) * np.uint64(0x9E3779B185EBCA87)
        words ^= words >> np.uint64(29)
        words *= np.uint64(0xC2B2AE3D27D4EB4F)
        words ^= words >> np.uint64(32)
    return words
