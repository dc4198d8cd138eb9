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
    from dmcnn.displays.event import Scores
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Trained
    from dmcnn.pages import EventPage

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("display", display, argv)


def display(settings: DisplaySettings) -> None:
    """Draw the chosen events, as pictures and as pages."""
    from dmcnn.displays.event import Show

    _check_colours(settings)
    folder, logo = output_folder(settings.output_dir), _logo(settings)
    trained = _trained(settings)
    dataset = _dataset(settings, trained)
    show = Show.of(settings, trained, _shown(settings, trained, dataset), folder, logo)
    if settings.distributions:
        show.distributions()
    scores, truth = _scores(settings, trained, dataset), _truth(trained, dataset)
    pages: list[EventPage] = []
    for one in _chosen(settings, dataset, scores):
        event = dataset.read(one.number, one.number + 1)
        found = _score(settings, trained, event, float(scores[one.number]), truth[one.number])
        event = event if show.dataset is dataset else show.dataset.read(one.number, one.number + 1)
        stem = show.stem(event)
        show.draw(one.number, event, found)
        if "html" in settings.formats:
            from dmcnn.pages import event_page

            pages.append(show.page(one.number, event, found))
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


def _trained(settings: DisplaySettings) -> Trained | None:
    """The network, unless nothing needs its scores."""
    if settings.weight_file is None or settings.score_csv is not None:
        return None
    from dmcnn.inference.predictor import open_trained

    trained = open_trained(settings.weight_file, **settings.network())
    if settings.needs_scores:
        trained.needs_classes("a choice of events by score")
    return trained


def _dataset(settings: DisplaySettings, trained: Trained | None) -> Dataset:
    from dmcnn.datasets.dataset import Dataset

    if trained is not None:
        return trained.dataset(settings.input_file)
    return Dataset(settings.input_file, **settings.reading())


def _shown(settings: DisplaySettings, trained: Trained | None, dataset: Dataset) -> Dataset:
    """The events as they are drawn: charges of pixels in electrons, whatever the network takes of them."""
    from dmcnn.datasets.dataset import Dataset

    if trained is None or trained.reading.get("charge", "electrons") == "electrons":
        return dataset
    kept = {key: value for key, value in trained.reading.items() if not key.startswith("charge")}
    return Dataset(settings.input_file, **kept)


def _truth(trained: Trained | None, dataset: Dataset) -> NDArray[np.float64]:
    """(n, k) the true values of what the network estimates, NaN where they are not known."""
    import numpy as np

    targets = [] if trained is None else trained.card.targets
    try:
        return dataset.stored_targets(targets) if targets else np.zeros((len(dataset), 0))
    except InputError:
        return np.full((len(dataset), len(targets)), np.nan)


def _scores(settings: DisplaySettings, trained: Trained | None, dataset: Dataset) -> NDArray[np.float64]:
    """(n,) the score of every event if the choice needs them or a table has them, else NaN."""
    import numpy as np

    from dmcnn.datasets import selection

    if settings.score_csv is not None:
        return selection.read_scores(settings.score_csv, dataset, settings.score_column)
    if trained is not None and settings.needs_scores:
        return trained.ranking(trained.all_logits(dataset, settings.rotation))
    return np.full(len(dataset), np.nan)


def _chosen(settings: DisplaySettings, dataset: Dataset, scores: NDArray[np.float64]) -> list[SelectedEvent]:
    from dmcnn.datasets import selection

    asked = selection.select_by_number(dataset, settings.entries)
    return selection.merge_reasons(
        [*asked, *selection.select_by_score(scores, dataset.events["file"], **settings.score_options)]
    )


def _score(
    settings: DisplaySettings,
    trained: Trained | None,
    event: SparseImages,
    known: float,
    truth: NDArray[np.float64],
) -> Scores:
    """The scores of one event: all of the network's, or the one that a table has; or its estimates."""
    from dmcnn.displays.event import Scores

    if trained is None:
        return Scores({} if math.isnan(known) else {"signal": known}, "signal")
    outputs = next(trained.logits([event], settings.rotation))
    if trained.card.targets:
        return Scores({}, estimates=_estimates(trained, outputs, truth))
    named = dict(zip(trained.card.classes, map(float, trained.scores(outputs)[0]), strict=True))
    return Scores(named, trained.card.signal)


def _estimates(trained: Trained, outputs: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[str, ...]:
    """A line for every target: its estimate, with two digits of the uncertainty, and what is true."""
    import numpy as np

    from dmcnn.evaluation.regression.predictions import unit
    from dmcnn.figures.style import rounded
    from dmcnn.metrics import gaussian

    if np.isnan(outputs).any():
        return ("no estimate",)
    mean, factor = trained.estimates(outputs)
    sigma = gaussian.sigma(factor)[0]
    lines = []
    for name, value, error, true in zip(trained.card.targets, mean[0], sigma, truth, strict=True):
        known = "" if math.isnan(true) else f" (true {rounded(true, error).partition(' ')[0]})"
        measured = f"{rounded(value, error)} {unit(name)}".rstrip()
        found = f"{measured}{known}".replace("-", "−")
        lines.append(f"{name}: {found}")
    return tuple(lines)


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
