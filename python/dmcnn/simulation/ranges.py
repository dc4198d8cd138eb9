"""Ranges of the arguments of simulations, and their check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from dmcnn._common.errors import InputError


def check(
    arguments: Mapping[str, float], ranges: Mapping[str, tuple[float, float]], more: Iterable[str] = ()
) -> None:
    """Raise InputError with a line for every argument outside its range, and the lines of ``more``.

    Args:
        arguments: name -> value; none may be infinite or NaN.
        ranges: name -> smallest and largest value; the others must not be negative.
        more: lines about other faults.
    """
    faults = []
    for name, value in arguments.items():
        least, most = ranges.get(name, (0, inf))
        if not least <= value <= most or value == inf:
            expected = f"at least {least:g}" if most == inf else f"{least:g} to {most:g}"
            faults.append(f"{name} = {value}, expected {expected}")
    faults += more
    if faults:
        raise InputError(*faults)
