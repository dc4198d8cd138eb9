"""Matching of the events of several score tables by run, subrun and event; duplicates pair in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.evaluation.rows import EventRows
from dmcnn.tables.join import event_ids

LOWEST_MATCHED = 0.9
"""Smallest share of the events of a network that must be those of the other networks too."""

Key = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Matches:
    """Events that all networks have scored.

    Attributes:
        at: network -> (m,) numbers of its events; the nth of every network is the same event. Events come in
            the order of the first network.
        events: network -> number of all its events.
    """

    at: Mapping[str, NDArray[np.int64]]
    events: Mapping[str, int]

    @property
    def count(self) -> int:
        """Number of the events that all networks have scored."""
        return len(next(iter(self.at.values())))

    def numbers(self) -> dict[str, object]:
        """Return the counts for JSON."""
        return {
            "events": dict(self.events),
            "matched": self.count,
            "unmatched": {name: count - self.count for name, count in self.events.items()},
        }


def match_events(networks: Mapping[str, EventRows], kind: str) -> Matches:
    """Return the matches of the events of several networks, see the module.

    Args:
        networks: rows of the scored events of each network.
        kind: word for the events, for messages.

    Raises:
        InputError: fewer than LOWEST_MATCHED of the events of a network are events of all others, a table without
            ids, or an id that is no integer.
    """
    keys = {name: _keys(rows) for name, rows in networks.items()}
    common = reduce(np.intersect1d, [_as_one(key[known]) for key, known in keys.values()])
    at = {}
    for name, (key, known) in keys.items():
        own = np.flatnonzero(known)
        words = _as_one(key[own])
        order = np.argsort(words)
        at[name] = own[order[np.searchsorted(words[order], common)]]
    first = np.argsort(next(iter(at.values())))
    matches = Matches(
        {name: rows[first] for name, rows in at.items()}, {name: len(rows) for name, rows in networks.items()}
    )
    for name, count in matches.events.items():
        if matches.count < LOWEST_MATCHED * count:
            raise InputError(
                f"{kind}: {matches.count} of {count} scored events of {name!r} are events of "
                f"{', '.join(repr(other) for other in networks if other != name)} too, expected at least "
                f"{100 * LOWEST_MATCHED:g} %: networks are compared on the same events (for other samples give "
                "signal and background different names)"
            )
    return matches


def _keys(rows: EventRows) -> tuple[Key, NDArray[np.bool_]]:
    """Return (n, 4) keys, the ids and the number among rows with the same ids, and whether the ids are known.

    Rows without score count among those with the same ids, so that an event that one network has not scored does not
    shift the others.
    """
    ids = [event_ids(table) for table in rows.tables]
    known = np.concatenate([one.known for one in ids])
    key = np.zeros((len(known), 4), np.uint64)
    key[known, :3] = np.concatenate([one.number for one in ids])[known]
    key[known, 3] = _occurrence(key[known, :3])
    starts = np.cumsum([0, *map(len, rows.tables)])
    at = starts[rows.table] + rows.row
    return key[at], known[at]


def _occurrence(ids: Key) -> NDArray[np.uint64]:
    """Return the number of each of the (n, 3) ids among equal ones, in order, from 0."""
    order = np.lexsort(ids.T)
    sorted_ids = ids[order]
    is_new = np.ones(len(ids), np.bool_)
    is_new[1:] = (sorted_ids[1:] != sorted_ids[:-1]).any(axis=1)
    place = np.arange(len(ids))
    number = np.empty(len(ids), np.uint64)
    number[order] = place - np.maximum.accumulate(np.where(is_new, place, 0))
    return number


def _as_one(key: Key) -> NDArray[np.void]:
    """Return (n, 4) keys as (n,) values that sort and compare as a whole."""
    names = [(f"f{i}", np.uint64) for i in range(4)]
    return np.ascontiguousarray(key).view(names).ravel()
