"""Built-in samples: simulated detector images that need no file, reproducible from a seed."""

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
"""Name of a sample and what makes it: called with events, seed and optionally the sample's own arguments."""

VERSION = 1
"""Raised whenever a change of the simulation changes its events, so that cached samples are made anew."""
