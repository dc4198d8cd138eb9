"""Texts of figures are shown as they are written; powers of ten stay formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

from dmcnn.figures import class_counts, classification
from dmcnn.figures.save import save_figure
from dmcnn.figures.text import Figure

NAME = "job_$(Cluster)_$(Process)"
SCORES = np.linspace(0.01, 0.99, 40)


@pytest.fixture
def formulas(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of formulas that matplotlib parses."""
    parsed: list[str] = []
    parse = MathTextParser.parse

    def note(self: MathTextParser, text: str, *more: object, **options: object) -> object:
        parsed.append(text)
        return parse(self, text, *more, **options)

    monkeypatch.setattr(MathTextParser, "parse", note)
    return parsed


@pytest.mark.slow
def test_names_with_dollars_are_no_formulas(tmp_path: Path, formulas: list[str]) -> None:
    """HTCondor's ``$(Cluster)_$(Process)`` ended a command with a traceback after all its work."""
    figures = {
        "roc": classification.roc({NAME: (SCORES, SCORES**2)}, 0.95),
        "scores": classification.score_histogram({NAME: SCORES}),
        "confusion": classification.confusion(np.eye(2, dtype=int), ["$\\mu$", NAME]),
        "classes": class_counts.distribution({NAME: 3, "b": 2}, {NAME: 2, "b": 3}),
    }
    for name, figure in figures.items():
        save_figure(figure, tmp_path / name, ["png", "pdf"] if name == "roc" else ["png"])
    assert not [text for text in formulas if "mathdefault" not in text]


def test_powers_of_ten_stay_formulas(formulas: list[str]) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.set_title(NAME)
    axes.semilogy([1, 2], [1e-3, 1e3])
    figure.draw_without_rendering()
    assert any("10^{-3}" in text for text in formulas)
    assert not [text for text in formulas if "Cluster" in text]
