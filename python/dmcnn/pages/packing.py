"""Arrays and words as text that is safe inside a page: what ``data.js`` decodes again."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

COLOURS = {
    "charge": ("jet", "magma", "cividis", "Greys"),
    "signed": ("seismic", "RdBu_r", "PuOr_r"),
    "unsigned": ("YlOrRd", "viridis", "cividis", "gnuplot_r"),
}
"""Colour maps to choose from, the usual one first."""

UNSAFE = ("jet", "seismic", "gnuplot_r")
"""Those of them that colour-blind readers cannot use."""

HIGHEST = 15
"""Halves are scaled to just below 2**15: relative precision 2**-11 down to 2e-9 of the largest value."""


def exact(values: NDArray[Any]) -> str:
    """Text of an array, as float32."""
    return _text(np.ascontiguousarray(values, "<f4"))


def halves(values: NDArray[Any]) -> tuple[str, int]:
    """Text of an array as float16, and the power of two by which the decoded values are to be multiplied."""
    values = np.asarray(values, np.float64)
    top = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    power = int(np.frexp(top)[1]) - HIGHEST if top else 0
    return _text(np.ldexp(values, -power).astype("<f2")), power


def _text(values: NDArray[Any]) -> str:
    """Base64 of deflated bytes: first the lowest byte of all values, then the next.

    Bytes of one kind side by side are a third smaller for float32, and exponents deflate where mantissas do not.
    """
    planes = values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def words(content: Any) -> str:
    """JSON that may stand in a script element: no text in it can end the element or open a comment."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def colours() -> dict[str, Any]:
    """The colour maps: for each kind its names and which of them are safe; for each name 256 RGB bytes."""
    names = dict.fromkeys(name for kind in COLOURS.values() for name in kind)
    return {
        "kinds": COLOURS,
        "unsafe": UNSAFE,
        "tables": {name: base64.b64encode(_table(name)).decode("ascii") for name in names},
    }


def _table(name: str) -> bytes:
    table: NDArray[np.uint8] = colormaps[name](np.arange(256), bytes=True)
    return table[:, :3].tobytes()
