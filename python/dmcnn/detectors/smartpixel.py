"""Smart pixel sensors (J. Yoo et al., Mach. Learn.: Sci. Technol. 5 (2024) 035047).

Files: ``readers.smartpixel``, ``writers.smartpixel``; network: ``models.smartpixel``; scales of targets:
``datasets.targets``; weights of QKeras: ``checkpoints.keras_cards``; judging: ``evaluation.regression``; sample
``smartpixel``: ``simulation.smartpixel``; cfg/smartpixel_training.cfg and its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOWS = ((13, 21), (16, 16))
"""(rows, columns) of the windows that have been published: the first that fits the number of columns."""
SLICES, STEP = 20, 200.0
"""Slices of a file that has them all, and the time between two [ps]; the first is at the end of the first step."""

AT_EDGE = "chargeOriginal_atEdge"
"""The column of the charge that a cluster has at the border of its window [electrons]."""
UNITS = {
    **dict.fromkeys(("x-entry", "y-entry", "z-entry", "x-midplane", "y-midplane"), "µm"),
    **dict.fromkeys(("y-local", "z-global"), "mm"),
    **dict.fromkeys(("hit_time", "adjusted_hit_time"), "ns"),
    **dict.fromkeys((AT_EDGE, "number_eh_pairs"), "electrons"),
    "pt": "GeV",
}
"""Of the labels that have one."""

TARGETS = {"x-midplane": 75.0, "y-midplane": 18.75, "cotAlpha": 8.0, "cotBeta": 0.5}
"""What networks estimate, and the usual scales: one and a half pixels of 50 x 12.5 µm for the mid-planes."""


@dataclass(frozen=True)
class Geometry:
    """A sensor: pitch along x and y [µm], thickness [µm], bias [V]."""

    pitch: tuple[float, float]
    thickness: float
    bias: float


GEOMETRIES = {
    "t1": Geometry((50, 10), 100, 100),
    "t2": Geometry((50, 12.5), 100, 100),
    "t3": Geometry((50, 15), 100, 100),
    "t4": Geometry((50, 20), 100, 100),
    "t5": Geometry((50, 25), 100, 100),
    "t6": Geometry((100, 25), 100, 100),
    "t7": Geometry((100, 25), 150, 175),
}
"""The sensors whose clusters have been published."""
