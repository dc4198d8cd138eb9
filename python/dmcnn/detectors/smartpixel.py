"""Smart pixel sensors (J. Yoo et al., Mach. Learn.: Sci. Technol. 5 (2024) 035047).

Files: ``readers.smartpixel``, ``writers.smartpixel``; network: ``models.smartpixel``; scales of targets:
``datasets.targets``; weights of QKeras: ``checkpoints.keras_cards``; evaluation: ``evaluation.regression``; sample
``smartpixel``: ``simulation.smartpixel``; settings: cfg/smartpixel_*.cfg.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOWS = ((13, 21), (16, 16))
"""(rows, columns) of the published windows; readers take the first that fits the number of columns."""
SLICES, STEP = 20, 200.0
"""Time slices of a complete file, and the time between them [ps]; slice 0 is at the end of the first step."""

AT_EDGE = "chargeOriginal_atEdge"
"""Column of the charge at the border of the window of a cluster [electrons]."""
UNITS = {
    **dict.fromkeys(("x-entry", "y-entry", "z-entry", "x-midplane", "y-midplane"), "µm"),
    **dict.fromkeys(("y-local", "z-global"), "mm"),
    **dict.fromkeys(("hit_time", "adjusted_hit_time"), "ns"),
    **dict.fromkeys((AT_EDGE, "number_eh_pairs"), "electrons"),
    "pt": "GeV",
}
"""Label -> unit, for labels that have one."""

TARGETS = {"x-midplane": 75.0, "y-midplane": 18.75, "cotAlpha": 8.0, "cotBeta": 0.5}
"""Targets of the networks and their usual scales: 1.5 pixels of 50 x 12.5 µm for the mid-planes."""


@dataclass(frozen=True)
class Geometry:
    """Geometry of a sensor: pitch along x and y [µm], thickness [µm], bias [V]."""

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
"""Sensors of the published clusters."""
