"""Arrays and JSON as text that is safe inside a page; ``data.js`` decodes it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

COLOURS = {
    "charge": ("viridis", "magma", "cividis", "Greys", "jet"),
    "signed": ("RdBu_r", "PuOr_r", "seismic"),
    "unsigned": ("YlOrRd", "viridis", "cividis", "gnuplot_r"),
}
"""Colour maps that the page offers for each kind of map, the default first."""

UNSAFE = ("jet", "seismic", "gnuplot_r")
"""Colour maps that colour-blind readers cannot use."""

HIGHEST = 15
"""float16 values are scaled to just below 2**15: relative precision 2**-11 down to 2e-9 of the largest value."""


def exact(values: NDArray[Any]) -> str:
    """Return the text of an array as float32."""
    return _text(np.ascontiguousarray(values, "<f4"))


def halves(values: NDArray[Any]) -> tuple[str, int]:
    """Return the text of an array as float16, and the exponent of the power of two that restores its scale."""
    values = np.asarray(values, np.float64)
    top = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    power = int(np.frexp(top)[1]) - HIGHEST if top else 0
    return _text(np.ldexp(values, -power).astype("<f2")), power


def _text(values: NDArray[Any]) -> str:
    """Return base64 of the deflated bytes: first the lowest byte of all values, then the next.

    This order makes float32 a third smaller, because exponents side by side compress and mantissas do not.
    """
    planes = values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def words(content: Any) -> str:
    """Return JSON that is safe in a script element: no text in it can end the element or open a comment."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def colours() -> dict[str, Any]:
    """Return the colour maps: their names by kind, the unsafe ones, and 256 x RGB bytes in base64 by name."""
    names = dict.fromkeys(name for kind in COLOURS.values() for name in kind)
    return {
        "kinds": COLOURS,
        "unsafe": UNSAFE,
        "tables": {name: base64.b64encode(_table(name)).decode("ascii") for name in names},
    }


def _table(name: str) -> bytes:
    """Return 256 x RGB bytes of a colour map."""
    table: NDArray[np.uint8] = colormaps[name](np.arange(256), bytes=True)
    return table[:, :3].tobytes()
