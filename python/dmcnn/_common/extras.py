"""Libraries that only some commands need, and what to install when one is missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dmcnn._common.errors import InputError

EXTRAS = {"captum": "explain", "plotly": "explain", "pyarrow": "parquet", "optuna": "tune", "onnx": "export",
          "onnxruntime": "export", "pandas": "notebook", "scipy": "notebook"}  # fmt: skip
"""Library -> the extra of dmcnn that installs it."""


def need(module: str) -> ModuleType:
    """A module of one of these libraries; InputError with the command that installs it if it is missing."""
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise InputError(
            f"{library} is not installed; it comes with: pip install 'dmcnn[{EXTRAS[library]}]'"
        ) from None


def installed(library: str) -> bool:
    """Whether one of these libraries is there."""
    return find_spec(library) is not None
