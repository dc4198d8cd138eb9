"""How images are taken from files: the keys that every command on images has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from dmcnn.settings.base import Conflict, Settings


class Reading(Settings):
    """How images are taken from files."""

    producer: str | None = Field(
        None, description="producer of the images (default: the only one in the file)"
    )
    plane: int | None = Field(None, ge=0, description="projection id of the plane (default: the only image)")
    image_index: int | None = Field(
        None, ge=0, description="position of the image in the event, instead of plane"
    )
    adc_lo: float | None = Field(None, description="[ADC] pixels below are set to 0")
    adc_hi: float | None = Field(None, description="[ADC] pixels above are set to this")
    xdim: int | None = Field(
        None, gt=0, le=65536, description="[pixels] image width, wires; centred pad or crop"
    )
    ydim: int | None = Field(
        None, gt=0, le=65536, description="[pixels] image height, ticks; centred pad or crop"
    )
    bad_pixels: Literal["zero", "stop"] = Field(
        "zero", description="NaN and Inf pixels: count and zero, or stop"
    )
    tick_order: Literal["auto", "descending", "ascending"] = Field(
        "auto", description="order of rows in LArCV1 files, which do not tell"
    )
    view: Literal["frames", "energy_time", "projections"] | None = Field(
        None, description="calorimeter: what an image is (default: energies in frames of time)"
    )
    crop: int | None = Field(
        None, ge=1, description="[cells] calorimeter: side of the central square that is kept"
    )
    energy_min: float | None = Field(
        None, description="calorimeter: only cells with more energy (frames: 0.005)"
    )
    time_lo: float | None = Field(None, description="calorimeter: only cells with a later time")
    time_hi: float | None = Field(None, description="calorimeter: only cells with an earlier time")
    time_edges: list[float] | None = Field(
        None,
        min_length=3,
        max_length=3,
        description="calorimeter: [first, end, step] of the edges of the frames",
    )
    cumulative: bool | None = Field(
        None,
        description="calorimeter: a frame holds all earlier cells too (default True), or those of its bin",
    )
    slices: list[int] | None = Field(
        None, min_length=1, description="pixel frames: numbers of the time slices (default: all)"
    )
    window: list[int] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="pixel frames: [rows, columns] (default: 13 x 21 or 16 x 16, as fits)",
    )
    charge: Literal["electrons", "standardised", "digitised"] | None = Field(
        None,
        description="pixel frames: what a pixel holds (default electrons); standardised: log2(1 + |x|) with the sign "
        "of x, centred and divided by its spread; digitised: a level",
    )
    charge_mean: float | None = Field(
        None, description="pixel frames: mean of these logarithms (default: that of the training files)"
    )
    charge_std: float | None = Field(
        None, gt=0, description="pixel frames: their spread (default: that of the training files)"
    )
    charge_high: float | None = Field(
        None, gt=0, description="pixel frames: divisor of standardised charges above zero (default 1.7)"
    )
    charge_low: float | None = Field(
        None, gt=0, description="pixel frames: divisor of those below zero (default 2.5)"
    )
    charge_percentile: float | None = Field(
        None,
        gt=0,
        le=100,
        description="pixel frames: the divisors are this percentile of the training files, such as 99.7, and charges "
        "are limited to their range",
    )
    charge_clip: list[float] | None = Field(
        None, min_length=2, max_length=2, description="pixel frames: [min, max] of standardised charges"
    )
    charge_bits: int | None = Field(
        None, ge=2, le=16, description="pixel frames: bits of a standardised charge (default: not rounded)"
    )
    charge_noise: float | None = Field(
        None, ge=0, description="[electrons] pixel frames: rms of the noise added to every pixel"
    )
    charge_seed: int | None = Field(None, ge=0, description="pixel frames: seed of this noise (default 0)")
    charge_thresholds: list[float] | None = Field(
        None, min_length=1, description="[electrons] pixel frames: of the levels (default 400, 1000, 2000)"
    )
    contained: float | None = Field(
        None,
        description="[electrons] pixel frames: only clusters with less charge at the border of their window",
    )
    GPUID: str = Field("", description='number of the GPU, or "cpu"; default: the first GPU if there is one')

    def reading(self) -> dict[str, Any]:
        """The arguments of a reader that are given."""
        found = {name: getattr(self, name) for name in Reading.model_fields if name not in ("name", "GPUID")}
        return {name: value for name, value in found.items() if value is not None}

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.adc_lo is not None and self.adc_hi is not None and self.adc_lo >= self.adc_hi:
            yield ("adc_lo", "adc_hi"), f"adc_lo = {self.adc_lo:g} is not below adc_hi = {self.adc_hi:g}"
        if self.plane is not None and self.image_index is not None:
            yield ("image_index", "plane"), "plane and image_index both choose the image: give one"
        if self.time_lo is not None and self.time_hi is not None and self.time_lo >= self.time_hi:
            yield (
                ("time_lo", "time_hi"),
                f"time_lo = {self.time_lo:g} is not below time_hi = {self.time_hi:g}",
            )
        if (self.xdim is None) != (self.ydim is None):
            yield ("xdim", "ydim"), "xdim and ydim go together"
