"""Write a network for other programs: ``python -m dmcnn.export weight_file=… [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.extras import is_installed
from dmcnn._common.files import output_folder
from dmcnn.settings import ExportSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import torch

    from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")

PIXELS = 2**21
"""Largest number of pixels in the images of one kind that check a file, unless two images have more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("export", export, argv)


def export(settings: ExportSettings) -> None:
    """Write one file per format; each is run and compared with the network before it gets its name."""
    from dmcnn.inference.predictor import load_predictor

    folder = output_folder(settings.output_dir)
    predictor = load_predictor(
        settings.weight_file,
        model=settings.model,
        overrides=settings.reading(),
        gpuid="cpu",
        **settings.resnet(),
    )
    stem = folder / f"{Path(settings.weight_file).stem}{settings.tag}"
    with settings.results_at(stem.with_name(stem.name + "_export"), [settings.weight_file], predictor.sha256):
        _write(settings, predictor, stem)


def _write(settings: ExportSettings, predictor: Predictor, stem: Path) -> None:
    """Write the files ``stem`` + ending of all formats, and log how they agree with the network."""
    from dmcnn.exports import FORMATS, layer_table
    from dmcnn.quantisation.quantisers import is_quantised

    images = _images(settings, predictor)
    possible = [
        name
        for name, form in FORMATS.items()
        if (is_quantised(predictor.net) or not form.quantised)
        and (not form.library or is_installed(form.library))
    ]
    chosen = settings.formats or possible
    if predictor.card.temperature != 1:
        divided = ", ".join(name for name in chosen if FORMATS[name].divides)
        other = ", ".join(name for name in chosen if FORMATS[name].quantised)
        if divided:
            log.info(
                "%s: outputs are logits / %.4g, of calibrated scores", divided, predictor.card.temperature
            )
        if other:
            text = "warning: %s: outputs are logits, which calibrated scores divide by %.4g (in the file)"
            log.warning(text, other, predictor.card.temperature)
    for name in chosen:
        path = stem.with_name(stem.name + FORMATS[name].ending)
        agreement = FORMATS[name].export(path, predictor.net, predictor.card, images)
        log.info(
            "%s: %s",
            path,
            agreement or "\n" + "\n".join(layer_table.lines(layer_table.rows(predictor.net, predictor.card))),
        )


def _images(settings: ExportSettings, predictor: Predictor) -> torch.Tensor:
    """Return (n, C, H, W) float32 images, random ones and those of the input files, scaled for the network."""
    import math

    import torch

    from dmcnn.engines.dense import to_tensor
    from dmcnn.exports.probe_images import random_images
    from dmcnn.images.scaling import scale_

    count = min(settings.events, max(2, PIXELS // math.prod(predictor.card.shape)))
    images = random_images(predictor.net, predictor.card, count, settings.seed_number)
    if settings.input_file is not None:
        dataset = predictor.open(settings.input_file)
        events = dataset.read(0, min(count, len(dataset)))
        events = events.take(events.has_image)
        if not len(events):
            raise InputError(f"input_file: no image among the first {count} events")
        images = torch.cat([images, scale_(to_tensor(events), predictor.card.scaling)])
    return images


if __name__ == "__main__":
    sys.exit(main())
