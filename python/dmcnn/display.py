"""Event displays with scores: ``python -m dmcnn.display cfg/print_image_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file, output_folder
from dmcnn.settings import DisplaySettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.datasets.dataset import Dataset
    from dmcnn.datasets.selection import SelectedEvent
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Predictor
    from dmcnn.pages import EventPage
    from dmcnn.tasks import EventScores

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("display", display, argv)


def display(settings: DisplaySettings) -> None:
    """Draw the chosen events, as pictures and as pages."""
    from dmcnn.displays.event import Display, DisplayOptions

    _check_colours(settings)
    folder = output_folder(settings.output_dir)
    options = DisplayOptions(**settings.looks(), logo=_logo(settings))
    predictor = _predictor(settings)
    dataset = _dataset(settings, predictor)
    shown = Display.open(
        options,
        predictor,
        dataset,
        folder,
        classes=settings.classes,
        distributions=settings.distributions,
        tag=settings.tag,
    )
    if settings.distributions:
        shown.distributions()
    scores = _scores(settings, predictor, dataset)
    truth = [()] * len(dataset) if predictor is None else predictor.task.stored_truth(dataset)
    pages: list[EventPage] = []
    for one in _chosen(settings, dataset, scores):
        event = dataset.read(one.number, one.number + 1)
        found = _score(settings, predictor, event, float(scores[one.number]), truth[one.number])
        event = event if shown.dataset is dataset else shown.dataset.read(one.number, one.number + 1)
        stem = shown.stem(event)
        shown.draw(one.number, event, found)
        if "html" in settings.formats:
            from dmcnn.pages import event_page

            pages.append(shown.page(one.number, event, found))
            with atomic_file(stem.with_name(f"{stem.name}.html")) as temporary:
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
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(gallery(pages, settings.name or "Event display", settings.order))
    log.info("%s", path)


def _predictor(settings: DisplaySettings) -> Predictor | None:
    """The network, unless nothing needs its scores."""
    if settings.weight_file is None or settings.score_csv is not None:
        return None
    from dmcnn.inference.predictor import load_predictor

    predictor = load_predictor(settings.weight_file, **settings.network())
    if settings.needs_scores:
        predictor.task.need_classes("a choice of events by score")
    return predictor


def _dataset(settings: DisplaySettings, predictor: Predictor | None) -> Dataset:
    from dmcnn.datasets.dataset import Dataset

    if predictor is not None:
        from dmcnn.inference.predictor import open_dataset

        return open_dataset(predictor.card, settings.input_file)
    return Dataset(settings.input_file, **settings.reading())


def _scores(settings: DisplaySettings, predictor: Predictor | None, dataset: Dataset) -> NDArray[np.float64]:
    """(n,) the score of every event if the choice needs them or a table has them, else NaN."""
    import numpy as np

    from dmcnn.datasets import selection

    if settings.score_csv is not None:
        return selection.read_scores(settings.score_csv, dataset, settings.score_column)
    if predictor is not None and settings.needs_scores:
        return predictor.task.ranking(predictor.all_logits(dataset, settings.rotation))
    return np.full(len(dataset), np.nan)


def _chosen(settings: DisplaySettings, dataset: Dataset, scores: NDArray[np.float64]) -> list[SelectedEvent]:
    from dmcnn.datasets import selection

    asked = selection.select_by_number(dataset, settings.entries)
    return selection.merge_reasons(
        [*asked, *selection.select_by_score(scores, dataset.events["file"], **settings.score_options)]
    )


def _score(
    settings: DisplaySettings,
    predictor: Predictor | None,
    event: SparseImages,
    known: float,
    truth: Sequence[Any],
) -> EventScores:
    """The scores of one event: all of the network's, or the one that a table has; or its estimates."""
    from dmcnn.tasks import EventScores

    if predictor is None:
        return EventScores({} if math.isnan(known) else {"signal": known}, "signal")
    return predictor.task.event_scores(next(predictor.logits([event], settings.rotation)), truth)


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
