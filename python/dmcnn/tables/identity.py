"""Identity of events in tables: run, subrun and event, and the number among events that share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from dmcnn.tables.join import event_ids
from dmcnn.tables.table import IDS, Table

Ids = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class EventKeys:
    """Keys of n events.

    Attributes:
        ids: (n, 3) run, subrun and event.
        known: (n,) whether an event has ids.
    """

    ids: Ids
    known: NDArray[np.bool_]

    @classmethod
    def of_tables(cls, tables: Sequence[Table]) -> EventKeys:
        """Return the keys of the rows of tables, in order; InputError for a table without ids."""
        return cls.of_ids([ids for rows in tables for ids in event_ids(rows)])

    @classmethod
    def of_ids(cls, rows: Sequence[tuple[int, ...]]) -> EventKeys:
        """Return the keys of rows of ids as ``event_ids`` gives them."""
        known = np.array([len(ids) == len(IDS) for ids in rows], np.bool_)
        ids = np.array([ids if len(ids) == len(IDS) else (0, 0, 0) for ids in rows], np.uint64)
        return cls(ids.reshape(-1, len(IDS)), known)

    def __len__(self) -> int:
        return len(self.ids)


class EventIndex:
    """Index of n events, to find those of other tables that are the same; events with the same ids pair in order."""

    def __init__(self, keys: EventKeys) -> None:
        own = np.flatnonzero(keys.known)
        for self._salt in count():
            words = _mix(keys.ids[own], self._salt)
            order = np.argsort(words, kind="stable")
            words, ids = words[order], keys.ids[own[order]]
            is_new = np.ones(len(own), np.bool_)
            is_new[1:] = words[1:] != words[:-1]
            if (is_new[1:] | (ids[1:] == ids[:-1]).all(axis=1)).all():  # no two ids share a word
                break
        self._rows, self._start = own[order], np.flatnonzero(is_new)
        self._words, self._ids = words[is_new], ids[is_new]
        self._count = np.diff(self._start, append=len(own))
        self._seen = np.zeros(len(self._start), np.int64)

    def partners(self, keys: EventKeys) -> NDArray[np.int64]:
        """Return the (m,) numbers of the events with these keys; -1 where there is none.

        A later call goes on after the events that the earlier ones returned.
        """
        partner = np.full(len(keys), -1)
        if not len(self._words):
            return partner
        group = np.minimum(np.searchsorted(self._words, _mix(keys.ids, self._salt)), len(self._words) - 1)
        same = np.flatnonzero(keys.known & (self._ids[group] == keys.ids).all(axis=1))
        group = group[same]
        nth = self._seen[group] + _occurrence(group)
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


def _occurrence(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each of the (n,) values among equal ones, in order, from 0."""
    order = np.argsort(group, kind="stable")
    place = np.arange(len(group))
    is_new = np.ones(len(group), np.bool_)
    is_new[1:] = group[order[1:]] != group[order[:-1]]
    number = np.empty(len(group), np.int64)
    number[order] = place - np.maximum.accumulate(np.where(is_new, place, 0))
    return number
