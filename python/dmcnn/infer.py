"""Score every entry of every file: ``python -m dmcnn.infer cfg/inference_config_binary.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import InputError
from dmcnn._common.files import distinct_names, expand, note, output_folder, record_files
from dmcnn._common.fingerprint import path_fingerprint
from dmcnn._common.progress import ProgressBar
from dmcnn._common.provenance import check_provenance, provenance_of
from dmcnn.settings import InferSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.images.variations import Variation
    from dmcnn.inference.entries import Numbers
    from dmcnn.inference.score_table import Kind
    from dmcnn.inference.scoring import FileEvents, Scoring
    from dmcnn.tables.table import Table

log = logging.getLogger("dmcnn")

ALIGNED = 8
"""[entries] Shares begin at multiples of it, so that batches of 1, 2, 4 or 8 are those of the work without shares."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("infer", infer, argv)


@dataclass(frozen=True)
class Job:
    """Work on one image file: its path, its analysis CSV, and the output paths, those of figures without suffix."""

    image_file: str
    analysis_csv: str | None
    stem: Path
    histogram: Path
    robustness: Path

    @property
    def cfg(self) -> Path:
        """The saved settings."""
        return self.stem.with_name(self.stem.name + ".cfg")


def infer(settings: InferSettings) -> None:
    """Score all image files by all networks, and write a table, a histogram and a coverage report for each."""
    from dmcnn.inference import outputs
    from dmcnn.inference.networks import identity, named_files

    if settings.farm is not None:
        settings = settings.run_farm("infer")
    jobs = _jobs(settings, output_folder(settings.output_dir))
    for job in jobs:  # before any work
        check_provenance(job.cfg, provenance_of([job.image_file]))
    weights = named_files(settings.weight_file)
    states = {job.image_file: _state(settings, job, jobs, identity(weights)) for job in jobs}
    open_jobs = [
        job
        for job in jobs
        if settings.check_shares or not outputs.is_finished(job.cfg, states[job.image_file])
    ]
    if open_jobs and (settings.entries, settings.entry_list, settings.from_csv) != (None, None, None):
        open_jobs = jobs  # entries are chosen from all files
    for job in jobs:
        if job not in open_jobs:
            log.info("%s: finished before, from the same file, weights and settings", job.stem)
    if open_jobs:
        _score(settings, open_jobs, weights, states)
    if settings.share is None:
        _sum_up(settings, jobs, identity(weights))


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
            folder / f"{name}_DM-CNN_robustness{settings.tag}{settings.share_tag}.csv",
        )
        for file, table, name in zip(files, csvs, distinct_names(files), strict=True)
    ]


def _state(settings: InferSettings, job: Job, jobs: Sequence[Job], weights: str) -> str:
    """Return what tells whether the results of a file would be the same again."""
    from xxhash import xxh3_128_hexdigest

    import dmcnn

    lists = [path for key in (settings.from_csv, settings.entry_list) if key for path in expand(key)]
    counted = settings.entries is not None or settings.entry_list is not None  # through all files
    files = [*(one.image_file for one in (jobs if counted else [job])), job.analysis_csv, *lists]
    prints = [path_fingerprint(file) for file in files if file is not None]
    about = dmcnn.__version__, weights, job.image_file, prints, settings.state()
    return xxh3_128_hexdigest(repr(about).encode())


def _score(
    settings: InferSettings,
    jobs: Sequence[Job],
    weights: Mapping[str, Sequence[str]],
    states: Mapping[str, str],
) -> None:
    """Score the files of jobs; the arguments are named as in ``infer``."""
    from dmcnn.inference.networks import identity, load_networks
    from dmcnn.inference.outputs import finished_line
    from dmcnn.inference.scoring import Scoring

    networks = load_networks(weights, arithmetic=settings.arithmetic, **settings.network())
    for key in ("rotation", "label"):
        if getattr(settings, key):
            for network in networks:
                network.task.need_classes(key)
    scoring = Scoring(networks, settings.rotation, _variations(settings), settings.seed_number, settings.cut)
    work, tables = _open(settings, scoring, jobs), [_analysis(job) for job in jobs]
    total = sum(map(len, work)) * len(scoring.passes) * (1 + len(scoring.variations))
    with ProgressBar(total=total, desc="scoring", unit="event", disable=settings.check_shares) as bar:
        for job, events, analysis in zip(jobs, work, tables, strict=True):
            with settings.results_at(job.stem, [job.image_file], identity(weights)) as remarks:
                with record_files() as written:
                    if settings.check_shares:
                        remarks.append(
                            _merge_shares(settings, scoring, job, events, analysis, identity(weights))
                        )
                    else:
                        _score_file(settings, scoring, job, events, analysis, bar)
                remarks += [*scoring.remarks, finished_line(states[job.image_file], list(written))]
                for path in written:
                    note(path)


def _analysis(job: Job) -> Table | None:
    """Read the analysis CSV of an image file, and check its ids before hours of scoring; return None without one."""
    from dmcnn.tables import join, table

    if job.analysis_csv is None:
        return None
    analysis = table.read(job.analysis_csv)
    join.event_ids(analysis)
    return analysis


def _open(settings: InferSettings, scoring: Scoring, jobs: Sequence[Job]) -> list[FileEvents]:
    """Open all files, and choose the events that are to be scored, or those of the share."""
    files = [scoring.open(job.image_file, settings.label) for job in jobs]
    work = []
    for events, numbers in zip(files, _chosen(settings, [events.file for events in files]), strict=True):
        count = len(events) if numbers is None else len(numbers)
        work.append(replace(events, numbers=numbers, span=settings.own_share.span(count, ALIGNED)))
    return work


def _chosen(settings: InferSettings, datasets: Sequence[Dataset]) -> Sequence[Numbers | None]:
    """Return the numbers of the events to score in every file; None = all."""
    from dmcnn.inference import entries

    if settings.entries is not None:
        return entries.by_number(settings.entries, datasets)
    if settings.entry_list is not None:
        return entries.by_list(settings.entry_list, datasets)
    if settings.from_csv is not None:
        return entries.by_tables(expand(settings.from_csv), datasets)
    return [None] * len(datasets)


def _score_file(
    settings: InferSettings,
    scoring: Scoring,
    job: Job,
    events: FileEvents,
    analysis: Table | None,
    bar: ProgressBar,
) -> None:
    """Score one file, or a share of it, resuming from its journals; write its results; ``bar`` counts the events."""
    from dmcnn.inference import robustness
    from dmcnn.tables import table

    journals = scoring.journals(events, job.stem, bar)
    status = "scored" if analysis is None else ""
    rows = [journal.rows for journal in journals]
    results, kinds = scoring.table(events, rows, status)
    if scoring.variations:
        robustness.event_table(scoring, events, rows, results, settings.crossing).write(job.robustness)
    if settings.share is None:
        _write(settings, scoring, job, events, analysis, results.text(), kinds)
    else:
        table.write(job.stem.with_name(job.stem.name + ".csv"), results.text())
    for journal in journals:
        journal.close()


def _write(
    settings: InferSettings,
    scoring: Scoring,
    job: Job,
    events: FileEvents,
    analysis: Table | None,
    results: Table,
    kinds: Mapping[str, Kind],
) -> None:
    """Write the tables, the histograms and the coverage report of one file."""
    from dmcnn.figures.save import save_figure
    from dmcnn.inference import outputs
    from dmcnn.inference.coverage import coverage
    from dmcnn.tables import join

    joined, counts = (results, None) if analysis is None else join.join_by_ids(results, analysis)
    report = coverage(job.image_file, len(events.file), results, joined, counts, job.analysis_csv or "")
    log.info("\n".join(report.lines() if counts is None else counts.lines()))
    about = {"file": job.image_file, "scores": [network.line() for network in scoring.networks]}
    whole = events.file.events
    outputs.write(job.stem, settings.formats, joined, results, kinds, whole, about, settings.legacy)
    for name, figure in scoring.histograms(results, events.file.files[0].stem).items():
        place = job.histogram.with_name(f"{job.histogram.name}{f'_{name}' if name else ''}")
        save_figure(figure, place, note=events.file.file_origins[0])
    report.write(job.stem.with_name(f"{job.stem.name}_coverage"))


def _merge_shares(
    settings: InferSettings,
    scoring: Scoring,
    job: Job,
    events: FileEvents,
    analysis: Table | None,
    weights: str,
) -> str:
    """Write the results of all shares of a file as if there had been none; return their certificate.

    Raises:
        InputError: a share is missing, or of another kind.
    """
    from dmcnn.tables import table

    finished = settings.shares_at(job.stem, [job.image_file], weights)
    count = next(iter(finished)).count
    settings.check_all(job.stem, finished, {number: [] for number in range(count)})
    results = _joined([f"{stem}.csv" for stem in finished.values()], events, job.stem)
    if scoring.variations:
        paths = [str(job.robustness.with_stem(job.robustness.stem + share.tag)) for share in finished]
        table.write(job.robustness, _joined(paths, events, job.robustness.with_suffix("")))
    _write(settings, scoring, job, events, analysis, results, scoring.kinds(events))
    return settings.certificate(count, weights, f"{len(events)} entries of {job.image_file}")


def _joined(paths: Sequence[str], events: FileEvents, stem: Path) -> Table:
    """Return the tables of all shares as one; raise InputError unless they hold every event once, in order."""
    from dmcnn.tables import table

    tables = [table.read(path, ["entry_number"]) for path in paths]
    entries = [word for part in tables for word in part.column("entry_number")]
    if entries != table.text(events.file.events["entry"][events.which]):
        raise InputError(
            f"{stem}_share*: the tables do not hold every entry of {events.file.files[0]} once, in order"
        )
    whole = [part for part in tables if len(part)]  # a table without rows may lack columns
    return table.Table.concatenate(whole or tables[:1])


def _variations(settings: InferSettings) -> list[Variation]:
    """Return the variations of the images, each once."""
    from dmcnn.images.variations import Variation

    return list(dict.fromkeys(map(Variation.parse, settings.robustness or [])))


def _sum_up(settings: InferSettings, jobs: Sequence[Job], weights: str) -> None:
    """Write what is about all files: their tables as one of each format, and the summary of the robustness."""
    from dmcnn.inference import outputs, robustness
    from dmcnn.tables import table

    folder, files = jobs[0].stem.parent, [job.image_file for job in jobs]
    if settings.merged:
        stem = folder / f"DM-CNN_scores{settings.tag}"
        with settings.results_at(stem, files, weights):
            for suffix in settings.formats:
                paths = [job.stem.with_name(f"{job.stem.name}.{suffix}") for job in jobs]
                outputs.merge(paths, stem.with_name(f"{stem.name}.{suffix}"))
    if variations := _variations(settings):
        stem = folder / f"DM-CNN_robustness{settings.tag}"
        with settings.results_at(stem, files, weights):
            shifts = robustness.summary([table.read(job.robustness) for job in jobs], variations)
            log.info("\n".join(robustness.lines(shifts)))
            shifts.write(stem.with_name(stem.name + ".csv"))


if __name__ == "__main__":
    sys.exit(main())
