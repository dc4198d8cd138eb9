"""Event displays with scores: ``python -m dmcnn.display cfg/print_image_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import writable
from dmcnn.settings import DisplaySettings

if TYPE_CHECKING:
    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.trained import Trained

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("display", display, argv)


def display(settings: DisplaySettings) -> None:
    """Draw the chosen events, PNG and PDF."""
    from matplotlib import colormaps

    if settings.cmap not in colormaps:
        raise InputError(
            f"cmap = {settings.cmap!r} is no matplotlib colour map{nearest(settings.cmap, colormaps)}"
        )
    folder, logo = writable(settings.output_dir), _logo(settings)
    trained = _trained(settings)
    dataset = _dataset(settings, trained)
    scores = _known_scores(settings, dataset)
    if settings.top is not None:
        scores = scores if trained is None else _all_scores(settings, trained, dataset)
        entries = sorted(scores, key=lambda entry: (-scores[entry], entry))[: settings.top]
    else:
        entries = dataset.entries(settings.entries or 0)
    for entry in entries:
        event = dataset.read(entry, entry + 1)
        if settings.score_label and trained is not None and entry not in scores:
            scores[entry] = _score(settings, trained, event)
        stem = _draw(settings, dataset, event, scores.get(entry), folder, logo)
        log.info("%s.png, .pdf", stem)
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


def _known_scores(settings: DisplaySettings, dataset: Dataset) -> dict[int, float]:
    """Scores by entry number from score_csv; entries without a score are absent."""
    from dmcnn.writers import table

    if settings.score_csv is None:
        return {}
    if len(dataset.files) > 1:
        raise InputError(
            f"{settings.score_csv}: a score_csv belongs to one input file, not to {len(dataset.files)}"
        )
    values, _ = table.scores(settings.score_csv)
    rows = table.read(settings.score_csv, ["entry_number"])
    scores: dict[int, float] = {}
    for row, (word, score) in enumerate(zip(rows.column("entry_number"), values, strict=True)):
        entry = float(word) if word.strip() else -1.0
        if math.isnan(score) or entry < 0:
            continue
        if entry >= len(dataset):
            raise InputError(
                f"{rows.place(row)}: entry {word}, but {dataset.files[0]} has {len(dataset)} entries"
            )
        scores[int(entry)] = float(score)
    return scores


def _all_scores(settings: DisplaySettings, trained: Trained, dataset: Dataset) -> dict[int, float]:
    """Scores of all entries that hold an image."""
    from tqdm import tqdm

    scores: dict[int, float] = {}
    with tqdm(total=len(dataset), desc="scoring", unit="event") as bar:
        entry = 0
        for logits in trained.logits(dataset.chunks(64), settings.rotation):
            for score in trained.scores(logits)[:, trained.signal]:
                if not math.isnan(score):
                    scores[entry] = float(score)
                entry += 1
            bar.update(len(logits))
    return scores


def _score(settings: DisplaySettings, trained: Trained, event: SparseImages) -> float:
    logits = next(trained.logits([event], settings.rotation))
    return float(trained.scores(logits)[0, trained.signal])


def _draw(
    settings: DisplaySettings,
    dataset: Dataset,
    event: SparseImages,
    score: float | None,
    folder: Path,
    logo: Any,
) -> Path:
    """Draw one event; the path without suffix."""
    import numpy as np

    from dmcnn.figures.event import event_display
    from dmcnn.writers.figure import save_figure

    image = np.rot90(event.dense()[0, 0], settings.rotation // 90)
    figure = event_display(
        image,
        None if settings.rotation else event.meta[0, 0],
        event.events[0],
        label=settings.data_label if settings.data else settings.simulation_label,
        score=_score_text(settings, score),
        cmap=settings.cmap,
        gamma=settings.gamma,
        bar_label="Charge [ADC]" if settings.colorbar else None,
        logo=logo,
        transpose=settings.transpose,
    )
    figure.set_dpi(settings.dpi)
    file = dataset.files[int(event.events["file"][0])]
    stem = folder / f"{file.stem}_ENTRY_{event.events['entry'][0]}{settings.tag}"
    save_figure(figure, stem)
    return stem


def _score_text(settings: DisplaySettings, score: float | None) -> str:
    if not settings.score_label:
        return ""
    if score is None or math.isnan(score):
        return "Signal score: none"
    if settings.logit:
        inside = min(max(score, sys.float_info.min), 1 - sys.float_info.epsilon)
        return f"Signal score (logit): {math.log(inside / (1 - inside)):.3f}"
    return f"Signal score: {score:.3f}"


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
