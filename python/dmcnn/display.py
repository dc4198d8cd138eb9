"""Event displays with scores: ``python -m dmcnn.display cfg/print_image_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing, writable
from dmcnn.settings import DisplaySettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.pages import EventPage
    from dmcnn.selection import Chosen
    from dmcnn.trained import Trained

log = logging.getLogger("dmcnn")


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
    from matplotlib import colormaps

    if settings.cmap not in colormaps:
        raise InputError(
            f"cmap = {settings.cmap!r} is no matplotlib colour map{nearest(settings.cmap, colormaps)}"
        )
    folder, logo = writable(settings.output_dir), _logo(settings)
    trained = _trained(settings)
    dataset = _dataset(settings, trained)
    scores = _scores(settings, trained, dataset)
    chosen = _chosen(settings, dataset, scores)
    pages: list[EventPage] = []
    if "html" in settings.formats:
        from dmcnn.pages import event_page, gallery
    for one in chosen:
        event = dataset.read(one.number, one.number + 1)
        found = _score(settings, trained, event, float(scores[one.number]))
        stem = _stem(settings, dataset, event, folder)
        if pictures := [kind for kind in settings.formats if kind != "html"]:
            _draw(settings, event, found, stem, logo, pictures)
        if "html" in settings.formats:
            pages.append(_page(settings, dataset, event, found))
            with replacing(stem.with_name(f"{stem.name}.html")) as temporary:
                temporary.write_text(event_page(pages[-1]), encoding="utf-8")
        log.info("%s.%s", stem, ", .".join(settings.formats))
    if len(pages) > 1:
        path = folder / f"DM-CNN_display{settings.tag}.html"
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(gallery(pages, settings.name or "Event display", settings.order))
        log.info("%s", path)
    settings.save(folder / f"DM-CNN_display{settings.tag}")


def _trained(settings: DisplaySettings) -> Trained | None:
    """The network, unless nothing needs its scores."""
    if settings.weight_file is None or settings.score_csv is not None:
        return None
    from dmcnn.trained import open_trained

    return open_trained(settings.weight_file, **settings.network())


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

    numbers = [] if settings.entries is None else dataset.entries(settings.entries)
    asked = [selection.Chosen(number, f"entry {number}") for number in numbers]
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


def _stem(settings: DisplaySettings, dataset: Dataset, event: SparseImages, folder: Path) -> Path:
    """The path of a picture without suffix."""
    file = dataset.files[int(event.events["file"][0])]
    return folder / f"{file.stem}_ENTRY_{event.events['entry'][0]}{settings.tag}"


def _draw(
    settings: DisplaySettings,
    event: SparseImages,
    scores: Scores,
    stem: Path,
    logo: Any,
    formats: list[str],
) -> None:
    """Draw the image of one event, or each of its planes."""
    import numpy as np

    from dmcnn.figures.event import event_display
    from dmcnn.figures.frame import value_label
    from dmcnn.writers.figure import save_figure

    for channel, plane in enumerate(event.dense()[0]):
        figure = event_display(
            np.rot90(plane, settings.rotation // 90),
            None if settings.rotation else event.meta[0, channel],
            event.events[0],
            label=_label(settings),
            score=_score_text(settings, scores),
            cmap=settings.cmap,
            gamma=settings.gamma,
            bar_label=value_label(event.meta[0, channel]) if settings.colorbar else None,
            logo=logo,
            transpose=settings.transpose,
        )
        figure.set_dpi(settings.dpi)
        end = "" if event.shape[0] == 1 else f"_channel{channel}"
        save_figure(figure, stem.with_name(stem.name + end), formats)


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


def _page(settings: DisplaySettings, dataset: Dataset, event: SparseImages, scores: Scores) -> EventPage:
    """What the interactive page of an event shows; a rotation applies to the score alone."""
    from dmcnn.figures.frame import value_unit
    from dmcnn.pages import EventPage

    return EventPage(
        image=event.dense()[0],
        meta=event.meta[0],
        event=event.events[0],
        source=dataset.source(event),
        scores=scores.named,
        unit=value_unit(event.meta[0, 0]),
        text=_label(settings),
    )


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
