"""Figures of a stack: what is drawn where, in which order, and what stays hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmcnn.figures import stack as figures
from dmcnn.metrics.histograms import garwood

EDGES = np.linspace(0, 1, 6)
LOW = np.array([0, 40.0, 30, 20, 10, 5, 0])
HIGH = np.array([0, 10.0, 10, 10, 10, 10, 0])
DATA = np.array([0, 55.0, 36, 33, 0, 17, 0])


def scene(**changes: Any) -> figures.Scene:
    given: dict[str, Any] = {
        "edges": EDGES,
        "label": "Score",
        "samples": {"dirt": LOW, "nu": HIGH},
        "statistical": np.sqrt(LOW + HIGH),
        "total": 1.5 * np.sqrt(LOW + HIGH),
        "data": DATA,
        "hidden": np.zeros(7, bool),
        "signals": {"signal": HIGH / 2},
    }
    return figures.Scene(**{**given, **changes})


def points(axes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places, heights and ends of the error bars of the data."""
    (container,) = axes.containers[-1:]
    line, _, (bars,) = container
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    return line.get_xdata(), line.get_ydata(), ends


def test_data_have_poisson_intervals_also_where_nothing_is_seen():
    top, bottom = figures.stack(scene()).axes
    x, y, ends = points(top)
    interval = garwood(DATA[1:-1])
    assert x == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert y == pytest.approx(DATA[1:-1])
    assert ends[:, 0] == pytest.approx(interval.low)
    assert ends[:, 1] == pytest.approx(interval.high)
    assert points(bottom)[1] == pytest.approx(DATA[1:-1] / (LOW + HIGH)[1:-1])


def test_the_legend_goes_from_data_down_the_stack():
    (top, _) = figures.stack(scene(signal_scale=5.0)).axes
    names = [text.get_text() for text in top.get_legend().get_texts()]
    assert names == ["data (141)", "nu (50)", "dirt (105)", "stat. + syst.", "signal × 5"]


def test_samples_lie_on_one_another_in_their_order():
    top = figures.stack(scene()).axes[0]
    stairs = [patch.get_data() for patch in top.patches if hasattr(patch, "get_data")]
    tops = [tuple(data.values) for data in stairs if np.ndim(data.baseline) or data.baseline is not None]
    assert tuple(LOW[1:-1]) in tops
    assert tuple((LOW + HIGH)[1:-1]) in tops


@pytest.mark.slow
def test_hidden_bins_hold_no_point_and_are_hatched():
    hidden = np.array([False] * 4 + [True] * 3)
    top, bottom = figures.stack(scene(data=np.where(hidden, np.nan, DATA), hidden=hidden)).axes
    for axes in (top, bottom):
        assert points(axes)[0].max() == pytest.approx(0.5)
        (span,) = [patch for patch in axes.patches if patch.get_hatch() == "xx"]
        assert axes.transData.inverted().transform(span.get_window_extent())[0, 0] == pytest.approx(0.6)
    assert "data hidden" in [text.get_text() for text in top.texts]
    assert "data (124)" in [text.get_text() for text in top.get_legend().get_texts()]


def test_bins_outside_of_the_range_are_drawn_only_if_something_is_in_them():
    overflow = LOW.copy()
    overflow[-1] = 7
    top, bottom = figures.stack(scene(samples={"dirt": overflow})).axes
    assert top.get_xlim() == pytest.approx((0, 1.2))
    assert [text.get_text() for text in bottom.texts] == ["overflow"]
    assert max(bottom.get_xticks()) <= 1
    top, bottom = figures.stack(scene()).axes
    assert top.get_xlim() == pytest.approx((0, 1))
    assert not bottom.texts


@pytest.mark.parametrize("log", [False, True])
def test_the_legend_has_room_above_everything(log):
    figure = figures.stack(scene(), log)
    figure.draw_without_rendering()
    top = figure.axes[0]
    box = top.get_legend().get_window_extent().transformed(top.transData.inverted())
    assert box.y0 > DATA.max() + np.sqrt(DATA.max())


@pytest.mark.slow
def test_without_data_and_in_an_empty_stack_the_figure_is_drawn():
    figures.stack(scene(data=None), log=True).draw_without_rendering()
    nothing = np.zeros(7)
    empty = scene(samples={"dirt": nothing}, statistical=nothing, total=nothing, data=nothing, signals={})
    for log in (False, True):
        figures.stack(empty, log).draw_without_rendering()


def test_uncertainties_variations_and_correlation_show_what_they_are_given():
    total = LOW + HIGH
    axes = figures.uncertainties(EDGES, "Score", total, {"flux": 0.1 * total, "total": 0.2 * total}).axes[0]
    heights = {patch.get_label(): patch.get_data().values for patch in axes.patches}
    assert heights["flux"] == pytest.approx([0.1] * 5)
    assert heights["total"] == pytest.approx([0.2] * 5)
    axes = figures.variations(EDGES, "Score", total, np.sqrt(total), {"light": -0.3 * total}).axes[0]
    assert axes.patches[0].get_data().values == pytest.approx([-0.3] * 5)
    assert axes.get_ylim()[0] < -0.3
    matrix = np.full((7, 7), np.nan)
    matrix[1:-1, 1:-1] = np.eye(5)
    mesh = figures.correlation(EDGES, "Score", matrix).axes[0].collections[0]
    assert np.asarray(mesh.get_array()).reshape(5, 5) == pytest.approx(np.eye(5))
    assert mesh.get_clim() == (-1, 1)
