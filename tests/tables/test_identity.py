"""Partners of events against a dictionary, with duplicates, events without ids, large ids and calls in parts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from dmcnn.tables import identity
from dmcnn.tables.identity import EventIndex
from dmcnn.tables.join import EventIds

RANDOM = np.random.default_rng(5)


def keys(ids: np.ndarray, known: np.ndarray | None = None) -> EventIds:
    return EventIds(ids.astype(np.uint64), np.ones(len(ids), bool) if known is None else known)


def by_dictionary(own: EventIds, others: EventIds) -> list[int]:
    """Partner of each of ``others``: the nth with some ids is the nth of ``own`` with them."""
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for at, ids in enumerate(own.number.tolist()):
        if own.known[at]:
            places[tuple(ids)].append(at)
    seen: dict[tuple[int, ...], int] = defaultdict(int)
    partners = []
    for at, ids in enumerate(others.number.tolist()):
        same, nth = places.get(tuple(ids), []), seen[tuple(ids)]
        seen[tuple(ids)] += int(others.known[at])
        partners.append(same[nth] if others.known[at] and nth < len(same) else -1)
    return partners


def test_partners_are_those_of_a_dictionary_in_one_call_or_in_parts():
    own = keys(RANDOM.integers(0, 6, (400, 3)), RANDOM.random(400) < 0.9)
    others = keys(RANDOM.integers(0, 6, (500, 3)), RANDOM.random(500) < 0.9)
    expected = by_dictionary(own, others)
    assert EventIndex(own).partners(others).tolist() == expected
    index, parts = EventIndex(own), []
    for part in np.split(np.arange(500), [0, 7, 7, 300]):
        parts += index.partners(EventIds(others.number[part], others.known[part])).tolist()
    assert parts == expected


def test_ids_up_to_64_bits_are_told_apart():
    high = 2**64 - 1
    own = keys(np.array([[high, 0, 1], [high - 1, 0, 1], [2**53, 0, 0], [2**53 + 1, 0, 0]], np.uint64))
    assert EventIndex(own).partners(own).tolist() == [0, 1, 2, 3]
    assert EventIndex(own).partners(keys(np.array([[high, 1, 0]], np.uint64))).tolist() == [-1]


def test_two_ids_with_one_word_are_told_apart(monkeypatch):
    mix = identity._mix
    monkeypatch.setattr(identity, "_mix", lambda ids, salt: mix(ids, salt) % (3 if salt == 0 else 2**63))
    own = keys(RANDOM.integers(0, 100, (200, 3)))
    assert EventIndex(own).partners(own).tolist() == by_dictionary(own, own)


def test_of_no_events_there_is_no_partner():
    none, some = keys(np.zeros((0, 3))), keys(np.zeros((2, 3)))
    assert EventIndex(none).partners(some).tolist() == [-1, -1]
    assert EventIndex(some).partners(none).tolist() == []
    assert EventIndex(keys(np.zeros((2, 3)), np.zeros(2, bool))).partners(some).tolist() == [-1, -1]
