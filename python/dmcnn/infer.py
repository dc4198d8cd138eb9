"""Score every entry of every file: ``python -m dmcnn.infer cfg/inference_config_binary.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import FileError, InputError, file_faults
from dmcnn._common.files import expand, note, output_folder, record_files
from dmcnn._common.fingerprint import path_fingerprint
from dmcnn._common.progress import ProgressBar
from dmcnn._common.provenance import Provenance, check_provenance, provenance_of
from dmcnn.settings import InferSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.images.variations import Variation
    from dmcnn.inference.failures import Failures
    from dmcnn.inference.jobs import Job
    from dmcnn.inference.network_columns import Kind
    from dmcnn.inference.networks import NamedNetwork
    from dmcnn.inference.scoring import FileEvents, Scoring
    from dmcnn.tables.table import Table

    Work = tuple[FileEvents, Table | None]

log = logging.getLogger("dmcnn")

ALIGNED = 8
"""[entries] Shares begin at multiples of it, so that batches of 1, 2, 4 or 8 are those of the work without shares."""

INCOMPLETE = "INCOMPLETE_"
"""Part of the names of results about all files where some of these failed; no ``name`` makes it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("infer", infer, argv)


def infer(settings: InferSettings) -> list[str]:
    """Score all image files by all networks, and write a table, a histogram and a coverage report for each.

    Returns:
        Lines on the files that failed, while the others were scored.
    """
    from dmcnn.inference import entries, outputs
    from dmcnn.inference.failures import Failures
    from dmcnn.inference.jobs import jobs_of
    from dmcnn.inference.networks import identity, load_networks, named_files

    if settings.farm is not None:
        settings = settings.run_farm("infer")
    folder = output_folder(settings.output_dir)
    jobs = jobs_of(settings.input_file, settings.input_csv, folder, settings.tag, settings.share_tag)
    failures = Failures({job.image_file: job.stem for job in jobs})
    prints = _fingerprints(jobs, failures)  # before any work
    weights = named_files(settings.weight_file)
    counted = entries.counted_key(settings.entries, settings.entry_list)
    states = {job: _state(settings, job, prints, identity(weights), counted is not None) for job in jobs}
    open_jobs = [
        job for job in jobs if settings.check_shares or not outputs.is_finished(job.cfg, states[job])
    ]
    for job in jobs:
        if job not in open_jobs:
            log.info("%s: finished before, from the same file, weights and settings", job.stem)
    if open_jobs:
        is_chosen = (settings.entries, settings.entry_list, settings.from_csv) != (None, None, None)
        networks = load_networks(weights, arithmetic=settings.arithmetic, **settings.network())
        scoring = _scoring(settings, networks)
        work = _open(settings, scoring, jobs if is_chosen else open_jobs, failures, counted)
        work = {job: one for job, one in work.items() if job in open_jobs}
        _score(settings, scoring, work, identity(weights), states, failures)
    if settings.share is None:
        _sum_up(settings, states, prints, identity(weights), failures)
    return failures.lines()


def _fingerprints(jobs: Sequence[Job], failures: Failures) -> dict[str, list[str]]:
    """Return the fingerprints of every image file and its analysis CSV, none for files that fail.

    Raises:
        InputError: results of other files, which would be lost.
    """
    prints: dict[str, list[str]] = {}
    for job in jobs:
        with failures.passed_over(job.image_file):
            check_provenance(job.cfg, provenance_of([job.image_file]))
            files = [job.image_file] if job.analysis_csv is None else [job.image_file, job.analysis_csv]
            prints[job.image_file] = list(provenance_of(files).values())
    return prints


def _state(
    settings: InferSettings, job: Job, prints: Mapping[str, Sequence[str]], weights: str, is_counted: bool
) -> str:
    """Return what tells whether the results of a file would be the same again.

    Args:
        settings, job: the settings, and the work on the file.
        prints: fingerprints of all files.
        weights: what identifies the networks.
        is_counted: whether entries are chosen by numbers that count through all files.
    """
    from xxhash import xxh3_128_hexdigest

    import dmcnn

    lists = [path for key in (settings.from_csv, settings.entry_list) if key for path in expand(key)]
    own = prints.get(job.image_file, [])
    images = [one[0] for one in prints.values()] if is_counted else own[:1]
    used = [*images, *own[1:], *map(path_fingerprint, lists)]
    about = dmcnn.__version__, weights, job.image_file, used, settings.state()
    return xxh3_128_hexdigest(repr(about).encode())


def _scoring(settings: InferSettings, networks: Sequence[NamedNetwork]) -> Scoring:
    """Return the scoring of files by networks; InputError if a setting needs networks of classes."""
    from dmcnn.inference.scoring import Scoring

    for key in ("rotation", "label"):
        if getattr(settings, key):
            for network in networks:
                network.task.need_classes(key)
    return Scoring(networks, settings.rotation, _variations(settings), settings.seed_number, settings.cut)


def _score(
    settings: InferSettings,
    scoring: Scoring,
    work: Mapping[Job, Work],
    weights: str,
    states: Mapping[Job, str],
    failures: Failures,
) -> None:
    """Score the events of all jobs, and write the results of each; the arguments are named as in ``infer``."""
    from dmcnn.inference.outputs import finished_line

    versions = len(scoring.passes) * (1 + len(scoring.variations))
    total = versions * sum(len(events) for events, _ in work.values())
    with ProgressBar(total=total, desc="scoring", unit="event", disable=settings.check_shares) as bar:
        for job, (events, analysis) in work.items():
            end = bar.n + versions * len(events)
            with (
                failures.passed_over(job.image_file, len(events.file)),
                settings.results_at(job.stem, [job.image_file], weights) as remarks,
            ):
                with record_files() as written:
                    if settings.check_shares:
                        remarks.append(_merge_shares(settings, scoring, job, events, analysis, weights))
                    else:
                        _score_file(settings, scoring, job, events, analysis, bar)
                remarks += [*scoring.remarks, finished_line(states[job], list(written))]
                for path in written:
                    note(path)
            bar.skip(end - bar.n)  # of a file that fails
            failures.report()


def _analysis(job: Job) -> Table | None:
    """Read the analysis CSV of an image file, and check its ids before hours of scoring; return None without one."""
    from dmcnn.tables import join, table

    if job.analysis_csv is None:
        return None
    analysis = table.read(job.analysis_csv)
    join.event_ids(analysis)
    return analysis


def _open(
    settings: InferSettings, scoring: Scoring, jobs: Sequence[Job], failures: Failures, counted: str | None
) -> dict[Job, Work]:
    """Open all files with their analysis tables, and choose the events to score, or those of the share."""
    from dmcnn.inference import entries

    opened: dict[Job, Work] = {}
    for job in jobs:
        if job.image_file not in failures.found:
            with failures.passed_over(job.image_file), file_faults():
                opened[job] = scoring.open(job.image_file, settings.label), _analysis(job)
    failures.check(counted)
    failures.report()
    datasets = [events.file for events, _ in opened.values()]
    chosen = entries.chosen(datasets, settings.entries, settings.entry_list, settings.from_csv)
    work = {}
    for (job, (events, analysis)), numbers in zip(opened.items(), chosen, strict=True):
        count = len(events) if numbers is None else len(numbers)
        span = settings.own_share.span(count, ALIGNED)
        work[job] = replace(events, numbers=numbers, span=span), analysis
    return work


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
    from dmcnn.inference.coverage import remove_report
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
        remove_report(job.stem)
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
    report.write(job.stem)


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
        InputError: a share is missing, or of another kind; FileError if the file failed in one of them.
    """
    from dmcnn.inference.coverage import share_failures
    from dmcnn.inference.merged import join_shares
    from dmcnn.tables import table

    try:
        finished = settings.shares_at(job.stem, [job.image_file], weights)
        count = next(iter(finished)).count
        settings.check_all(job.stem, finished, {number: [] for number in range(count)})
    except InputError as error:
        if reasons := share_failures(job.stem):
            raise FileError(*error.faults, *reasons) from None
        raise
    results = join_shares([f"{stem}.csv" for stem in finished.values()], events, job.stem)
    if scoring.variations:
        paths = [str(job.robustness.with_stem(job.robustness.stem + share.tag)) for share in finished]
        table.write(job.robustness, join_shares(paths, events, job.robustness.with_suffix("")))
    _write(settings, scoring, job, events, analysis, results, scoring.kinds(events))
    return settings.certificate(count, weights, f"{len(events)} entries of {job.image_file}")


def _variations(settings: InferSettings) -> list[Variation]:
    """Return the variations of the images, each once."""
    from dmcnn.images.variations import Variation

    return list(dict.fromkeys(map(Variation.parse, settings.robustness or [])))


def _sum_up(
    settings: InferSettings,
    states: Mapping[Job, str],
    prints: Mapping[str, Sequence[str]],
    weights: str,
    failures: Failures,
) -> None:
    """Write what is about all files: their tables as one of each format, and the summary of the robustness."""
    from dmcnn.figures.save import save_figure
    from dmcnn.inference import merged, robustness
    from dmcnn.inference.coverage import FAILED
    from dmcnn.tables import table

    jobs = list(states)
    done = {job: state for job, state in states.items() if job.image_file not in failures.found}
    if not done:
        return
    files = {str(Path(job.image_file).resolve()): prints.get(job.image_file, [FAILED])[0] for job in jobs}
    if settings.merged:
        with _of_all(settings, "scores", jobs[0].stem.parent, files, weights, failures) as stem:
            for suffix in settings.formats:
                parts: dict[str, Path | str] = {
                    job.image_file: job.stem.with_name(f"{job.stem.name}.{suffix}") for job in jobs
                }
                parts |= {file: one.reason for file, one in failures.found.items()}
                merged.merge(
                    parts,
                    stem.with_name(f"{stem.name}.{suffix}"),
                    settings.legacy,
                    partial(_check_states, done),
                )
    if variations := _variations(settings):
        with _of_all(settings, "robustness", jobs[0].stem.parent, files, weights, failures) as stem:
            tables = [table.read(job.robustness) for job in done]
            _check_states(done)
            shifts = robustness.summary(tables, variations)
            log.info("\n".join(robustness.lines(shifts)))
            shifts.write(stem.with_name(stem.name + ".csv"))
            for quantity, figure in robustness.figures(tables, shifts, variations).items():
                save_figure(figure, stem.with_name(f"{stem.name}_{quantity}"))


@contextmanager
def _of_all(
    settings: InferSettings, what: str, folder: Path, files: Provenance, weights: str, failures: Failures
) -> Iterator[Path]:
    """Save the settings of results about all files; yield the stem of these, which tells whether files are missing.

    What is complete replaces what was not.
    """
    from dmcnn.inference.outputs import FORMATS

    whole, incomplete = (folder / f"DM-CNN_{word}{what}{settings.tag}" for word in ("", INCOMPLETE))
    missing = failures.found.values()
    stem = incomplete if missing else whole
    with record_files() as written, settings.results_at(stem, files, weights) as remarks:
        yield stem
        remarks += [f"missing: {one.line()}" for one in missing]
    for path in written:
        note(path)
    if missing:
        earlier = f"; {whole} is of an earlier run" if whole.with_name(f"{whole.name}.cfg").exists() else ""
        log.warning("warning: %s: lacks %d of %d files%s", stem, len(missing), len(files), earlier)
    else:
        for name in {path.name for path in written} | {f"{whole.name}.{suffix}" for suffix in FORMATS}:
            (folder / name.replace(whole.name, incomplete.name, 1)).unlink(missing_ok=True)


def _check_states(states: Mapping[Job, str]) -> None:
    """Raise InputError if another command has made the results of a file anew, which this one has just read."""
    from dmcnn.inference.outputs import is_finished

    for job, state in states.items():
        if not is_finished(job.cfg, state):
            raise InputError(f"{job.stem}: made anew by another command meanwhile: run this one again")


if __name__ == "__main__":
    sys.exit(main())
