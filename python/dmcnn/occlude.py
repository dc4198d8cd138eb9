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
    from dmcnn.inference.predictor import Trained
    from dmcnn.occlusion.result import OcclusionResult, Scan

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("occlude", occlude, argv)


def occlude(settings: OccludeSettings) -> None:
    """Scan the entries one after another; each leaves an npz and one figure per class."""
    from dmcnn.inference.predictor import open_trained
    from dmcnn.occlusion.result import Scan

    folder = output_folder(settings.output_dir)
    trained = open_trained(settings.weight_file, **settings.network())
    trained.needs_classes("occlusion")
    dataset = trained.dataset(settings.input_file)
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
        stem = folder / f"occlusion_test_{file.stem}_ENTRY_{event.events['entry'][0]}{settings.tag}"
        result = _result(trained, scan, event, stem)
        _draw(settings, trained, event, result, stem)
        settings.save(stem, f", weights {trained.sha256}")
        log.info("%s: %d windows, maps in %s.npz", file.name, len(result.logits), stem)


def _result(trained: Trained, scan: Scan, event: SparseImages, stem: Path) -> OcclusionResult:
    """Return the scan of one event: from its npz if that is of the same scan, else resumed from its journal."""
    from dmcnn._common.journal import Journal
    from dmcnn.occlusion.result import read, scan_event

    key = scan.key(event, trained.sha256, trained.precision)
    path = stem.with_name(stem.name + ".npz")
    found = scan.windows(event)
    if (finished := read(path, key, found)) is not None:
        return finished
    base = next(trained.logits([event]))[0]
    journal = Journal(stem.with_name(f".{stem.name}.journal"), key, len(base))
    engine = scan.dense(trained.batch_size, trained.precision, trained.card.scaling)
    result = scan_event(trained.net, event, found, engine, base, journal, label=stem.name)
    result.save(path, key, event, trained.card.classes, trained.scores)
    journal.close()
    return result


def _draw(
    settings: OccludeSettings, trained: Trained, event: SparseImages, result: OcclusionResult, stem: Path
) -> None:
    """Draw one figure per class, PNG and PDF; of boxes the strongest frame, and all in space and time."""
    from dmcnn.figures import attribution
    from dmcnn.figures import occlusion as figures
    from dmcnn.figures.save import save_figure

    image = event.dense()[0]
    for name, scored, base in zip(trained.card.classes, *result.maps(trained.scores), strict=True):
        has_frames = scored.ndim == 3
        figure = figures.score_map(
            figures.strongest_frame(scored, base) if has_frames else scored,
            name.capitalize(),
            event.meta[0, 0],
            normalized=settings.normalization,
            base_score=float(base),
            zoom_to=image.any(axis=0) if settings.zoom else None,
        )
        save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_map"))
        if has_frames:
            figure = attribution.scatter3d(
                image,
                event.meta[0, 0],
                title=f"{name.capitalize()} score under occlusion, untouched image {base:.4g}",
                bar_label=f"Change of the {name} score",
                values=scored - base,
                signed=True,
            )
            save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_space_time"))


if __name__ == "__main__":
    sys.exit(main())
