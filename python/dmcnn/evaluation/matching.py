"""Matching of the events of several score tables by run, subrun and event; duplicates pair in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.evaluation.rows import EventRows
from dmcnn.tables.join import event_ids, number_ids, occurrences

LOWEST_MATCHED = 0.9
"""Smallest share of the events of a network that must be those of the other networks too."""


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
    keys = _keys(networks)
    common = reduce(np.intersect1d, keys.values())
    at = {}
    for name, key in keys.items():
        order = np.argsort(key)
        at[name] = order[np.searchsorted(key[order], common)]
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


def _keys(networks: Mapping[str, EventRows]) -> dict[str, NDArray[np.int64]]:
    """Return (n,) keys of the events of each network: ids, and the number among rows with the same ids.

    Rows without score count among those with the same ids, so that an event that one network has not scored does not
    shift the others.
    """
    tables = [table for rows in networks.values() for table in rows.tables]
    of_tables = iter(number_ids(*map(event_ids, tables)))
    ids = {name: np.concatenate([next(of_tables) for _ in rows.tables]) for name, rows in networks.items()}
    nth = {name: occurrences(number) for name, number in ids.items()}
    most = 1 + max(int(one.max(initial=0)) for one in nth.values())
    keys = {}
    for name, rows in networks.items():
        starts = np.cumsum([0, *map(len, rows.tables)])
        keys[name] = (ids[name] * most + nth[name])[starts[rows.table] + rows.row]
    return keys
