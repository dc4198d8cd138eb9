"""Ranges of the arguments of simulations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from dmcnn._common.errors import InputError


def check(
    arguments: Mapping[str, float], ranges: Mapping[str, tuple[float, float]], more: Iterable[str] = ()
) -> None:
    """Raise an InputError with a line for every argument outside its range, and those in ``more``.

    Args:
        arguments: by name; none may be infinite or NaN.
        ranges: least and largest value of some; the others must not be negative.
        more: other faults that were found.
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
