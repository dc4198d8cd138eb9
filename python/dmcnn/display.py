"""Event displays with scores: ``python -m dmcnn.display cfg/print_image_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing, writable
from dmcnn.settings import DisplaySettings

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.pages import EventPage
    from dmcnn.selection import Chosen
    from dmcnn.spacetime import Cells
    from dmcnn.trained import Trained

log = logging.getLogger("dmcnn")

PICTURES, FILMS = {"png", "pdf"}, {"gif", "mp4"}
"""Formats of figures, and of time frames one after another."""


@dataclass(frozen=True)
class Scores:
    """Class -> score of one event (NaN: no image), and which class is the signal."""

    named: dict[str, float]
    signal: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("display", display, argv)


def display(settings: DisplaySettings) -> None:
    """Draw the chosen events, as pictures and as pages."""
    _check_colours(settings)
    folder, logo = writable(settings.output_dir), _logo(settings)
    trained = _trained(settings)
    dataset = _dataset(settings, trained)
    show = Show.of(settings, trained, dataset, folder, logo)
    if settings.distributions:
        show.distributions()
    scores = _scores(settings, trained, dataset)
    pages: list[EventPage] = []
    for one in _chosen(settings, dataset, scores):
        event = dataset.read(one.number, one.number + 1)
        found = _score(settings, trained, event, float(scores[one.number]))
        stem = show.stem(event)
        show.draw(one.number, event, found)
        if "html" in settings.formats:
            from dmcnn.pages import event_page

            pages.append(show.page(one.number, event, found))
            with replacing(stem.with_name(f"{stem.name}.html")) as temporary:
                temporary.write_text(event_page(pages[-1]), encoding="utf-8")
        log.info("%s.%s", stem, ", .".join(settings.formats))
    if len(pages) > 1:
        _gallery(settings, pages, folder)
    settings.save(folder / f"DM-CNN_display{settings.tag}")


def _check_colours(settings: DisplaySettings) -> None:
    from matplotlib import colormaps

    if settings.cmap not in colormaps:
        raise InputError(
            f"cmap = {settings.cmap!r} is no matplotlib colour map{nearest(settings.cmap, colormaps)}"
        )


def _gallery(settings: DisplaySettings, pages: Sequence[EventPage], folder: Path) -> None:
    """One page of all events."""
    from dmcnn.pages import gallery

    path = folder / f"DM-CNN_display{settings.tag}.html"
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(gallery(pages, settings.name or "Event display", settings.order))
    log.info("%s", path)


def _trained(settings: DisplaySettings) -> Trained | None:
    """The network, unless nothing needs its scores."""
    if settings.weight_file is None or settings.score_csv is not None:
        return None
    from dmcnn.trained import open_trained

    trained = open_trained(settings.weight_file, **settings.network())
    trained.needs_classes("the score of a display")
    return trained


def _dataset(settings: DisplaySettings, trained: Trained | None) -> Dataset:
    from dmcnn.datasets import Dataset

    if trained is not None:
        return trained.dataset(settings.input_file)
    return Dataset(settings.input_file, **settings.reading())


def _scores(settings: DisplaySettings, trained: Trained | None, dataset: Dataset) -> NDArray[np.float64]:
    """(n,) the score of every event if the choice needs them or a table has them, else NaN."""
    import numpy as np

    from dmcnn import selection

    if settings.score_csv is not None:
        return selection.from_tables(settings.score_csv, dataset, settings.score_column)
    if trained is not None and settings.ranks:
        return trained.ranking(trained.all_logits(dataset, settings.rotation))
    return np.full(len(dataset), np.nan)


def _chosen(settings: DisplaySettings, dataset: Dataset, scores: NDArray[np.float64]) -> list[Chosen]:
    from dmcnn import selection

    asked = selection.by_number(dataset, settings.entries)
    return selection.each_once(
        [*asked, *selection.by_score(scores, dataset.events["file"], **settings.by_score)]
    )


def _score(settings: DisplaySettings, trained: Trained | None, event: SparseImages, known: float) -> Scores:
    """The scores of one event: all of the network's, or the one that a table has."""
    if trained is None:
        return Scores({} if math.isnan(known) else {"signal": known}, "signal")
    found = trained.scores(next(trained.logits([event], settings.rotation)))[0]
    named = {name: float(score) for name, score in zip(trained.card.classes, found, strict=True)}
    return Scores(named, trained.card.signal)


@dataclass(frozen=True)
class Show:
    """What all events of a display have in common.

    Attributes:
        cells: energy and time of the cells, of files that hold them.
        classes: (n,) true class of every event, if it is shown.
    """

    settings: DisplaySettings
    dataset: Dataset
    folder: Path
    logo: Any
    cells: Cells | None
    classes: list[str | None]

    @classmethod
    def of(
        cls, settings: DisplaySettings, trained: Trained | None, dataset: Dataset, folder: Path, logo: Any
    ) -> Show:
        """InputError if the events cannot be shown as the settings ask."""
        from dmcnn.spacetime import Cells, has_frames

        films, framed = set(settings.formats) & FILMS, has_frames(dataset.shape)
        names = ", ".join(map(str, dataset.files))
        if films and not framed:
            raise InputError(
                f"{names}: format = {min(films)!r} needs time frames, images are {dataset.shape}"
            )
        cells = Cells.of(dataset, settings.reading() if trained is None else trained.reading)
        if settings.distributions and cells is None:
            raise InputError(f"{names}: distributions = True needs files of energy and time")
        classes: list[str | None] = [None] * len(dataset)
        if framed or cells is not None:
            classes = _classes(settings, trained, dataset)
        return cls(settings, dataset, folder, logo, cells, classes)

    def stem(self, event: SparseImages) -> Path:
        """The path of a picture without suffix."""
        file = self.dataset.files[int(event.events["file"][0])]
        return self.folder / f"{file.stem}_ENTRY_{event.events['entry'][0]}{self.settings.tag}"

    def distributions(self) -> None:
        """Energies and times of the cells of each class, in all events."""
        from dmcnn.writers.figure import save_figure

        assert self.cells is not None
        figure = self.cells.distributions([name or "all events" for name in self.classes])
        path = self.folder / f"DM-CNN_display{self.settings.tag}_distributions"
        save_figure(figure, path, [kind for kind in self.settings.formats if kind in PICTURES] or ["png"])
        log.info("%s", path)

    def draw(self, number: int, event: SparseImages, scores: Scores) -> None:
        """All pictures of one event, and its frames one after another."""
        from dmcnn.spacetime import film
        from dmcnn.writers.figure import save_animation, save_figure

        stem, settings = self.stem(event), self.settings
        pictures = [kind for kind in settings.formats if kind in PICTURES]
        for end, figure in self._figures(number, event, scores) if pictures else ():
            figure.set_dpi(settings.dpi)
            save_figure(figure, stem.with_name(stem.name + end), pictures)
        for kind in sorted(set(settings.formats) & FILMS):
            shown = film(event, self.dataset.frame_edges, self._words(number, event))
            save_animation(shown, stem.with_name(f"{stem.name}_frames"), kind)

    def _figures(self, number: int, event: SparseImages, scores: Scores) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure: of the cells if there are any, of the frames, or of every plane."""
        from dmcnn.spacetime import frames, has_frames, voxels

        settings, edges = self.settings, self.dataset.frame_edges
        above = ", ".join(filter(None, [_label(settings), self._words(number, event)]))
        text = "\n".join(filter(None, [above, _score_text(settings, scores)]))
        if self.cells is not None:
            for name, figure in self.cells.figures(number, text):
                yield f"_{name}", figure
        if has_frames(event.shape):
            if self.cells is None:
                yield "_space_time", voxels(event, text, settings.cmap, settings.gamma)
            yield "_frames", frames(event, edges, text)
        elif self.cells is None or self.cells.dataset is not self.dataset:
            yield from self._planes(event, scores)

    def _planes(self, event: SparseImages, scores: Scores) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure of every plane."""
        import numpy as np

        from dmcnn.figures.event import event_display
        from dmcnn.figures.frame import value_label

        settings = self.settings
        for channel, plane in enumerate(event.dense()[0]):
            meta = event.meta[0, channel]
            figure = event_display(
                np.rot90(plane, settings.rotation // 90),
                None if settings.rotation else meta,
                event.events[0],
                label=_label(settings),
                score=_score_text(settings, scores),
                cmap=settings.cmap,
                gamma=settings.gamma,
                bar_label=value_label(meta) if settings.colorbar else None,
                logo=self.logo,
                transpose=settings.transpose,
            )
            yield "" if event.shape[0] == 1 else f"_channel{channel}", figure

    def _words(self, number: int, event: SparseImages) -> str:
        """Which event it is, and what it truly is."""
        from dmcnn.figures.event import ids
        from dmcnn.images import UNSET

        known = event.events["run"][0] != UNSET
        name = ids(event.events[0]) if known else f"entry {event.events['entry'][0]}"
        return ", ".join(filter(None, [name, self.classes[number]]))

    def page(self, number: int, event: SparseImages, scores: Scores) -> EventPage:
        """What the interactive page of an event shows; a rotation applies to the score alone."""
        from dmcnn.figures.frame import quantity
        from dmcnn.pages import EventPage

        return EventPage(
            image=event.dense()[0],
            meta=event.meta[0],
            event=event.events[0],
            source=self.dataset.source(event),
            scores=scores.named,
            label=self.classes[number],
            quantity=quantity(event.meta[0, 0]),
            text=_label(self.settings),
        )


def _classes(settings: DisplaySettings, trained: Trained | None, dataset: Dataset) -> list[str | None]:
    """(n,) true class of every event: by the rule of training, else by the number that its file stores."""
    if trained is not None and settings.classes is None:
        return trained.labels(dataset)
    names = settings.classes or []
    found: list[str | None] = []
    for number in dataset.stored_classes.tolist():
        known = names[number] if number < len(names) else f"class {number}"
        found.append(known if number >= 0 else None)
    return found


def _label(settings: DisplaySettings) -> str:
    return settings.data_label if settings.data else settings.simulation_label


def _score_text(settings: DisplaySettings, scores: Scores) -> str:
    """The signal score, or without a signal class the likeliest class and its score."""
    if not settings.score_label:
        return ""
    if scores.signal is None:
        name = max(scores.named, key=lambda word: scores.named[word])
        title, score = f"Predicted: {name}, score", scores.named[name]
    else:
        title, score = "Signal score", scores.named.get(scores.signal, math.nan)
    if math.isnan(score):
        return f"{title}: none"
    if settings.logit:
        inside = min(max(score, sys.float_info.min), 1 - sys.float_info.epsilon)
        return f"{title} (logit): {math.log(inside / (1 - inside)):.3f}"
    return f"{title}: {score:.3f}"


def _logo(settings: DisplaySettings) -> Any:
    """The picture for the corner, or None."""
    if settings.logo is True:
        log.warning(
            "warning: logo = True: DM-CNN's logo was never published; give the path of a picture instead"
        )
    if isinstance(settings.logo, bool):
        return None
    from matplotlib.image import imread

    try:
        return imread(settings.logo)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"logo = {settings.logo!r}: not a picture that can be read ({type(error).__name__})"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
