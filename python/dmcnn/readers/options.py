"""Options of readers: name, type, default, bounds and description of each, the source of cfg keys and help."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from dmcnn._common.errors import InputError, nearest

Choice = int | tuple[int, ...] | None
"""One number, or several numbers: one channel each, in that order; None = no choice."""


def option(default: Any, description: str, unit: str = "", *, cfg: bool | None = None, **bounds: Any) -> Any:
    """Return a dataclass field of Options.

    Args:
        default: default value.
        description: meaning of the option, for the help of the commands.
        unit: unit of the value.
        cfg: None for a key that a cfg may leave out, so that the checkpoint or the default decides; True for one
            that every cfg and checkpoint states; False for an option of the library alone.
        bounds: bounds of the value in a cfg, by pydantic's names (gt, ge, le, min_length, max_length).
    """
    metadata = {"description": description, "unit": unit, "cfg": cfg, "bounds": bounds}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a reader, each with its default.

    Raises:
        InputError: a word that is not allowed; the message lists the allowed ones.
    """

    section: ClassVar[str] = "images"
    """Heading of these options in the help."""

    def __post_init__(self) -> None:
        for name, words in _words(type(self)).items():  # type: ignore[arg-type]  # classes are hashable
            value = getattr(self, name)
            if value not in words:
                *first, last = map(repr, (word for word in words if word is not None))
                raise InputError(f"{name} = {value!r}, expected {', '.join(first)} or {last}"
                                 f"{nearest(str(value), map(str, words))}")  # fmt: skip

    def given(self) -> dict[str, Any]:
        """Return name -> value of the options that differ from their defaults."""
        values = {entry.name: (getattr(self, entry.name), entry.default) for entry in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}

    @classmethod
    def names(cls) -> set[str]:
        """Return the names of the options."""
        return {entry.name for entry in fields(cls)}


@cache
def _words(cls: Any) -> dict[str, tuple[Any, ...]]:
    """Return name -> allowed words of the options of type Literal; None is one of them if it is allowed."""
    hints, words_by_name = get_type_hints(cls), {}
    for name in cls.names():
        hint = hints[name]
        parts = (hint,) if get_origin(hint) is Literal else get_args(hint)
        words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
        if words:
            words_by_name[name] = (*words, *([None] if type(None) in parts else []))
    return words_by_name


Roi = Literal["most_charge", "centroid", "vertex", "tiles"]
"""Region of interest, see dmcnn.readers.roi."""


@dataclass(frozen=True, kw_only=True)
class FitOptions(Options):
    """Options of images that are fitted to one window, cut below a threshold and clipped above another.

    Without ``xdim`` and ``ydim`` images stay as stored, and all must have the same size.
    """

    adc_lo: float | None = option(None, "pixels below are set to 0", "ADC")
    adc_hi: float | None = option(None, "pixels above are set to this", "ADC")
    xdim: int | None = option(None, "image width, wires; pad or crop as roi says", "pixels", gt=0, le=65536)
    ydim: int | None = option(None, "image height, ticks; pad or crop as roi says", "pixels", gt=0, le=65536)
    roi: Roi | None = option(
        None,
        "window of xdim x ydim pixels on a larger image: where the charge is largest, around the mean charged pixel "
        "or the vertex of the event; tiles: of the windows that cover it, the one with the highest score stands for "
        "the event (default: its centre)",
    )
    rows_per_pixel: int | None = option(
        None,
        "rows (ticks) of a file that make one pixel, before threshold and clip (default 1)",
        "rows",
        ge=1,
    )
    row_merge: Literal["sum", "mean", "max"] = option("sum", "what the pixel holds of these rows", cfg=None)
    bad_pixels: Literal["zero", "stop"] = option(
        "zero", "NaN and Inf pixels: count and zero, or stop", cfg=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adc_lo is not None and self.adc_hi is not None and not self.adc_lo <= self.adc_hi:
            raise InputError(f"adc_lo = {self.adc_lo} is above adc_hi = {self.adc_hi}")
        if any(size is not None and size < 1 for size in (self.xdim, self.ydim)):
            raise InputError(f"xdim = {self.xdim}, ydim = {self.ydim}: expected at least 1")
        if self.rows_per_pixel is not None and self.rows_per_pixel < 1:
            raise InputError(f"rows_per_pixel = {self.rows_per_pixel}, expected at least 1")
        if self.row_merge != "sum" and not self.merges:
            raise InputError(f"row_merge = {self.row_merge!r} needs rows_per_pixel, 2 or more")
        if self.roi is not None and None in (self.xdim, self.ydim):
            raise InputError(f"roi = {self.roi!r} needs xdim and ydim, the size of its window")

    @property
    def merges(self) -> bool:
        """Whether several rows make one pixel."""
        return (self.rows_per_pixel or 1) > 1

    @property
    def limits(self) -> tuple[float, float]:
        """(threshold, clip) for the kernels; infinite where there is no limit, or where rows are merged first."""
        low, high = (None, None) if self.merges else (self.adc_lo, self.adc_hi)
        return -math.inf if low is None else low, math.inf if high is None else high


@dataclass(frozen=True, kw_only=True)
class LArCVOptions(FitOptions):
    """Options of LArCV files, of every version.

    ``plane`` chooses images by projection id, ``image_index`` by position in the event, for files with several
    images of one plane. With neither, every event must hold at most one image.
    """

    producer: str | None = option(None, "producer of the images (default: the only one in the file)")
    plane: Choice = option(
        None,
        "projection id of the plane (default: the only image); a list of planes makes them channels",
        ge=0,
    )
    image_index: Choice = option(None, "position of the image in the event, instead of plane", ge=0)
    particles: str | None = option(
        None,
        "producer of the particle table, for labels by PDG code and vertices (default: the only one in the file)",
    )
    vertex_csv: str | tuple[str, ...] | None = option(
        None,
        "table of the vertices for roi = vertex, by run_number, subrun_number and event_number; path, list, or globs "
        "(default: the first primary in the particle table)",
    )
    vertex_columns: tuple[str, ...] | None = option(
        None,
        "columns of vertex_csv: x, y and z [cm] of the vertex, or its wire and tick in every plane, in the units of "
        'the images (default: ["wire", "tick"] or ["x", "y", "z"], whichever there is)',
    )
    vertex_projection: dict[int, list[list[float]]] | None = option(
        None,
        "place of a point x, y, z [cm] in images of wires and ticks: {plane: [[a, b, c, d], [e, f, g, h]]} for "
        "wire = a x + b y + c z + d and tick = e x + f y + g z + h",
    )

    def __post_init__(self) -> None:
        for name in ("plane", "image_index", "vertex_csv", "vertex_columns"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        super().__post_init__()
        for plane, rows in (self.vertex_projection or {}).items():
            if [len(row) for row in rows] != [4, 4]:
                raise InputError(
                    f"vertex_projection: plane {plane} has {rows}, expected two rows of 4 numbers"
                )
        if self.roi != "vertex" and (self.vertex_csv or self.vertex_columns):
            raise InputError("vertex_csv and vertex_columns need roi = 'vertex'")
        if self.vertex_columns is not None and self.vertex_csv is None:
            raise InputError("vertex_columns needs vertex_csv")
