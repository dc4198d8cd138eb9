"""Way up: what objects of low rooms do in a notebook is done by dmcnn.notebook, which may use every room."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def notebook(name: str) -> Any:
    """Return a function of dmcnn.notebook ("module.function"), imported at the first use."""
    module, _, function = name.rpartition(".")
    return getattr(import_module(f"dmcnn.notebook.{module}"), function)
