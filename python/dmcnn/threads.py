"""How many threads the C++ core may use."""

from __future__ import annotations

import os

from dmcnn.errors import InputError


def threads(wanted: int | None = None) -> int:
    """``wanted`` if given, else $DMCNN_NUM_THREADS, else every core that this process may run on."""
    if wanted is None:
        text = os.environ.get("DMCNN_NUM_THREADS", "")
        if not text:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not text.isdecimal():
            raise InputError(f"DMCNN_NUM_THREADS = {text!r}, expected a whole number of at least 1")
        wanted = int(text)
    if wanted < 1:
        raise InputError(f"{wanted} threads, expected at least 1")
    return wanted
