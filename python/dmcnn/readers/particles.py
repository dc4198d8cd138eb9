"""Particle tables of files: the primary particles of events, and whether a table has the events of the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError


def check_ids(where: str, events: NDArray[Any], expected: NDArray[Any]) -> None:
    """Raise InputError unless the ids of another table (n,) EVENT are those of the images, entry by entry."""
    if len(events) != len(expected):
        raise InputError(f"{where}: {len(events)} entries, expected {len(expected)} as the images have")
    ids = ["run", "subrun", "event"]
    other = np.flatnonzero(events[ids] != expected[ids])
    if len(other):
        entry = int(other[0])
        raise InputError(
            f"{where}: entry {entry}: (run, subrun, event) = {events[ids][entry]}, "
            f"expected {expected[ids][entry]} as the images have"
        )


def select_primaries(
    counts: NDArray[np.int64],
    columns: Sequence[NDArray[Any]],
    process: NDArray[Any] | None,
    track: NDArray[Any] | None,
    parent: NDArray[Any] | None,
) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """Select the primary particles.

    A creation process, if stored, must be "primary". Where it is blank, a primary is its own parent (both ids are
    unset in single-particle files). A file without these columns lists primaries only.

    Args:
        counts: (n,) particles of each entry.
        columns: (m,) quantities of each particle.
        process, track, parent: (m,) creation process, track id and parent's track id; None = not stored.

    Returns:
        (n,) primary particles of each entry, and their quantities.
    """
    primary = np.ones(int(counts.sum()), bool) if track is None or parent is None else track == parent
    if process is not None:
        text = process if process.dtype.kind == "S" else np.char.encode(process.astype(str), "utf-8")
        primary = np.where(text == b"", primary, text == b"primary")
    entry = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(entry[primary], minlength=len(counts)), [column[primary] for column in columns]
