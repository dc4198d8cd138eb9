"""The settings of ``evaluate``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from dmcnn.settings.base import Conflict, Paths, Settings


class EvaluateSettings(Settings):
    """Judge score CSVs: ROC, AUC with interval, efficiencies, confusion matrix."""

    signal: Paths | None = Field(None, description="score CSVs of signal events: path, list, globs")
    background: Paths | None = Field(None, description="score CSVs of background events, likewise")
    scores: Paths | None = Field(None, description="score CSVs of both, told apart by their label column")
    signal_label: str = Field("signal", description="value of the label column that is signal")
    score_column: str = Field("signal_score", description="column of the score")
    cut: float = Field(0.5, description="score from which an event is called signal")
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence level of all intervals")
    output_dir: str = Field("outputs", description="folder of the figures and of the JSON")

    inputs: ClassVar[tuple[str, ...]] = ("signal", "background", "scores")

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        pair = (self.signal is not None, self.background is not None)
        if self.scores is not None and any(pair):
            yield ("scores",), "scores replaces signal and background: give one or the other"
        if self.scores is None and not all(pair):
            yield ("signal", "background"), "give signal and background, or scores"
