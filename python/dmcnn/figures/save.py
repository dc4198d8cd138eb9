"""Files of figures (PNG, PDF) and of animations (GIF, MP4)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.animation import Animation, FFMpegWriter, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dmcnn import __version__
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file
from dmcnn.figures.image_axes import wrap

METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": f"dmcnn {__version__}"},
    "pdf": {"Creator": f"dmcnn {__version__}", "CreationDate": None},
}
"""What the files say of themselves, beside their title; without a date the same figure gives the same bytes."""

CANVASES = {"png": FigureCanvasAgg, "pdf": FigureCanvasPdf}
"""Canvas of matplotlib that writes the format."""

NOTE_HEIGHT, NOTE_LINE, NOTE_LETTER = 0.14, 0.16, 0.068
"""[inches] Strip for a note at the foot of a figure, height of further lines, and width of letters, about."""


def save_figure(
    figure: Figure, stem: str | Path, formats: Iterable[str] = ("png", "pdf"), note: str = ""
) -> list[Path]:
    """Write a figure as ``<stem>.png`` and ``<stem>.pdf``, each whole or not at all; return the paths.

    Args:
        figure: figure.
        stem: path without suffix.
        formats: "png", "pdf".
        note: small text in the lower left corner, such as the origin of the events.

    Raises:
        InputError: a format other than png and pdf.
    """
    stem, paths = Path(stem), []
    if note:
        _add_note(figure, note)
    formats = list(formats)
    for kind in formats:
        if kind not in METADATA:
            known = ", ".join(METADATA)
            raise InputError(
                f"{stem}: figure format {kind!r}, expected one of {known}{nearest(kind, METADATA)}"
            )
    layout = figure.get_layout_engine()
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        # TrueType fonts: texts can be selected and edited, and journals that refuse Type 3 fonts take the file.
        with atomic_file(path) as temporary, rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "constrained_layout not applied"
            )  # numbers of a diverged network
            _print(figure, temporary, kind, {"Title": stem.name, **METADATA[kind]})
        figure.set_layout_engine("none")  # what is placed once has its place in the other formats, too
        paths.append(path)
    figure.set_layout_engine(layout)
    return paths


def _print(figure: Figure, path: Path, kind: str, metadata: dict[str, str | None]) -> None:
    """Write a figure as PNG or PDF in one draw; ``savefig`` of a figure with a layout draws all of it twice."""
    canvas, dpi = figure.canvas, figure.dpi
    drawing: Any = CANVASES[kind](figure)
    try:
        getattr(drawing, f"print_{kind}")(path, metadata=metadata)
    finally:
        figure.set_canvas(canvas)
        figure.set_dpi(dpi)  # a page has 72 points in an inch


def _add_note(figure: Figure, note: str) -> None:
    """Write a note into the lower left corner, below all axes and labels; figures make room for it."""
    lines = wrap(note, figure.get_figwidth(), NOTE_LETTER)
    more, high = NOTE_LINE * (len(lines) - 1), figure.get_figheight()
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        strip = (NOTE_HEIGHT + more) / high
        layout.set(rect=(0, strip, 1, 1 - strip))
    elif more:
        higher = high + more
        figure.set_figheight(higher)
        for axes in figure.axes:
            left, bottom, width, height = axes.get_position().bounds
            axes.set_position((left, 1 - (1 - bottom) * high / higher, width, height * high / higher))
    figure.text(0.005, 0.005, "\n".join(lines), fontsize=8, color="0.35", parse_math=False)


ANIMATIONS: dict[str, Any] = {"gif": PillowWriter, "mp4": FFMpegWriter}
"""Format -> writer of matplotlib; MP4 needs the program ffmpeg."""


def save_animation(animation: Animation, stem: str | Path, format: str = "gif", *, fps: float = 5) -> Path:
    """Write an animation as ``<stem>.gif`` or ``<stem>.mp4``, whole or not at all; return the path.

    Args:
        fps: frames per second.

    Raises:
        InputError: another format, or mp4 without ffmpeg.
    """
    stem = Path(stem)
    if format not in ANIMATIONS:
        known = ", ".join(ANIMATIONS)
        raise InputError(
            f"{stem}: animation format {format!r}, expected one of {known}{nearest(format, ANIMATIONS)}"
        )
    if not ANIMATIONS[format].isAvailable():
        raise InputError(f"{stem}: mp4 needs ffmpeg, which is not installed; gif works without it")
    path = stem.with_name(f"{stem.name}.{format}")
    with atomic_file(path) as temporary:
        animation.save(temporary, writer=ANIMATIONS[format](fps=fps))
    return path
