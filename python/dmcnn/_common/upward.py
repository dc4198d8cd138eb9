"""Way up: what objects of low rooms do in a notebook is done by dmcnn.notebook, which may use every room."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def notebook(name: str) -> Any:
    """Return a function of dmcnn.notebook, which is imported when a user first asks for a picture or a map."""
    return getattr(import_module("dmcnn.notebook"), name)
