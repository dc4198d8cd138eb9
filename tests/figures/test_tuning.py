"""Figures of a tuning study: the drawn numbers are those of the trials."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures import tuning


@pytest.mark.parametrize(("higher", "best"), [(False, [0.6, 0.4, 0.4]), (True, [0.6, 0.6, 0.9])])
def test_history_draws_every_trial_and_the_best_so_far(higher: bool, best: list[float]) -> None:
    points = [(2, 0.9, False), (0, 0.6, False), (3, 0.1, True), (1, 0.4, False)]
    figure = tuning.history(points, "val_loss", higher=higher)
    complete, early, line = figure.axes[0].lines
    np.testing.assert_array_equal(complete.get_xydata(), [[0, 0.6], [1, 0.4], [2, 0.9]])
    np.testing.assert_array_equal(early.get_xydata(), [[3, 0.1]])
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([[0, 1, 2], best]))
    assert figure.axes[0].get_xlabel() == "Trial"
    assert ("higher is better" in figure.axes[0].get_ylabel()) is higher
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())


def test_a_trial_that_went_wrong_leaves_the_others_apart() -> None:
    points = [(0, 0.6, False), (1, 0.5, False), (2, 4000.0, False)]
    assert tuning.history(points, "val_loss", higher=False).axes[0].get_yscale() == "log"
    assert tuning.history(points[:2], "val_loss", higher=False).axes[0].get_yscale() == "linear"
    tuning.history([], "val_loss", higher=False).draw_without_rendering()
    tuning.history([(0, 0.5, True)], "val_loss", higher=False).draw_without_rendering()


def test_importance_draws_the_shares_highest_on_top() -> None:
    figure = tuning.importance({"learning_rate": 0.7, "crop": 0.3}, "val_loss", 12)
    axes = figure.axes[0]
    figure.draw_without_rendering()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["crop", "learning_rate"]
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.7]
    assert "12 trials" in axes.get_xlabel()
