"""Small sizes of every network, for fast tests."""

from __future__ import annotations

from typing import Any

import pytest

SMALL: dict[str, dict[str, Any]] = {
    "mpid": {"num_class": 3, "channels": 2, "height": 128, "width": 136},
    "lariat": {"num_class": 3, "channels": 2, "height": 38, "width": 30},
    "cnn3d": {"num_class": 3, "channels": 9, "height": 8, "width": 12},
    "calorimeter_resnet": {"num_class": 3, "channels": 9, "height": 8, "width": 12},
    "smartpixel": {"num_class": 3, "channels": 2, "height": 8, "width": 12},
    "resnet18": {"num_class": 3, "channels": 2, "height": 40, "width": 33},
    "resnet34": {"num_class": 3, "channels": 2, "height": 40, "width": 33},
}
"""Model -> arguments; a new model in the table MODELS needs an entry."""

NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name == "resnet34" else ())  # twice the time of resnet18
    for name in SMALL
]
"""Parameters of tests of every network."""
