"""Make one page of a training: ``python -m dmcnn.report outputs [name=… key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from dmcnn._common.errors import InputError
from dmcnn._common.files import output_folder
from dmcnn.settings import ReportSettings
from dmcnn.settings.command import run

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("report", report, argv)


def report(settings: ReportSettings) -> None:
    """Write the page of the training, or cross-validation, in a folder: HTML that holds all it shows."""
    from dmcnn.pages.report import save_report
    from dmcnn.reports.folds import folds_page, has_folds, only_folds
    from dmcnn.reports.training import TrainingFolder, training_page

    before = _cards(settings.folder)
    name = settings.name if "name" in settings.model_fields_set else only_folds(settings.folder)
    if has_folds(settings.folder, name):
        page, name = folds_page(settings.folder, name or ""), name or ""
    else:
        training = TrainingFolder.open(settings.folder, name)
        page, name = training_page(training), training.name
    stem = "_".join(filter(None, ["DM-CNN_training_report", name]))
    path = output_folder(settings.output_dir or settings.folder) / f"{stem}.html"
    with settings.results_at(path.with_suffix("")):
        if _cards(settings.folder) != before:
            raise InputError(
                f"{settings.folder}: a training began or ended meanwhile: run this command again"
            )
        save_report(path, page)
    log.info("%s", path)


def _cards(folder: str) -> dict[Path, bytes]:
    """Return all model cards in a folder; a training writes its own before its other files, and at its end."""
    from dmcnn.reports.training import CARD

    return {path: path.read_bytes() for path in Path(folder).glob(f"{CARD}*.json")}


if __name__ == "__main__":
    sys.exit(main())
