"""Score every entry of every file: ``python -m dmcnn.infer cfg/inference_config_binary.cfg [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.errors import FileError, InputError, file_faults
from dmcnn._common.files import note, output_folder, record_files
from dmcnn._common.fingerprint import path_fingerprint
from dmcnn._common.progress import ProgressBar
from dmcnn._common.provenance import Provenance
from dmcnn.settings import InferSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.images.variations import Variation
    from dmcnn.inference.entries import EntryChoice
    from dmcnn.inference.failures import Failures
    from dmcnn.inference.jobs import Job
    from dmcnn.inference.open_job import OpenJob
    from dmcnn.inference.scoring import Scoring

log = logging.getLogger("dmcnn")

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
    from dmcnn.inference.failures import Failures
    from dmcnn.inference.jobs import fingerprints, jobs_of
    from dmcnn.inference.networks import named_files

    if settings.farm is not None:
        settings = settings.run_farm("infer")
    folder = output_folder(settings.output_dir)
    jobs = jobs_of(settings.input_file, settings.input_csv, folder, settings.tag, settings.share_tag)
    failures = Failures({job.image_file: job.stem for job in jobs})
    prints = fingerprints(jobs, failures)  # before any work
    work = Inference(settings, jobs, failures, prints, named_files(settings.weight_file))
    if left := work.jobs_left():
        work.score(left)
    if settings.share is None:
        work.sum_up()
    return failures.lines()


@dataclass(frozen=True)
class Inference:
    """Inference of image files by networks, as the settings ask for it.

    Attributes:
        settings: the settings.
        jobs: the work on each file.
        failures: files that failed.
        fingerprints: those of every image file and its analysis CSV, none for files that fail.
        weights: name -> weight files.
    """

    settings: InferSettings
    jobs: Sequence[Job]
    failures: Failures
    fingerprints: Mapping[str, Sequence[str]]
    weights: Mapping[str, Sequence[str]]

    @cached_property
    def identity(self) -> str:
        """What identifies the networks."""
        from dmcnn.inference.networks import identity

        return identity(self.weights)

    @cached_property
    def entries(self) -> EntryChoice:
        """Which entries to score."""
        from dmcnn.inference.entries import EntryChoice

        return EntryChoice(self.settings.entries, self.settings.entry_list, self.settings.from_csv)

    @cached_property
    def states(self) -> dict[Job, str]:
        """What tells, of every file, whether its results would be the same again."""
        from xxhash import xxh3_128_hexdigest

        import dmcnn

        lists, settings = [path_fingerprint(path) for path in self.entries.files], self.settings.state()
        every = [one[0] for one in self.fingerprints.values()]
        states = {}
        for job in self.jobs:
            own = self.fingerprints.get(job.image_file, [])
            images = own[:1] if self.entries.counted_key is None else every
            used = [*images, *own[1:], *lists]
            about = dmcnn.__version__, self.identity, job.image_file, used, settings
            states[job] = xxh3_128_hexdigest(repr(about).encode())
        return states

    @property
    def variations(self) -> list[Variation]:
        """Variations of the images, each once."""
        from dmcnn.images.variations import Variation

        return list(dict.fromkeys(map(Variation.parse, self.settings.robustness or [])))

    def jobs_left(self) -> list[Job]:
        """Return the jobs that are not finished."""
        from dmcnn.inference.outputs import is_finished

        if self.settings.check_shares:
            return list(self.jobs)
        finished = [job for job in self.jobs if is_finished(job.cfg, self.states[job])]
        for job in finished:
            log.info("%s: finished before, from the same file, weights and settings", job.stem)
        return [job for job in self.jobs if job not in finished]

    def score(self, jobs: Sequence[Job]) -> None:
        """Score the events of all jobs, and write the results of each."""
        from dmcnn.inference.outputs import finished_line

        scoring = self._scoring()
        work = self._open(scoring, jobs)
        versions = len(scoring.passes) * (1 + len(scoring.variations))
        total, is_merge = versions * sum(len(one.events) for one in work), self.settings.check_shares
        with ProgressBar(total=total, desc="scoring", unit="event", disable=is_merge) as bar:
            for one in work:
                job, end = one.job, bar.n + versions * len(one.events)
                with (
                    self.failures.passed_over(job.image_file, len(one.events.file)),
                    self.settings.results_at(job.stem, [job.image_file], self.identity) as remarks,
                ):
                    with record_files() as written:
                        if is_merge:
                            remarks.append(self._merge_shares(scoring, one))
                        else:
                            self._score_file(scoring, one, bar)
                    remarks += [*scoring.remarks, finished_line(self.states[job], list(written))]
                    for path in written:
                        note(path)
                bar.skip(end - bar.n)  # of a file that fails
                self.failures.report()

    def _scoring(self) -> Scoring:
        """Return the scoring of files by the networks; InputError if a setting needs networks of classes."""
        from dmcnn.inference.networks import load_networks
        from dmcnn.inference.scoring import Scoring

        settings = self.settings
        networks = load_networks(self.weights, arithmetic=settings.arithmetic, **settings.network())
        for key in ("rotation", "label"):
            if getattr(settings, key):
                for network in networks:
                    network.task.need_classes(key)
        return Scoring(networks, settings.rotation, self.variations, settings.seed_number, settings.cut)

    def _open(self, scoring: Scoring, wanted: Sequence[Job]) -> list[OpenJob]:
        """Open the files of the jobs, all files where entries are chosen, and choose the events of the share."""
        from dmcnn.inference.open_job import OpenJob

        opened = []
        for job in wanted if self.entries.is_all else self.jobs:
            if job.image_file not in self.failures.found:
                with self.failures.passed_over(job.image_file), file_faults():
                    opened.append(OpenJob.open(job, scoring, self.settings.label))
        self.failures.check(self.entries.counted_key)
        self.failures.report()
        chosen = self.entries.numbers([one.events.file for one in opened])
        work = [one for one in zip(opened, chosen, strict=True) if one[0].job in wanted]
        return [one.part(numbers, self.settings.own_share) for one, numbers in work]

    def _score_file(self, scoring: Scoring, work: OpenJob, bar: ProgressBar) -> None:
        """Score one file, or a share of it, resuming from its journals; write its results; ``bar`` counts events."""
        from dmcnn.inference import robustness
        from dmcnn.inference.coverage import remove_report
        from dmcnn.tables import table

        job, events = work.job, work.events
        journals = scoring.journals(events, job.stem, bar)
        rows = [journal.rows for journal in journals]
        results, kinds = scoring.table(events, rows, "scored" if work.analysis is None else "")
        if scoring.variations:
            shifts = robustness.event_table(scoring, events, rows, results, self.settings.crossing)
            shifts.write(job.robustness)
        if self.settings.share is None:
            work.write(scoring, results.text(), kinds, self.settings.formats, self.settings.legacy)
        else:
            table.write(job.stem.with_name(job.stem.name + ".csv"), results.text())
            remove_report(job.stem)
        for journal in journals:
            journal.close()

    def _merge_shares(self, scoring: Scoring, work: OpenJob) -> str:
        """Write the results of all shares of a file as if there had been none; return their certificate.

        Raises:
            InputError: a share is missing, or of another kind; FileError if the file failed in one of them.
        """
        from dmcnn.inference.coverage import share_failures
        from dmcnn.inference.merged import join_shares
        from dmcnn.tables import table

        job, events, settings = work.job, work.events, self.settings
        try:
            finished = settings.shares_at(job.stem, [job.image_file], self.identity)
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
        work.write(scoring, results, scoring.kinds(events), settings.formats, settings.legacy)
        return settings.certificate(count, self.identity, f"{len(events)} entries of {job.image_file}")

    def sum_up(self) -> None:
        """Write what is about all files: their tables as one of each format, and the summary of the robustness."""
        from dmcnn.figures.save import save_figure
        from dmcnn.inference import merged, robustness
        from dmcnn.tables import table

        settings, failed = self.settings, self.failures.found
        done = [job for job in self.jobs if job.image_file not in failed]
        if not done:
            return
        if settings.merged:
            with self._of_all("scores") as stem:
                for suffix in settings.formats:
                    paths = {
                        job.image_file: job.stem.with_name(f"{job.stem.name}.{suffix}") for job in self.jobs
                    }
                    parts = paths | {file: one.reason for file, one in failed.items()}
                    result = stem.with_name(f"{stem.name}.{suffix}")
                    merged.merge(parts, result, settings.legacy, lambda: self._check_states(done))
        if self.variations:
            with self._of_all("robustness") as stem:
                tables = [table.read(job.robustness) for job in done]
                self._check_states(done)
                shifts = robustness.summary(tables, self.variations)
                log.info("\n".join(robustness.lines(shifts)))
                shifts.write(stem.with_name(stem.name + ".csv"))
                for quantity, figure in robustness.figures(tables, shifts, self.variations).items():
                    save_figure(figure, stem.with_name(f"{stem.name}_{quantity}"))

    @contextmanager
    def _of_all(self, what: str) -> Iterator[Path]:
        """Save the settings of results about all files; yield their stem, which tells whether files are missing.

        What is complete replaces what was not.
        """
        from dmcnn.inference.coverage import FAILED
        from dmcnn.inference.outputs import FORMATS

        folder = self.jobs[0].stem.parent
        whole, incomplete = (folder / f"DM-CNN_{word}{what}{self.settings.tag}" for word in ("", INCOMPLETE))
        missing = self.failures.found.values()
        stem = incomplete if missing else whole
        files: Provenance = {
            str(Path(job.image_file).resolve()): self.fingerprints.get(job.image_file, [FAILED])[0]
            for job in self.jobs
        }
        with record_files() as written, self.settings.results_at(stem, files, self.identity) as remarks:
            yield stem
            remarks += [f"missing: {one.line()}" for one in missing]
        for path in written:
            note(path)
        if missing:
            earlier = (
                f"; {whole} is of an earlier run" if whole.with_name(f"{whole.name}.cfg").exists() else ""
            )
            log.warning("warning: %s: lacks %d of %d files%s", stem, len(missing), len(files), earlier)
        else:
            for name in {path.name for path in written} | {f"{whole.name}.{suffix}" for suffix in FORMATS}:
                (folder / name.replace(whole.name, incomplete.name, 1)).unlink(missing_ok=True)

    def _check_states(self, jobs: Sequence[Job]) -> None:
        """Raise InputError if another command has made results of a file anew, which this one has just read."""
        from dmcnn.inference.outputs import is_finished

        for job in jobs:
            if not is_finished(job.cfg, self.states[job]):
                raise InputError(f"{job.stem}: made anew by another command meanwhile: run this one again")


if __name__ == "__main__":
    sys.exit(main())
