"""Write a network for other programs: ``python -m dmcnn.export weight_file=… [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.files import writable
from dmcnn.settings import ExportSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import torch

    from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")

PIXELS = 2**21
"""In all images of one kind that files are checked with, but of two images at least."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("export", export, argv)


def export(settings: ExportSettings) -> None:
    """One file per format, each written, run and compared before it gets its name."""
    from dmcnn.exports import FORMATS, layer_table
    from dmcnn.inference.predictor import load_predictor
    from dmcnn.quantisation.quantisers import is_quantised

    folder = writable(settings.output_dir)
    predictor = load_predictor(
        settings.weight_file, model=settings.model, overrides=settings.reading(), gpuid="cpu"
    )
    images = _images(settings, predictor)
    stem = folder / f"{Path(settings.weight_file).stem}{settings.tag}"
    possible = [name for name, one in FORMATS.items() if is_quantised(predictor.net) or not one.quantised]
    for name in settings.formats or possible:
        path = stem.with_name(stem.name + FORMATS[name].ending)
        found = FORMATS[name].export(path, predictor.net, predictor.card, images)
        log.info(
            "%s: %s",
            path,
            found or "\n" + "\n".join(layer_table.lines(layer_table.rows(predictor.net, predictor.card))),
        )
    settings.save(stem.with_name(stem.name + "_export"), f", weights {predictor.sha256}")


def _images(settings: ExportSettings, predictor: Predictor) -> torch.Tensor:
    """(n, C, H, W) random images, and those of the input files, as the network takes them."""
    import math

    import torch

    from dmcnn.engines.dense import to_tensor
    from dmcnn.exports.probe_images import random
    from dmcnn.images.scaling import scale_
    from dmcnn.inference.predictor import open_dataset

    count = min(settings.events, max(2, PIXELS // math.prod(predictor.card.shape)))
    found = random(predictor.net, predictor.card, count, settings.seed_number)
    if settings.input_file is not None:
        dataset = open_dataset(predictor.card, settings.input_file)
        read = dataset.read(0, min(count, len(dataset)))
        read = read.take(read.has_image)
        if not len(read):
            raise InputError(f"input_file: no image among the first {count} events")
        found = torch.cat([found, scale_(to_tensor(read), predictor.card.scaling)])
    return found


if __name__ == "__main__":
    sys.exit(main())
