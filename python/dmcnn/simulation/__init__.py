"""Simulation of built-in samples: detector images that need no file, reproducible from a seed."""

from collections.abc import Callable, Iterator

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

VERSION = 1
"""Version of the events, part of the names of cached files: increase it with any change of simulated events."""
