"""Open job of a scoring: the events of one image file with their analysis table, and the files written about them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dmcnn._common.shares import Share
from dmcnn.inference import outputs
from dmcnn.inference.coverage import coverage
from dmcnn.inference.entries import Numbers
from dmcnn.inference.jobs import Job
from dmcnn.inference.network_columns import Kind
from dmcnn.inference.scoring import FileEvents, Scoring
from dmcnn.tables import join, table
from dmcnn.tables.table import Table

log = logging.getLogger("dmcnn")

ALIGNED = 8
"""[entries] Shares begin at multiples of it, so that batches of 1, 2, 4 or 8 are those of the work without shares."""


@dataclass(frozen=True)
class OpenJob:
    """Job whose file is open.

    Attributes:
        job: the job.
        events: its events to score.
        analysis: its analysis table; None = it has none.
    """

    job: Job
    events: FileEvents
    analysis: Table | None

    @classmethod
    def open(cls, job: Job, scoring: Scoring, label: Any) -> OpenJob:
        """Open the file of a job, and read its analysis CSV; check its ids before hours of scoring.

        Raises:
            InputError: a file that cannot be read, or that does not fit.
        """
        events, analysis = scoring.open(job.image_file, label), None
        if job.analysis_csv is not None:
            analysis = table.read(job.analysis_csv)
            join.event_ids(analysis)
        return cls(job, events, analysis)

    def part(self, numbers: Numbers | None, share: Share) -> OpenJob:
        """Return the job with a share of some of its events by their numbers; None = of all."""
        span = share.span(len(self.events) if numbers is None else len(numbers), ALIGNED)
        return replace(self, events=replace(self.events, numbers=numbers, span=span))

    def write(
        self,
        scoring: Scoring,
        results: Table,
        kinds: Mapping[str, Kind],
        formats: Sequence[str],
        is_legacy: bool,
    ) -> None:
        """Write the tables, the histograms and the coverage report of the file.

        Args:
            scoring: the networks.
            results: score table of all networks.
            kinds, formats, is_legacy: as of ``outputs.write``.
        """
        from dmcnn.figures.save import save_figure  # matplotlib, which shares do not need

        job, file, joined, counts = self.job, self.events.file, results, None
        if self.analysis is not None:
            joined, counts = join.join_by_ids(results, self.analysis)
        report = coverage(job.image_file, len(file), results, joined, counts, job.analysis_csv or "")
        log.info("\n".join(report.lines() if counts is None else counts.lines()))
        about = {"file": job.image_file, "scores": [network.line() for network in scoring.networks]}
        outputs.write(job.stem, formats, joined, results, kinds, file.events, about, is_legacy)
        for name, figure in scoring.histograms(results, file.files[0].stem).items():
            place = job.histogram.with_name(f"{job.histogram.name}{f'_{name}' if name else ''}")
            save_figure(figure, place, note=file.file_origins[0])
        report.write(job.stem)
