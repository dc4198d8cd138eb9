"""Event displays with scores: ``python -m dmcnn.display cfg/print_image_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.files import output_folder
from dmcnn._common.progress import ProgressBar
from dmcnn.settings import DisplaySettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.datasets.dataset import Dataset
    from dmcnn.datasets.selection import SelectedEvent
    from dmcnn.displays.event import Display
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Predictor
    from dmcnn.pages import EventPage
    from dmcnn.tasks import EventScores

log = logging.getLogger("dmcnn")

WAIT = 60.0
"""[s] Longest time to wait for another display of this name: most pictures have names of their own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("display", display, argv)


def display(settings: DisplaySettings) -> None:
    """Draw the selected events as pictures, animations and pages."""
    from dmcnn.displays.event import Display, DisplayOptions
    from dmcnn.figures.style import check_colours

    check_colours("cmap", settings.cmap)
    folder = output_folder(settings.output_dir)
    options = DisplayOptions(**settings.looks(), logo=_logo(settings))
    predictor = _predictor(settings)
    dataset = _dataset(settings, predictor)
    drawing = Display.open(
        options,
        predictor,
        dataset,
        folder,
        classes=settings.classes,
        distributions=settings.distributions,
        tag=settings.tag,
    )
    stem = folder / f"DM-CNN_display{settings.tag}"
    with settings.results_at(stem, dataset.files, named_by_file=True, wait=WAIT) as remarks:
        _draw(settings, predictor, dataset, drawing)
        if predictor is not None:
            remarks.append(predictor.reason)


def _draw(settings: DisplaySettings, predictor: Predictor | None, dataset: Dataset, drawing: Display) -> None:
    """Draw the selected events one by one, and write the page of all events."""
    if settings.distributions:
        drawing.draw_distributions()
    scores = _scores(settings, predictor, dataset)
    truth = [()] * len(dataset) if predictor is None else predictor.task.stored_truth(dataset)
    pages: list[EventPage] = []
    selection = [event.number for event in _select(settings, predictor, dataset, scores)]
    for number in ProgressBar(selection, desc="drawing", unit="event"):
        event = dataset.read(number, number + 1)
        event_scores = _score(settings, predictor, event, float(scores[number]), truth[number])
        event = event if drawing.dataset is dataset else drawing.dataset.read(number, number + 1)
        stem = drawing.stem(event)
        drawing.draw(number, event, event_scores)
        if "html" in settings.formats:
            from dmcnn.pages import event_page, save_page

            pages.append(drawing.page(number, event, event_scores))
            save_page(stem.with_name(f"{stem.name}.html"), [event_page(pages[-1])])
    if len(pages) > 1:
        _gallery(settings, pages, drawing.folder)


def _gallery(settings: DisplaySettings, pages: Sequence[EventPage], folder: Path) -> None:
    """Write one page of all events."""
    from dmcnn.pages import gallery, save_page

    path = folder / f"DM-CNN_display{settings.tag}.html"
    save_page(path, gallery(pages, settings.name or "Event display", settings.order))


def _predictor(settings: DisplaySettings) -> Predictor | None:
    """Load the network, or return None if its scores are not needed."""
    if settings.weight_file is None or settings.score_csv is not None:
        return None
    from dmcnn.inference.predictor import load_predictor

    predictor = load_predictor(settings.weight_file, **settings.network())
    if settings.needs_scores:
        predictor.task.need_classes("a choice of events by score")
    return predictor


def _dataset(settings: DisplaySettings, predictor: Predictor | None) -> Dataset:
    """Open the input with the reader options of the network, or without one with those of the settings."""
    from dmcnn.datasets.dataset import Dataset

    if predictor is not None:
        return predictor.open(settings.input_file)
    return Dataset(settings.input_file, **settings.reading())


def _scores(settings: DisplaySettings, predictor: Predictor | None, dataset: Dataset) -> NDArray[np.float64]:
    """Return the (n,) scores of all events from a table, or of the network if they are needed, else NaN."""
    import numpy as np

    from dmcnn.datasets import selection

    if settings.score_csv is not None:
        return selection.read_scores(settings.score_csv, dataset, settings.score_column)
    if predictor is not None and settings.needs_scores:
        from dmcnn.inference.stored_scores import ranking

        return ranking(predictor, dataset, Path(settings.output_dir), settings.rotation)
    return np.full(len(dataset), np.nan)


def _select(
    settings: DisplaySettings, predictor: Predictor | None, dataset: Dataset, scores: NDArray[np.float64]
) -> list[SelectedEvent]:
    """Return the selected events, by entry and by score, each once."""
    from dmcnn.datasets import selection

    by_number = selection.select_by_number(dataset, settings.entries)
    distances = None if settings.wrong is None else _distances(settings, predictor, dataset, scores)
    options = settings.score_options
    by_score = selection.select_by_score(scores, dataset.events["file"], distances=distances, **options)
    return selection.merge_reasons([*by_number, *by_score])


def _distances(
    settings: DisplaySettings, predictor: Predictor | None, dataset: Dataset, scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how wrong the events are classified, by the labels of a table or of the network."""
    if predictor is not None:
        from dmcnn.inference.selection import wrong_distances

        return wrong_distances(predictor, dataset, scores, settings.border_score)
    from dmcnn.datasets import selection

    signal, cut = settings.signal_label or "signal", settings.border_score
    return selection.read_distances(
        settings.score_csv or [], dataset, settings.score_column, cut=cut, signal=signal
    )


def _score(
    settings: DisplaySettings,
    predictor: Predictor | None,
    event: SparseImages,
    table_score: float,
    truth: Sequence[Any],
) -> EventScores:
    """Return the scores or estimates of one event by the network, or its score in the table (NaN = none)."""
    from dmcnn.tasks import EventScores

    if predictor is None:
        return EventScores({} if math.isnan(table_score) else {"signal": table_score}, "signal")
    return predictor.task.event_scores(next(predictor.logits([event], settings.rotation)), truth)


def _logo(settings: DisplaySettings) -> Any:
    """Read the logo, (h, w, 3 or 4); return None without one."""
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
            f"logo = {settings.logo!r}: not a readable picture ({type(error).__name__})"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
