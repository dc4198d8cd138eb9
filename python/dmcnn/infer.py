"""Score every entry of every file: ``python -m dmcnn.infer cfg/inference_config_binary.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand, output_folder
from dmcnn.settings import InferSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmcnn.datasets.dataset import Dataset
    from dmcnn.inference.predictor import Trained
    from dmcnn.tables.table import Table

log = logging.getLogger("dmcnn")

CHUNK = 64
"""Entries between two writes to the journal, or one batch, if that is more: what an interrupt can cost."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("infer", infer, argv)


@dataclass(frozen=True)
class Job:
    """One image file, the analysis CSV that goes with it, and where its scores go (without suffix)."""

    image_file: str
    analysis_csv: str | None
    stem: Path
    histogram: Path


def infer(settings: InferSettings) -> None:
    """Score the files one after another."""
    from dmcnn.inference.predictor import open_trained

    jobs = _jobs(settings, output_folder(settings.output_dir))
    trained = open_trained(settings.weight_file, **settings.network())
    for key in ("rotation", "label"):
        if getattr(settings, key):
            trained.needs_classes(key)
    datasets = [trained.dataset(job.image_file) for job in jobs]
    tables = [_analysis(job) for job in jobs]
    labels = [[] if trained.card.targets else trained.labels(dataset, settings.label) for dataset in datasets]
    for job, dataset, analysis, label in zip(jobs, datasets, tables, labels, strict=True):
        _score_file(settings, trained, job, dataset, analysis, label)


def _jobs(settings: InferSettings, folder: Path) -> list[Job]:
    """One job per file; InputError if two would write the same output, or the CSVs do not pair with the files."""
    from dmcnn.datasets.dataset import expand as expand_inputs

    files = expand_inputs(settings.input_file)
    csvs: Sequence[str | None] = expand(settings.input_csv) if settings.input_csv else [None] * len(files)
    if len(csvs) != len(files):
        raise InputError(
            f"input_csv names {len(csvs)} files for {len(files)} input files: give one each, in order"
        )
    jobs = [
        Job(
            str(file),
            table,
            folder / f"{file.stem}_DM-CNN_scores{settings.tag}",
            folder / f"{file.stem}_DM-CNN_signal_score_distribution{settings.tag}",
        )
        for file, table in zip(files, csvs, strict=True)
    ]
    for target, count in Counter(job.stem for job in jobs).items():
        if count > 1:
            raise InputError(
                f"{count} input files would all write {target}.csv: score them into different output_dir"
            )
    return jobs


def _analysis(job: Job) -> Table | None:
    from dmcnn.tables import table

    return None if job.analysis_csv is None else table.read(job.analysis_csv, table.IDS)


def _score_file(
    settings: InferSettings,
    trained: Trained,
    job: Job,
    dataset: Dataset,
    analysis: Table | None,
    labels: list[str | None],
) -> None:
    """Scores of one file, resumed from its journal, then the CSV and the histogram."""
    import numpy as np

    from dmcnn._common.journal import Journal
    from dmcnn.figures.save import save_figure
    from dmcnn.inference.score_table import of_classes, of_estimates
    from dmcnn.tables import join, table

    key = {
        "file": dataset.fingerprint(),
        "weights": trained.sha256,
        "reading": trained.reading,
        "precision": trained.precision,
        "rotation": settings.rotation,
    }
    journal = Journal(job.stem.with_name(f".{job.stem.name}.journal"), key, trained.card.outputs + 2)
    _score(trained, dataset, journal, settings.rotation)
    outputs, pixels = journal.rows[:, :-2], journal.rows[:, -2:].astype(np.int64)
    status = "scored" if analysis is None else ""
    if trained.card.targets:
        scored = of_estimates(trained, dataset, outputs, pixels, status)
    else:
        scored = of_classes(trained, dataset, outputs, pixels[:, 0], labels, status)
    if analysis is not None:
        scored, coverage = join.join_by_ids(scored, analysis)
    out = job.stem.with_name(job.stem.name + ".csv")
    table.write(out, scored)
    log.info("\n".join(dataset.report_lines()))
    log.info("\n".join(coverage.lines() if analysis is not None else _coverage(dataset, outputs)))
    settings.save(job.stem, f", weights {trained.sha256}")
    if not trained.card.targets:
        save_figure(_histogram(trained, dataset, trained.scores(outputs)), job.histogram)
    journal.close()
    log.info("scores: %s", out)


def _histogram(trained: Trained, dataset: Dataset, scores: NDArray[np.float64]) -> Figure:
    """The signal scores of all entries; without a signal class, the scores of all classes."""
    from dmcnn.figures import classification

    if trained.has_signal:
        return classification.scores({dataset.files[0].stem: scores[:, trained.signal]}, density=False)
    named = {f"score of {name}": scores[:, i] for i, name in enumerate(trained.card.classes)}
    return classification.scores(named, density=False)


def _score(trained: Trained, dataset: Dataset, journal: Any, rotation: int) -> None:
    """Append outputs, n_pixels and cluster size (for estimates) of every entry that the journal does not hold yet."""
    import numpy as np
    from tqdm import tqdm

    with tqdm(total=len(dataset), initial=len(journal), desc=dataset.files[0].name, unit="event") as bar:
        size = max(CHUNK, trained.batch_size)
        for start in range(len(journal), len(dataset), size):
            stop = min(start + size, len(dataset))
            chunk = dataset.read(start, stop)
            in_any = dataset.cluster_sizes(start, stop) if trained.card.targets else chunk.n_pixels
            found = []
            for part in trained.logits([chunk], rotation):
                found.append(part)
                bar.update(len(part))
            journal.append(np.column_stack([np.concatenate(found), chunk.n_pixels, in_any]))


def _coverage(dataset: Dataset, outputs: NDArray[np.float64]) -> list[str]:
    """How many entries were scored, and how many of those with ids share them."""
    import numpy as np

    from dmcnn.images.sparse import UNSET

    known = dataset.events[dataset.events["event"] != UNSET]
    ids = Counter(map(tuple, known[["run", "subrun", "event"]].tolist()))
    shared = sum(count for count in ids.values() if count > 1)
    missing = int(np.isnan(outputs[:, 0]).sum())
    return [
        f"entries: {len(outputs)}, scored {len(outputs) - missing}, without image {missing}, "
        f"sharing their ids {shared}"
    ]


if __name__ == "__main__":
    sys.exit(main())
