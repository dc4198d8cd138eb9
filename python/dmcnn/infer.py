"""Score every entry of every file: ``python -m dmcnn.infer cfg/inference_config_binary.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.files import distinct_names, expand, output_folder
from dmcnn._common.progress import ProgressBar
from dmcnn._common.provenance import check_provenance, provenance_of
from dmcnn.settings import InferSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn._common.journal import Journal
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.inference.predictor import Predictor
    from dmcnn.tables.table import Table
    from dmcnn.tasks.base import Truth

log = logging.getLogger("dmcnn")

ALIGNED = 8
"""[entries] Shares begin at multiples of it, so that batches of 1, 2, 4 or 8 are those of the work without shares."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("infer", infer, argv)


@dataclass(frozen=True)
class Job:
    """Work on one image file: its path, its analysis CSV, and the output paths without suffix."""

    image_file: str
    analysis_csv: str | None
    stem: Path
    histogram: Path


def infer(settings: InferSettings) -> None:
    """Score all image files, and write a table and a histogram for each."""
    from dmcnn.inference.predictor import load_predictor

    if settings.farm is not None:
        settings = settings.run_farm("infer")
    jobs = _jobs(settings, output_folder(settings.output_dir))
    for job in jobs:  # before any work
        check_provenance(job.stem.with_name(job.stem.name + ".cfg"), provenance_of([job.image_file]))
    predictor = load_predictor(settings.weight_file, **settings.network())
    for key in ("rotation", "label"):
        if getattr(settings, key):
            predictor.task.need_classes(key)
    datasets = [predictor.open(job.image_file) for job in jobs]
    tables = [_analysis(job) for job in jobs]
    for dataset in datasets:
        known = predictor.card.data.get("training", {}).get("fingerprint")
        if known in (dataset.fingerprint(), dataset.old_fingerprint()):
            log.warning("warning: %s: holds the events that the network was trained on", dataset.files[0])
    labels = [predictor.task.labels(dataset, settings.label) for dataset in datasets]
    total = sum(len(_part(settings, dataset)) for dataset in datasets)
    with ProgressBar(total=total, desc="scoring", unit="event", disable=settings.check_shares) as bar:
        for job, dataset, analysis, truth in zip(jobs, datasets, tables, labels, strict=True):
            with settings.results_at(job.stem, [job.image_file], predictor.sha256) as remarks:
                if settings.check_shares:
                    remarks.append(_merge(settings, predictor, job, dataset, analysis))
                else:
                    _score_file(settings, predictor, job, dataset, analysis, *truth, bar)
                    remarks.append(predictor.reason)


def _jobs(settings: InferSettings, folder: Path) -> list[Job]:
    """Return one job per image file.

    Raises:
        InputError: another number of CSVs than of image files.
    """
    from dmcnn.datasets.event_files import expand as expand_inputs

    files = expand_inputs(settings.input_file)
    csvs: Sequence[str | None] = expand(settings.input_csv) if settings.input_csv else [None] * len(files)
    if len(csvs) != len(files):
        raise InputError(
            f"input_csv names {len(csvs)} files for {len(files)} input files: give one each, in order"
        )
    return [
        Job(
            str(file),
            table,
            folder / f"{name}_DM-CNN_scores{settings.tag}{settings.share_tag}",
            folder / f"{name}_DM-CNN_signal_score_distribution{settings.tag}",
        )
        for file, table, name in zip(files, csvs, distinct_names(files), strict=True)
    ]


def _analysis(job: Job) -> Table | None:
    """Read the analysis CSV of an image file, and check its ids before hours of scoring; return None without one."""
    from dmcnn.tables import join, table

    if job.analysis_csv is None:
        return None
    analysis = table.read(job.analysis_csv)
    join.event_ids(analysis)
    return analysis


def _part(settings: InferSettings, dataset: Dataset) -> Dataset:
    """Return the entries of the share, which follow one another; without shares all of them."""
    first, end = settings.own_share.span(len(dataset), ALIGNED)
    return dataset[first:end]


def _score_file(
    settings: InferSettings,
    predictor: Predictor,
    job: Job,
    dataset: Dataset,
    analysis: Table | None,
    truth: Truth,
    rule: str,
    bar: ProgressBar,
) -> None:
    """Score one file, or a share of it, resuming from its journal; write its results; ``bar`` counts the events.

    ``truth`` is that of every entry by the label rule ``rule``.
    """
    from dmcnn.inference.score_table import score_table
    from dmcnn.tables import table

    part, (first, end) = _part(settings, dataset), settings.own_share.span(len(dataset), ALIGNED)
    with part.unchanged() as fingerprint:
        journal = _journal(settings, predictor, job, part, dataset, fingerprint)
        bar.skip(len(journal))
        for rows in predictor.dataset_rows(part, rotation=settings.rotation, first=len(journal), bar=bar):
            journal.append(rows)
    log.info("\n".join(part.report_lines()))
    status = "scored" if analysis is None else ""
    about = predictor.task, part.events, part.sources
    results = score_table(
        *about,
        journal.rows,
        truth[first:end],
        status,
        rule=rule,
        origins=part.origins,
        windows=part.windows(),
    ).text()
    if settings.share is None:
        _write(predictor, job, dataset, results, analysis, journal.rows[:, :-2])
    else:
        table.write(job.stem.with_name(job.stem.name + ".csv"), results)
    journal.close()


def _write(
    predictor: Predictor,
    job: Job,
    dataset: Dataset,
    results: Table,
    analysis: Table | None,
    outputs: NDArray[np.float64],
) -> None:
    """Write the table and the histogram of one file; ``outputs`` are those of the network, (n, m)."""
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import join, table

    if analysis is None:
        log.info(join.describe_entries(results))
    else:
        results, coverage = join.join_by_ids(results, analysis)
        log.info("\n".join(coverage.lines()))
    table.write(job.stem.with_name(job.stem.name + ".csv"), results)
    if (figure := predictor.task.histogram(outputs, dataset.files[0].stem)) is not None:
        save_figure(figure, job.histogram, note=dataset.file_origins[0])


def _merge(
    settings: InferSettings, predictor: Predictor, job: Job, dataset: Dataset, analysis: Table | None
) -> str:
    """Write the results of all shares of a file as if there had been none; return their certificate.

    Raises:
        InputError: a share is missing, or of another kind.
    """
    import numpy as np

    from dmcnn.tables import table

    weights = predictor.sha256
    finished = settings.shares_at(job.stem, [job.image_file], weights)
    count = next(iter(finished)).count
    settings.check_all(job.stem, finished, {number: [] for number in range(count)})
    tables = [table.read(f"{stem}.csv", ["entry_number"]) for stem in finished.values()]
    entries = [word for part in tables for word in part.column("entry_number")]
    if entries != table.text(dataset.events["entry"]):
        raise InputError(
            f"{job.stem}_share*of{count}: the tables do not hold every entry of {job.image_file} once, in order"
        )
    whole = [part for part in tables if len(part)]  # a table without rows may lack columns
    results = table.Table.concatenate(whole or tables[:1])
    logits = [f"logit_{name}" for name in predictor.card.classes if not predictor.card.targets]
    outputs = [table.scores_of(results, name)[0] for name in logits]
    _write(
        predictor, job, dataset, results, analysis, np.array(outputs, np.float64).reshape(len(logits), -1).T
    )
    return settings.certificate(count, weights, f"{len(entries)} entries of {job.image_file}")


def _journal(
    settings: InferSettings,
    predictor: Predictor,
    job: Job,
    part: Dataset,
    whole: Dataset,
    fingerprint: str,
) -> Journal:
    """Return the journal of a part of one file; all parts choose the engine by the first events of the whole file."""
    from dmcnn.inference.predictor import EVENTS

    key = {
        "weights": predictor.sha256,
        "reading": predictor.card.reading,
        "precision": predictor.precision,
        "rotation": settings.rotation,
        "file": fingerprint,
    }
    path, width = job.stem.with_name(f".{job.stem.name}.journal"), predictor.task.outputs + 2
    old = {"file": part.old_fingerprint()}
    return predictor.journal(path, key, width, whole.chunks(EVENTS), settings.rotation, old)


if __name__ == "__main__":
    sys.exit(main())
