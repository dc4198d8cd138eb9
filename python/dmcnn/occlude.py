"""Occlusion maps: ``python -m dmcnn.occlude cfg/occlusion_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.files import replacing, writable
from dmcnn.settings import OccludeSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("occlude", occlude, argv)


def occlude(settings: OccludeSettings) -> None:
    """Scan the entries one after another; each leaves an npz and one figure per class."""
    from dmcnn.inference.predictor import load_predictor, open_dataset

    folder = writable(settings.output_dir)
    predictor = load_predictor(settings.weight_file, **settings.network())
    predictor.task.need_classes("occlusion")
    dataset = open_dataset(predictor.card, settings.input_file)
    entries = dataset.entries(settings.entries)
    for entry in entries:
        event = dataset.read(entry, entry + 1)
        file = dataset.files[int(event.events["file"][0])]
        stem = folder / f"occlusion_test_{file.stem}_ENTRY_{event.events['entry'][0]}{settings.tag}"
        found = _scan(settings, predictor, event, stem)
        _draw(settings, predictor, event, found, stem)
        settings.save(stem, f", weights {predictor.sha256}")
        log.info("%s: %d windows, maps in %s.npz", file.name, len(found.rows), stem)


@dataclass(frozen=True)
class Scan:
    """Logits of an event with each window replaced: (n,) centres, (n, classes) logits, (classes,) untouched.

    ``frames`` are those of the centres, None where windows reach through all channels.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    logits: NDArray[np.float64]
    base: NDArray[np.float64]
    frames: NDArray[np.int64] | None


def _scan(settings: OccludeSettings, predictor: Predictor, event: SparseImages, stem: Path) -> Scan:
    """The scan of one event: taken from its npz if that is of the same scan, else resumed from its journal."""
    import numpy as np
    from tqdm import tqdm

    from dmcnn._common.journal import Journal
    from dmcnn.occlusion.windows import scan, windows

    key = _key(settings, predictor, event)
    path = stem.with_name(stem.name + ".npz")
    if path.exists():
        with np.load(path, allow_pickle=False) as old:
            if "key" in old and str(old["key"]) == json.dumps(key, sort_keys=True):
                frames = old.get("frames")
                return Scan(old["rows"], old["cols"], old["logits"], old["base_logits"], frames)
    found = windows(
        event,
        settings.occlusion_size,
        depth=settings.occlusion_depth,
        border=settings.border,
        stride=settings.stride,
    )
    base = next(predictor.logits([event]))[0]
    journal = Journal(stem.with_name(f".{stem.name}.journal"), key, len(base))
    done = len(journal)
    with tqdm(total=len(found), initial=done, desc=stem.name, unit="window") as bar:
        for part in scan(
            predictor.net,
            event,
            found,
            np.arange(done, len(found)),
            fill=settings.fill,
            seed=settings.seed_number,
            batch_size=settings.batch_size,
            precision=settings.precision,
            scaling=predictor.card.scaling,
        ):
            journal.append(part)
            bar.update(len(part))
    result = Scan(found.rows, found.columns, journal.rows[found.number], base, found.frames)
    _save(settings, predictor, event, result, key, path)
    journal.close()
    return result


def _key(settings: OccludeSettings, predictor: Predictor, event: SparseImages) -> dict[str, Any]:
    """What makes two scans the same scan."""
    from hashlib import sha256

    depth = {} if settings.occlusion_depth is None else {"depth": settings.occlusion_depth}
    return {
        **depth,
        "image": sha256(event.index.tobytes() + event.value.tobytes()).hexdigest(),
        "ids": [int(event.events[name][0]) for name in ("run", "subrun", "event", "entry")],
        "weights": predictor.sha256,
        "precision": predictor.precision,
        "k": settings.occlusion_size,
        "border": settings.border,
        "stride": settings.stride,
        "fill": [settings.fill, settings.seed_number if settings.fill == "noise" else None],
    }


def _save(
    settings: OccludeSettings,
    predictor: Predictor,
    event: SparseImages,
    found: Scan,
    key: dict[str, Any],
    path: Path,
) -> None:
    """The npz: rows, cols, scores (n, classes), base (classes,), k; the maps of all classes; who and what.

    Where windows have a depth, also that and the frames of the centres; maps are then (classes, T, H, W).
    """
    import numpy as np

    scores, base = predictor.task.scores(found.logits), predictor.task.scores(found.base[None])[0]
    boxes: dict[str, Any] = (
        {} if found.frames is None else {"frames": found.frames, "depth": settings.occlusion_depth}
    )
    maps = [_map(settings, event, found, scores[:, number], base[number]) for number in range(len(base))]
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            rows=found.rows,
            cols=found.columns,
            **boxes,
            scores=scores,
            base=base,
            k=settings.occlusion_size,
            logits=found.logits,
            base_logits=found.base,
            maps=np.stack(maps).astype(np.float32),
            classes=np.array(predictor.card.classes),
            event=event.events,
            meta=event.meta,
            key=json.dumps(key, sort_keys=True),
        )


def _map(
    settings: OccludeSettings, event: SparseImages, found: Scan, scores: NDArray[np.float64], base: float
) -> NDArray[np.float64]:
    from dmcnn.occlusion.windows import score_map

    shape = event.shape[1:] if found.frames is None else event.shape
    return score_map(shape, found.rows, found.columns, scores, base, settings.stride, found.frames)


def _draw(
    settings: OccludeSettings, predictor: Predictor, event: SparseImages, found: Scan, stem: Path
) -> None:
    """One figure per class, PNG and PDF; of boxes by their strongest frame, and all in space and time."""
    from dmcnn.figures import attribution
    from dmcnn.figures import occlusion as figures
    from dmcnn.figures.save import save_figure

    scores, base = predictor.task.scores(found.logits), predictor.task.scores(found.base[None])[0]
    image = event.dense()[0].any(axis=0)
    for number, name in enumerate(predictor.card.classes):
        scored = _map(settings, event, found, scores[:, number], base[number])
        figure = figures.score_map(
            scored if found.frames is None else figures.strongest_frame(scored, base[number]),
            name.capitalize(),
            event.meta[0, 0],
            normalized=settings.normalization,
            base_score=float(base[number]),
            zoom_to=image if settings.zoom else None,
        )
        save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_map"))
        if found.frames is not None:
            figure = attribution.scatter3d(
                event.dense()[0],
                event.meta[0, 0],
                title=f"{name.capitalize()} score under occlusion, untouched image {base[number]:.4g}",
                bar_label=f"Change of the {name} score",
                values=scored - base[number],
                signed=True,
            )
            save_figure(figure, stem.with_name(f"{stem.name}_{name.capitalize()}_space_time"))


if __name__ == "__main__":
    sys.exit(main())
