"""Content of a page: one event with its image, scores, maps and quality table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.figures import image_axes
from dmcnn.images.sparse import UNSET, Axis
from dmcnn.pages import packing


@dataclass(frozen=True, eq=False)
class Overlay:
    """Map that lies over the image.

    Attributes:
        name: short name, unique within the event, such as "gradcam".
        title: name on the page, such as "Grad-CAM".
        values: (C, H, W), or (H, W) for all channels together; NaN where there is none.
        signed: True if zero is the middle of the colour scale.
        unit: of the values.
        note: settings of the map, such as "layer features.12, 32 x 32".
        quantity: what the values are, at the colour bar.
    """

    name: str
    title: str
    values: NDArray[Any]
    signed: bool
    unit: str = ""
    note: str = ""
    quantity: str = ""


@dataclass(frozen=True, eq=False)
class EventPage:
    """Event with its scores and maps.

    Attributes:
        image: (C, H, W) float32. H = row = tick, W = column = wire.
        meta: (C,) META, one record for all channels, or None for pixel numbers.
        event: EVENT record.
        source: name of the file of the event, without the folders that all files share.
        scores: score of every class by name; the highest is the prediction. NaN where there is none.
        label: true class; None if unknown.
        overlays: maps over the image.
        quality: one dict per method: column title -> number or word. The first column names the method; its row
            is marked while the overlay of that name or title is shown.
        quantity: what the pixels hold, and its unit.
        text: line above the ids, such as "MicroBooNE Simulation".
        volume: whether the channels are layers of one volume, such as time frames, and not planes.
        axis0: meaning of the channels.

    Raises:
        InputError: the image is not (C, H, W), or a map has another shape.
    """

    image: NDArray[np.float32]
    meta: Any
    event: Any
    source: str
    scores: dict[str, float]
    label: str | None = None
    overlays: list[Overlay] = field(default_factory=list)
    quality: list[dict[str, Any]] = field(default_factory=list)
    quantity: tuple[str, str] = ("Charge", "ADC")
    text: str = ""
    volume: bool = False
    axis0: Axis = "plane"

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or not self.image.size:
            raise InputError(f"{self.source}: image of shape {self.image.shape}, expected (C, H, W)")
        for overlay in self.overlays:
            if overlay.values.shape not in (self.image.shape, self.image.shape[1:]):
                raise InputError(
                    f"{self.source}: map {overlay.name!r} has shape {overlay.values.shape}, "
                    f"the image {self.image.shape}"
                )

    @property
    def name(self) -> str:
        """File and entry of the event."""
        return f"{self.source}, entry {int(self.event['entry'])}"

    def parts(self) -> Iterator[str]:
        """Yield the texts of the event: names and numbers as JSON, then the image, then the maps."""
        maps = [packing.halves(overlay.values) for overlay in self.overlays]
        yield packing.words(self._words([power for _, power in maps]))
        yield packing.exact(self.image)
        yield from (text for text, _ in maps)

    def _words(self, powers: list[int]) -> dict[str, Any]:
        """Return names and numbers of the event for JSON; ``powers`` are the exponents of two of the maps."""
        return {
            "text": self.text,
            "ids": {name: _id(self.event[name]) for name in ("run", "subrun", "event")},
            "source": self.source,
            "entry": int(self.event["entry"]),
            "scores": [[name, _number(score)] for name, score in self.scores.items()],
            "label": self.label,
            "quantity": self.quantity[0],
            "unit": self.quantity[1],
            "shape": self.image.shape,
            "frames": self.volume,
            "channels": [self._channel(number) for number in range(self.image.shape[0])],
            "maps": [
                {
                    "name": overlay.name,
                    "title": overlay.title or overlay.name,
                    "signed": overlay.signed,
                    "quantity": overlay.quantity,
                    "unit": overlay.unit,
                    "note": overlay.note,
                    "channels": overlay.values.size // self.image[0].size,
                    "power": power,
                }
                for overlay, power in zip(self.overlays, powers, strict=True)
            ],
            "quality": [{key: _cell(value) for key, value in row.items()} for row in self.quality],
        }

    def _channel(self, number: int) -> dict[str, Any]:
        """Return name, edges and axis labels of one channel."""
        height, width = self.image.shape[1:]
        records = None if self.meta is None else np.atleast_1d(self.meta)
        meta = None if records is None else records[min(number, len(records) - 1)]
        x, y = image_axes.edges(meta, height, width)
        if self.volume:
            name = f"Frame {number}"
        else:
            known = "" if meta is None else image_axes.channel_name(meta, self.axis0, number)
            name = known or f"Channel {number}"
        return {
            "name": name,
            "x": x,
            "y": y,
            "labels": image_axes.labels(meta),
            "square": image_axes.is_square(height, width),
        }


def _id(number: Any) -> str | None:
    """Return an id as text, since numbers in a browser are exact up to 2**53 only; None for an id without value."""
    return None if number == UNSET else str(int(number))


def _number(value: float) -> float | None:
    """Return a number for JSON; None for NaN and infinities, which JSON does not have."""
    return float(value) if math.isfinite(value) else None


def _cell(value: Any) -> float | str | None:
    """Return a number or word of the quality table for JSON."""
    if value is None or isinstance(value, str):
        return value
    return _number(float(value))
