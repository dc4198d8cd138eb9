"""Display of one event: pictures, animations and page, with its names and scores."""

from __future__ import annotations

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
from dmcnn.displays.space_time import DatasetCells, film, frames, voxels
from dmcnn.figures.event import event_display, ids
from dmcnn.figures.image_axes import channel_name, quantity, value_label
from dmcnn.figures.save import save_animation, save_figure
from dmcnn.images.sparse import UNSET, SparseImages, is_volume
from dmcnn.pages import EventPage

if TYPE_CHECKING:  # these need torch, which pictures without a network do not
    from dmcnn.inference.predictor import Predictor
    from dmcnn.tasks import EventScores

PICTURES, FILMS = {"png", "pdf"}, {"gif", "mp4"}
"""Formats of figures, and of animations of time frames."""


@dataclass(frozen=True, kw_only=True)
class DisplayOptions:
    """Options of the pictures of all events.

    Attributes:
        formats: formats of the output: png, pdf, gif, mp4, html.
        label: text on every picture of events whose file does not state their origin.
        data: whether the events are data of a detector, which simulated ones are not.
        score_label: whether the score is written on the picture.
        logit: whether the score s is written as log(s / (1 - s)).
        colorbar: whether a colour bar is drawn.
        logo: (h, w, 3 or 4) picture in a corner; None = no logo.
        rotation: [degrees] rotation of the image, counter-clockwise.
        transpose: whether rows are on the horizontal axis.
        zoom: whether only the part of the image with charge is drawn.
        cmap, gamma: colour map, and the exponent of its scale.
        dpi: [pixels per inch] resolution.
    """

    formats: Sequence[str] = ("png", "pdf")
    label: str = ""
    data: bool = False
    score_label: bool = True
    logit: bool = False
    colorbar: bool = True
    logo: Any = None
    rotation: int = 0
    transpose: bool = False
    zoom: bool = True
    cmap: str = "viridis"
    gamma: float = 0.35
    dpi: int = 150


@dataclass(frozen=True)
class Display:
    """Display of the events of a dataset.

    Attributes:
        options: options of the pictures.
        dataset: events as they are drawn.
        folder: folder of all output files.
        cells: energy and time of the cells; None for files without them.
        classes: (n,) true class of every event; None = unknown.
        tag: end of the names of all output files.
    """

    options: DisplayOptions
    dataset: Dataset
    folder: Path
    cells: DatasetCells | None
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
        """Return the display of a dataset.

        Events of files without cells are drawn as the files store them, whatever the input of the network is.

        Args:
            options: options of the pictures.
            predictor: network whose scores are written; None = no network.
            dataset: events.
            folder: folder of all output files.
            classes: names of the class numbers in the files; None = true classes by the rule of the network.
            distributions: whether distributions of the cells will be drawn.
            tag: end of the names of all output files.

        Raises:
            InputError: animations of events without time frames, distributions of files without cells, or files of
                simulated events as data of a detector.
        """
        films, framed = set(options.formats) & FILMS, is_volume(dataset.axis0, dataset.shape)
        names = ", ".join(map(str, dataset.files))
        if films and not framed:
            raise InputError(
                f"{names}: format = {min(films)!r} needs time frames, images are {dataset.shape}"
            )
        for file, kind in zip(dataset.files, dataset.file_kinds, strict=True):
            if options.data and "sample" in kind:
                raise InputError(
                    f"{file}: data = True, but the file states that dmcnn simulated its events (sample "
                    f"{kind['sample']})"
                )
        cells = DatasetCells.from_dataset(dataset)
        if distributions and cells is None:
            raise InputError(f"{names}: distributions = True needs files of energy and time")
        true_classes = _classes(classes, predictor, dataset)
        drawn = dataset if predictor is None or cells is not None else dataset.as_drawn()
        return cls(options, drawn, folder, cells, true_classes, tag)

    def stem(self, event: SparseImages) -> Path:
        """Return the path of the output files of one event, without suffix."""
        return self.folder / f"{self.dataset.output_name(event)}{self.tag}"

    def origin(self, event: SparseImages) -> str:
        """Return the origin of an event: as its file states it, else the text of the user."""
        return self.dataset.file_origins[int(event.events["file"][0])] or self.options.label

    def draw_distributions(self) -> None:
        """Write the figure of the energies and times of all cells, by class."""
        assert self.cells is not None
        figure = self.cells.distributions([name or "all events" for name in self.classes])
        path = self.folder / f"DM-CNN_display{self.tag}_distributions"
        note = ", ".join(dict.fromkeys(self.dataset.file_origins))
        kinds = [kind for kind in self.options.formats if kind in PICTURES] or ["png"]
        save_figure(figure, path, kinds, note=note or self.options.label)

    def draw(self, number: int, event: SparseImages, scores: EventScores) -> None:
        """Write all pictures and animations of one event, the ``number``-th of the dataset."""
        stem, options = self.stem(event), self.options
        pictures = [kind for kind in options.formats if kind in PICTURES]
        for end, figure in self._figures(number, event, scores) if pictures else ():
            figure.set_dpi(options.dpi)
            save_figure(figure, stem.with_name(stem.name + end), pictures)
        edges, unit = self.dataset.frame_edges, self.dataset.frame_unit
        for kind in sorted(set(options.formats) & FILMS):
            title = ", ".join(filter(None, [self.origin(event), self._title(number, event)]))
            animation = film(event, edges, title, unit)
            save_animation(animation, stem.with_name(f"{stem.name}_frames"), kind)

    def _figures(self, number: int, event: SparseImages, scores: EventScores) -> Iterator[tuple[str, Figure]]:
        """Yield (end of the file name, figure) of the cells, if there are any, of the frames, or of every plane."""
        options = self.options
        above = ", ".join(filter(None, [self.origin(event), self._title(number, event)]))
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
        """Yield (end of the file name, figure) of every plane."""
        options, known = self.options, event.events["run"][0] != UNSET
        title = "" if known else self._title(number, event)
        label = ", ".join(filter(None, [self.origin(event), title]))
        for channel, plane in enumerate(event.dense()[0]):
            meta = event.meta[0, channel]
            figure = event_display(
                np.rot90(plane, options.rotation // 90),
                None if options.rotation else meta,
                event.events[0] if known else None,
                label=label,
                plane=channel_name(meta, event.axis0, channel),
                score=_score_text(options, scores),
                cmap=options.cmap,
                gamma=options.gamma,
                bar_label=value_label(meta) if options.colorbar else None,
                logo=options.logo,
                transpose=options.transpose,
                zoom=options.zoom,
            )
            yield "" if event.shape[0] == 1 else f"_channel{channel}", figure

    def _title(self, number: int, event: SparseImages) -> str:
        """Return the ids of an event, or its entry, and its true class."""
        known = event.events["run"][0] != UNSET
        name = ids(event.events[0]) if known else f"entry {event.events['entry'][0]}"
        return ", ".join(filter(None, [name, self.classes[number]]))

    def page(self, number: int, event: SparseImages, scores: EventScores) -> EventPage:
        """Return the content of the interactive page of an event; a rotation changes the scores only."""
        return EventPage(
            image=event.dense()[0],
            meta=event.meta[0],
            event=event.events[0],
            source=self.dataset.short_source(event),
            scores=scores.named,
            label=self.classes[number],
            quantity=quantity(event.meta[0, 0]),
            text=", ".join(filter(None, [self.origin(event), *scores.estimates])),
            volume=event.is_volume,
            axis0=event.axis0,
        )


def _classes(
    classes: Sequence[str] | None, predictor: Predictor | None, dataset: Dataset
) -> list[str | None]:
    """Return the (n,) true classes by the label rule of the network, or by the class numbers in the files.

    Events of a regression network have none.
    """
    if predictor is not None and classes is None:
        return [word if isinstance(word, str) else None for word in predictor.task.truth(dataset)]
    names = classes or []
    true_classes: list[str | None] = []
    for number in dataset.stored_classes.tolist():
        name = names[number] if 0 <= number < len(names) else f"class {number}"
        true_classes.append(name if number >= 0 else None)
    return true_classes


def _score_text(options: DisplayOptions, scores: EventScores) -> str:
    """Return the text of the signal score, without a signal class of the most likely class, or of the estimates."""
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
        # scores of exactly 0 and 1 have no logit
        score = min(max(score, sys.float_info.min), 1 - sys.float_info.epsilon)
        return f"{title} (logit): {math.log(score / (1 - score)):.3f}"
    return f"{title}: {score:.3f}"
