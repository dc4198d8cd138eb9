"""Display of one event: its pictures, frames and page, and what is said of it."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.displays.space_time import Cells, film, frames, voxels
from dmcnn.figures.event import event_display, ids
from dmcnn.figures.image_axes import quantity, value_label
from dmcnn.figures.save import save_animation, save_figure
from dmcnn.images.sparse import UNSET, SparseImages, is_volume
from dmcnn.pages import EventPage

if TYPE_CHECKING:  # it needs torch, which pictures without a network do without
    from dmcnn.inference.predictor import Predictor
    from dmcnn.tasks import EventScores

log = logging.getLogger("dmcnn")

PICTURES, FILMS = {"png", "pdf"}, {"gif", "mp4"}
"""Formats of figures, and of time frames one after another."""


@dataclass(frozen=True, kw_only=True)
class DisplayOptions:
    """Looks of the pictures of all events.

    Attributes:
        formats: png, pdf, gif, mp4, html.
        label: text on every picture.
        score_label: whether the score is written on the picture.
        logit: whether it is written as log(score/(1-score)).
        colorbar: whether a colour bar is drawn.
        logo: (h, w, 3 or 4) picture in a corner.
        rotation: [degrees] counter-clockwise, of the image.
        transpose: whether rows are on the horizontal axis.
        cmap, gamma: colour map, and the exponent of its scale.
        dpi: [pixels per inch].
    """

    formats: Sequence[str] = ("png", "pdf")
    label: str = ""
    score_label: bool = True
    logit: bool = False
    colorbar: bool = True
    logo: Any = None
    rotation: int = 0
    transpose: bool = False
    cmap: str = "jet"
    gamma: float = 0.35
    dpi: int = 150


@dataclass(frozen=True)
class Display:
    """What all events of a display have in common.

    Attributes:
        cells: energy and time of the cells, of files that hold them.
        classes: (n,) true class of every event, if it is shown.
        tag: end of the names of all files.
    """

    options: DisplayOptions
    dataset: Dataset
    folder: Path
    cells: Cells | None
    classes: list[str | None]
    tag: str = ""

    @classmethod
    def open(
        cls,
        options: DisplayOptions,
        predictor: Predictor | None,
        dataset: Dataset,
        folder: Path,
        *,
        classes: Sequence[str] | None = None,
        distributions: bool = False,
        tag: str = "",
    ) -> Display:
        """Return what they have in common.

        Without cells the events of a network are drawn as files hold them, whatever the network takes of them.

        Args:
            options: looks.
            predictor: the network whose scores are written, if there is one.
            dataset: the events.
            folder: of all files.
            classes: names of the classes whose numbers files store; None = those of the network.
            distributions: whether energies and times of the cells of each class are to be drawn.
            tag: end of the names of all files.

        Raises:
            InputError: the events have no time frames, or no cells, and something needs them.
        """
        films, framed = set(options.formats) & FILMS, is_volume(dataset.axis0, dataset.shape)
        names = ", ".join(map(str, dataset.files))
        if films and not framed:
            raise InputError(
                f"{names}: format = {min(films)!r} needs time frames, images are {dataset.shape}"
            )
        cells = Cells.of(dataset)
        if distributions and cells is None:
            raise InputError(f"{names}: distributions = True needs files of energy and time")
        names_of: list[str | None] = [None] * len(dataset)
        if framed or cells is not None:
            names_of = _classes(classes, predictor, dataset)
        shown = dataset if predictor is None or cells is not None else dataset.as_drawn()
        return cls(options, shown, folder, cells, names_of, tag)

    def stem(self, event: SparseImages) -> Path:
        """The path of a picture without suffix."""
        file = self.dataset.files[int(event.events["file"][0])]
        return self.folder / f"{file.stem}_ENTRY_{event.events['entry'][0]}{self.tag}"

    def distributions(self) -> None:
        """Energies and times of the cells of each class, in all events."""
        assert self.cells is not None
        figure = self.cells.distributions([name or "all events" for name in self.classes])
        path = self.folder / f"DM-CNN_display{self.tag}_distributions"
        save_figure(figure, path, [kind for kind in self.options.formats if kind in PICTURES] or ["png"])
        log.info("%s", path)

    def draw(self, number: int, event: SparseImages, scores: EventScores) -> None:
        """All pictures of one event, and its frames one after another."""
        stem, options = self.stem(event), self.options
        pictures = [kind for kind in options.formats if kind in PICTURES]
        for end, figure in self._figures(number, event, scores) if pictures else ():
            figure.set_dpi(options.dpi)
            save_figure(figure, stem.with_name(stem.name + end), pictures)
        edges, unit = self.dataset.frame_edges, self.dataset.frame_unit
        for kind in sorted(set(options.formats) & FILMS):
            shown = film(event, edges, self._words(number, event), unit)
            save_animation(shown, stem.with_name(f"{stem.name}_frames"), kind)

    def _figures(self, number: int, event: SparseImages, scores: EventScores) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure: of the cells if there are any, of the frames, or of every plane."""
        options = self.options
        above = ", ".join(filter(None, [options.label, self._words(number, event)]))
        text = "\n".join(filter(None, [above, _score_text(options, scores)]))
        if self.cells is not None:
            for name, figure in self.cells.figures(number, text):
                yield f"_{name}", figure
        if event.is_volume:
            if self.cells is None:
                yield "_space_time", voxels(event, text, options.cmap, options.gamma)
            yield "_frames", frames(event, self.dataset.frame_edges, text, self.dataset.frame_unit)
        elif self.cells is None or self.cells.dataset is not self.dataset:
            yield from self._planes(number, event, scores)

    def _planes(self, number: int, event: SparseImages, scores: EventScores) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure of every plane."""
        options, known = self.options, event.events["run"][0] != UNSET
        label = ", ".join(filter(None, [options.label, "" if known else self._words(number, event)]))
        for channel, plane in enumerate(event.dense()[0]):
            meta = event.meta[0, channel]
            figure = event_display(
                np.rot90(plane, options.rotation // 90),
                None if options.rotation else meta,
                event.events[0] if known else None,
                label=label,
                score=_score_text(options, scores),
                cmap=options.cmap,
                gamma=options.gamma,
                bar_label=value_label(meta) if options.colorbar else None,
                logo=options.logo,
                transpose=options.transpose,
            )
            yield "" if event.shape[0] == 1 else f"_channel{channel}", figure

    def _words(self, number: int, event: SparseImages) -> str:
        """Which event it is, and what it truly is."""
        known = event.events["run"][0] != UNSET
        name = ids(event.events[0]) if known else f"entry {event.events['entry'][0]}"
        return ", ".join(filter(None, [name, self.classes[number]]))

    def page(self, number: int, event: SparseImages, scores: EventScores) -> EventPage:
        """What the interactive page of an event shows; a rotation applies to the score alone."""
        return EventPage(
            image=event.dense()[0],
            meta=event.meta[0],
            event=event.events[0],
            source=self.dataset.source(event),
            scores=scores.named,
            label=self.classes[number],
            quantity=quantity(event.meta[0, 0]),
            text=", ".join(filter(None, [self.options.label, *scores.estimates])),
            volume=event.is_volume,
        )


def _classes(
    classes: Sequence[str] | None, predictor: Predictor | None, dataset: Dataset
) -> list[str | None]:
    """(n,) true class of every event: by the rule of training, else by the number that its file stores."""
    if predictor is not None and classes is None:
        return list(predictor.task.truth(dataset))
    names = classes or []
    found: list[str | None] = []
    for number in dataset.stored_classes.tolist():
        known = names[number] if 0 <= number < len(names) else f"class {number}"
        found.append(known if number >= 0 else None)
    return found


def _score_text(options: DisplayOptions, scores: EventScores) -> str:
    """The signal score, or without a signal class the likeliest class and its score."""
    if not options.score_label:
        return ""
    if scores.estimates:
        return "\n".join(scores.estimates)
    if scores.signal is None:
        name = max(scores.named, key=lambda word: scores.named[word])
        title, score = f"Predicted: {name}, score", scores.named[name]
    else:
        title, score = "Signal score", scores.named.get(scores.signal, math.nan)
    if math.isnan(score):
        return f"{title}: none"
    if options.logit:
        inside = min(max(score, sys.float_info.min), 1 - sys.float_info.epsilon)
        return f"{title} (logit): {math.log(inside / (1 - inside)):.3f}"
    return f"{title}: {score:.3f}"
