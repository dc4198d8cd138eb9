"""Occlusion maps: ``python -m dmcnn.occlude cfg/occlusion_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.files import output_folder
from dmcnn.settings import OccludeSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Predictor
    from dmcnn.occlusion.result import OcclusionResult, Scan

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("occlude", occlude, argv)


def occlude(settings: OccludeSettings) -> None:
    """Scan the selected entries; write an npz and one figure per class for each."""
    from dmcnn.engines import choice
    from dmcnn.figures.style import check_colours
    from dmcnn.inference.predictor import load_predictor
    from dmcnn.occlusion.result import CHECKS, Scan

    check_colours("cmap", settings.cmap)
    folder = output_folder(settings.output_dir)
    predictor = load_predictor(settings.weight_file, **settings.network())
    predictor.task.need_classes("occlusion")
    dataset = predictor.open(settings.input_file)
    scan = Scan(
        settings.occlusion_size,
        settings.occlusion_depth,
        settings.border,
        settings.stride,
        settings.fill,
        settings.seed_number,
    )
    for entry in dataset.entries(settings.entries):
        event = dataset.read(entry, entry + 1)
        file = dataset.files[int(event.events["file"][0])]
        stem = folder / f"occlusion_test_{dataset.output_name(event)}{settings.tag}"
        with settings.results_at(stem, [file], predictor.sha256) as remarks:
            result = _result(predictor, scan, event, stem, choice.candidates(settings.engine))
            remarks.append(predictor.reason)
            _draw(
                settings, predictor, event, result, stem, dataset.file_origins[int(event.events["file"][0])]
            )
        if predictor.precision != "32":
            log.info(
                "%s: logits in %s differ from float32 by up to %.2g at %d windows, %.2g of the spread of the map",
                *(file.name, predictor.precision, result.error.max(), CHECKS, result.relative_error),
            )
        log.info("%s, entry %d: %d windows", file.name, event.events["entry"][0], len(result.logits))


def _result(
    predictor: Predictor, scan: Scan, event: SparseImages, stem: Path, engines: Sequence[str]
) -> OcclusionResult:
    """Return the result for one event: from the npz of the same scan, else scanned or resumed from the journal.

    A scan with any of ``engines`` is the same scan.
    """
    from dmcnn.engines import choice
    from dmcnn.occlusion.result import read, scan_event

    key = scan.key(event, predictor.sha256, predictor.precision)
    path, windows = stem.with_name(stem.name + ".npz"), scan.windows(event)
    for engine in engines:
        if (result := read(path, key | choice.word(engine), windows)) is not None:
            return result
    unfinished = stem.with_name(f".{stem.name}.journal")
    journal = predictor.journal(unfinished, key, predictor.task.outputs, [event])
    base = next(predictor.logits([event]))[0]
    forward = scan.dense(predictor.batch_size, predictor.precision, predictor.card.scaling)
    result = scan_event(predictor.network, event, windows, forward, base, journal, label=stem.name)
    key |= choice.word(predictor.engine)
    result.save(path, key, event, predictor.card.classes, predictor.task.need_classes("occlusion").scores)
    journal.close()
    return result


def _draw(
    settings: OccludeSettings,
    predictor: Predictor,
    event: SparseImages,
    result: OcclusionResult,
    stem: Path,
    note: str,
) -> None:
    """Draw one figure per class, as PNG and PDF; of boxes the strongest frame, and all voxels in space and time.

    ``note`` is the origin of the event.
    """
    from dmcnn.figures import attribution
    from dmcnn.figures import occlusion as figures
    from dmcnn.figures.save import save_figure

    image = event.dense()[0]
    maps = result.maps(predictor.task.need_classes("occlusion").scores)
    for name, scores, base in zip(predictor.card.classes, *maps, strict=True):
        has_frames = scores.ndim == 3
        figure = figures.score_map(
            figures.strongest_frame(scores, base) if has_frames else scores,
            name.capitalize(),
            event.meta[0, 0],
            normalized=settings.normalization,
            base_score=float(base),
            zoom_to=image.any(axis=0) if settings.zoom else None,
            cmap=settings.cmap,
        )
        save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_map"), note=note)
        if has_frames:
            figure = attribution.scatter3d(
                image,
                event.meta[0, 0],
                title=f"{name.capitalize()} score under occlusion, untouched image {base:.4g}",
                bar_label=f"Change of the {name} score",
                values=scores - base,
                signed=True,
            )
            save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_space_time"), note=note)


if __name__ == "__main__":
    sys.exit(main())
