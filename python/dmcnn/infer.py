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
    from dmcnn._common.journal import Journal
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.inference.predictor import Predictor
    from dmcnn.tables.table import Table
    from dmcnn.tasks.base import Truth

log = logging.getLogger("dmcnn")


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
    with ProgressBar(total=sum(map(len, datasets)), desc="scoring", unit="event") as bar:
        for job, dataset, analysis, truth in zip(jobs, datasets, tables, labels, strict=True):
            with settings.results_at(job.stem, [job.image_file], predictor.sha256) as remarks:
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
            folder / f"{name}_DM-CNN_scores{settings.tag}",
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
    """Score one file, resuming from its journal; write the table and the histogram; ``bar`` counts the events.

    ``truth`` is that of every entry by the label rule ``rule``.
    """
    from dmcnn.figures.save import save_figure
    from dmcnn.inference.score_table import score_table
    from dmcnn.tables import join, table

    with dataset.unchanged() as fingerprint:
        journal = _journal(settings, predictor, job, dataset, fingerprint)
        bar.skip(len(journal))
        for rows in predictor.dataset_rows(dataset, rotation=settings.rotation, first=len(journal), bar=bar):
            journal.append(rows)
    log.info("\n".join(dataset.report_lines()))
    status = "scored" if analysis is None else ""
    about = predictor.task, dataset.events, dataset.sources
    results = score_table(*about, journal.rows, truth, status, rule=rule, origins=dataset.origins).text()
    if analysis is None:
        log.info(join.describe_entries(results))
    else:
        results, coverage = join.join_by_ids(results, analysis)
        log.info("\n".join(coverage.lines()))
    out = job.stem.with_name(job.stem.name + ".csv")
    table.write(out, results)
    outputs = journal.rows[:, :-2]
    if (figure := predictor.task.histogram(outputs, dataset.files[0].stem)) is not None:
        save_figure(figure, job.histogram, note=dataset.file_origins[0])
    journal.close()


def _journal(
    settings: InferSettings, predictor: Predictor, job: Job, dataset: Dataset, fingerprint: str
) -> Journal:
    """Return the journal of one file."""
    from dmcnn.inference.predictor import EVENTS

    key = {
        "weights": predictor.sha256,
        "reading": predictor.card.reading,
        "precision": predictor.precision,
        "rotation": settings.rotation,
        "file": fingerprint,
    }
    path, width = job.stem.with_name(f".{job.stem.name}.journal"), predictor.task.outputs + 2
    old = {"file": dataset.old_fingerprint()}
    return predictor.journal(path, key, width, dataset.chunks(EVENTS), settings.rotation, old)


if __name__ == "__main__":
    sys.exit(main())
