"""Simulation of built-in samples: detector images that need no file, reproducible from a seed."""

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages
from dmcnn.simulation import calorimeter, smartpixel
from dmcnn.simulation.lartpc import dark_trident, lariat

SAMPLES: dict[str, Callable[..., Iterator[SparseImages]]] = {
    "dark-trident": dark_trident.dark_trident,
    "lariat": lariat.lariat,
    "calorimeter": calorimeter.calorimeter,
    "smartpixel": smartpixel.smartpixel,
}
"""Name -> simulation of a sample, called with events, seed and the sample's own arguments."""

LABELS = {"dark-trident": "run == 100", "lariat": "prefix", "calorimeter": "y"}
"""Sample -> label rule that its own events follow, for samples of classes."""

EARLIER: dict[tuple[str, int], dict[str, Any]] = {
    ("dark-trident", 1): {"vertex_jitter": 8.0, "noise": 2.8},
    ("lariat", 1): {},
    ("smartpixel", 1): {"zero_suppression": 25.0},
}
"""Sample and earlier version -> arguments that had other defaults. Every version keeps giving the same events: with
any change of simulated events increase ``version`` of the sample, and add the one before."""


def defaults(sample: str, version: int | None = None) -> dict[str, Any]:
    """Return the sample's own arguments of a version, by default the latest; ``version`` is one if there are several.

    Raises:
        InputError: a version that the sample does not have.
    """
    parameters = signature(SAMPLES[sample]).parameters.values()
    latest = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    if version in (None, latest.get("version", 1)):
        return latest
    if (sample, version) not in EARLIER:
        known = [*(number for name, number in EARLIER if name == sample), latest.get("version", 1)]
        raise InputError(f"version = {version}, expected one of {', '.join(map(str, known))} of {sample}")
    return latest | {"version": version} | EARLIER[sample, version]
