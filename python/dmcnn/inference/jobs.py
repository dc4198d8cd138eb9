"""Jobs of a scoring: the work on each image file, with its analysis CSV and the paths of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmcnn._common.errors import InputError
from dmcnn._common.files import distinct_names, expand
from dmcnn._common.provenance import check_provenance, provenance_of
from dmcnn.datasets.event_files import expand as expand_inputs
from dmcnn.inference.failures import Failures


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


def jobs_of(
    inputs: str | Sequence[str],
    tables: str | Sequence[str] | None,
    folder: Path,
    tag: str = "",
    share_tag: str = "",
) -> list[Job]:
    """Return one job per image file.

    Args:
        inputs: paths, globs and addresses of the image files.
        tables: paths and globs of the analysis CSVs; None = no file has one.
        folder: folder of the outputs.
        tag, share_tag: additions to the names of outputs, and of those that belong to a share.

    Raises:
        InputError: another number of CSVs than of image files.
    """
    files = expand_inputs(inputs)
    csvs: Sequence[str | None] = expand(tables) if tables else [None] * len(files)
    if len(csvs) != len(files):
        raise InputError(
            f"input_csv names {len(csvs)} files for {len(files)} input files: give one each, in order"
        )
    return [
        Job(
            str(file),
            table,
            folder / f"{name}_DM-CNN_scores{tag}{share_tag}",
            folder / f"{name}_DM-CNN_signal_score_distribution{tag}",
            folder / f"{name}_DM-CNN_robustness{tag}{share_tag}.csv",
        )
        for file, table, name in zip(files, csvs, distinct_names(files), strict=True)
    ]


def fingerprints(jobs: Sequence[Job], failures: Failures) -> dict[str, list[str]]:
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
