"""Settings of ``report``."""

from __future__ import annotations

from typing import ClassVar

from dmcnn.settings.base import Settings, setting


class ReportSettings(Settings):
    """Make one page of a training: result with errors, curves, ROC, scores, model card, settings, files."""

    folder: str = setting(..., "input files", "output_directory of a training", example="outputs")
    output_dir: str | None = setting(None, "outputs", "folder of the page (default: that of the training)")

    inputs: ClassVar[tuple[str, ...]] = ("folder",)
    data_key: ClassVar[str] = "folder"
