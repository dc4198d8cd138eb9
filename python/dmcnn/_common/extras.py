"""Optional libraries, and the extra of dmcnn that installs each."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dmcnn._common.errors import InputError

EXTRAS = {"captum": "explain", "plotly": "explain", "pyarrow": "parquet", "optuna": "tune", "onnx": "export",
          "onnxruntime": "export",
          "safetensors": "export", "pandas": "notebook", "sklearn": "baseline", "distributed": "farm",
          "tensorboard": "tensorboard", "hist": "analysis", "mplhep": "analysis"}  # fmt: skip
"""Library -> extra of dmcnn that installs it."""

NAMES = {"sklearn": "scikit-learn"}
"""Library -> its name, where it is imported by another."""


def need(module: str) -> ModuleType:
    """Import and return a module of an optional library.

    Raises:
        InputError: the library is not installed; the message gives the command that installs it.
    """
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        source = f"'dmcnn[{EXTRAS[library]}]'" if library in EXTRAS else library
        raise InputError(
            f"{NAMES.get(library, library)} is not installed; it comes with: pip install {source}"
        ) from None


def is_installed(library: str) -> bool:
    """Return whether a library is installed, without importing it."""
    return find_spec(library) is not None
