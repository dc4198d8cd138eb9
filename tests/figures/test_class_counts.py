"""Class distributions: bars and error bars are the counts and Wilson's intervals."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures.class_counts import distribution
from dmcnn.metrics import classification

TRUE = {"electron": 40, "muon": 50, "kaon": 10}
OBSERVED = {"electron": 30, "kaon": 0, "muon": 60, "other": 10}


def test_bars_and_intervals_are_the_counts():
    axes = distribution(TRUE, OBSERVED, ("True", "Predicted"), level=0.9).axes[0]
    expected, observed, errors = axes.containers
    assert [bar.get_height() for bar in expected] == [40, 50, 10, 0]
    assert [bar.get_height() for bar in observed] == [30, 60, 0, 10]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["electron", "muon", "kaon", "other"]
    wilson = classification.wilson([30, 60, 0, 10], 100, 0.9)
    lines = np.array(errors.lines[2][0].get_segments())
    np.testing.assert_allclose(lines[:, 0, 1], 100 * wilson.low)
    np.testing.assert_allclose(lines[:, 1, 1], 100 * wilson.high)
    np.testing.assert_allclose(lines[:, 0, 0], [bar.get_x() + bar.get_width() / 2 for bar in observed])
    for left, right in zip(expected, observed, strict=True):
        assert left.get_x() + left.get_width() == pytest.approx(right.get_x())
    assert [text.get_text() for text in axes.texts] == ["40", "50", "10", "0", "30", "60", "0", "10"]


@pytest.mark.slow
def test_legend_tells_totals_and_level():
    figure = distribution(TRUE, OBSERVED)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "Expected (100 events)",
        "Observed (100 events)",
    ]
    assert legend.get_title().get_text() == "error bars: 95 % interval"


@pytest.mark.parametrize(
    ("expected", "observed"),
    [
        ({}, {}),
        ({"a": 0}, {"a": 0}),
        ({"a": 3}, {}),
        ({f"class {i}": i for i in range(30)}, {"class 3": 400}),
    ],
)
def test_odd_counts_are_drawn(expected, observed):
    figure = distribution(expected, observed)
    axes = figure.axes[0]
    figure.draw_without_rendering()
    assert axes.get_ylim()[1] >= max([1, *expected.values(), *observed.values()])
    assert max(figure.get_size_inches() * figure.dpi) < 2200
