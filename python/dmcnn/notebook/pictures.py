"""Pictures of events and maps, which show themselves in a notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dmcnn.datasets.event import Event
    from dmcnn.inference.maps import AttributionMap, OcclusionMap

PNG_DPI = 80
"""[pixels per inch] of pictures in a notebook."""


def plot_event(event: Event, channel: int, **options: Any) -> Figure:
    """Draw one plane of an event, or all its time frames."""
    from dmcnn.displays.space_time import frames
    from dmcnn.figures.event import event_display
    from dmcnn.figures.image_axes import channel_name, value_label
    from dmcnn.images.sparse import UNSET

    words = ", ".join(filter(None, [event.origin, "" if event.label is None else str(event.label)]))
    if event.images.is_volume:
        _refuse(options)
        return _shown(frames(event.images, event.frame_edges, words, event.frame_unit))
    record, meta = event.images.events[0], event.meta[_channel(channel, event.shape)]
    known = record["run"] != UNSET
    plane = channel_name(meta, event.images.axis0, channel)
    shown = {"bar_label": value_label(meta), "label": words, "plane": plane, **options}
    return _shown(event_display(event.image[channel], meta, record if known else None, **shown))


def plot_attribution(found: AttributionMap, channel: int | None, **options: Any) -> Figure:
    """Draw an attribution map."""
    from dmcnn.figures.attribution import attribution_map

    image, values = found.images.dense()[0], found.values
    if channel is None and found.images.is_volume:
        image, values, meta = image.sum(axis=0), values.sum(axis=0), found.images.meta[0, 0]
    else:
        at = _channel(channel or 0, found.images.shape)
        image, values, meta = image[at], values[at], found.images.meta[0, at]
    title = f"{found.title}, {found.target} {found.output}"
    shown = {"signed": found.signed, "image": image, "box": found.box, "zoom_to": image, **options}
    return _shown(attribution_map(values, title, meta, **shown))


def plot_occlusion(found: OcclusionMap, name: str, **options: Any) -> Figure:
    """Draw the occlusion map of one class."""
    from dmcnn.figures.occlusion import score_map, strongest_frame

    values, base = found[name], float(found.base[found.classes.index(name)])
    flat = strongest_frame(values, base) if values.ndim == 3 else values
    image = found.images.dense()[0].any(axis=0)
    unit = found.unit(name)
    shown = {"base_score": base, "zoom_to": image, "unit": unit, **options}
    title = name.capitalize() if unit is None else name
    return _shown(score_map(flat, title, found.images.meta[0, 0], **shown))


def png(figure: Figure) -> bytes:
    """Return a figure as PNG, small enough for a notebook."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_DPI)
    return file.getvalue()


def html_image(figure: Figure) -> str:
    """Return a figure as an HTML element that holds its PNG."""
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png(figure)).decode()}"/>'


def _shown(figure: Figure) -> Figure:
    """Let a figure show itself in a notebook: it does not come from pyplot, which would keep every one."""
    figure._repr_png_ = partial(png, figure)  # type: ignore[attr-defined]
    return figure


def _channel(channel: int, shape: tuple[int, ...]) -> int:
    if not 0 <= channel < shape[0]:
        raise InputError(f"channel {channel}: the event has 0 to {shape[0] - 1}")
    return channel


def _refuse(options: Mapping[str, Any]) -> None:
    if options:
        raise InputError(f"time frames are drawn without {', '.join(options)}")
