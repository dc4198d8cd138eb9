"""Occlusion maps: the drawn scores are the computed ones, for any map."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures.occlusion import scale, score_map, strongest_frame
from dmcnn.images.sparse import META, UNIT_WIRE_TICK


def place(height, width):
    meta = np.zeros((), META)
    meta["unit"] = UNIT_WIRE_TICK
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 100, 100 + width, 3000, 3000 + 6 * height
    return meta


def example(base=0.9, shape=(20, 30)):
    """Return a map that is ``base`` except along a short track, and the charge of that track."""
    scores, charge = np.full(shape, base), np.zeros(shape, np.float32)
    charge[8:12, 10:16] = 40
    scores[8:12, 10:16] -= np.linspace(0.1, 0.5, 24).reshape(4, 6)
    return scores, charge


def test_map_axes_and_words():
    scores, _ = example()
    figure = score_map(scores, "Signal", place(20, 30), base_score=0.9)
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), scores)
    assert axes.images[0].get_extent() == [100, 130, 3000, 3120]
    assert (axes.images[0].cmap.name, axes.images[0].origin) == ("viridis", "lower")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Wire Number", "Drift Time [ticks]")
    assert axes.get_title("left") == "Signal score under occlusion, untouched image 0.9"
    (bar,) = axes.child_axes
    assert bar.get_ylabel() == "Signal score"
    assert bar.get_ylim() == pytest.approx((scores.min(), 0.9))
    assert bar.lines[-1].get_ydata()[0] == 0.9


def test_normalised_map_spans_zero_to_one():
    scores, _ = example()
    axes = score_map(scores, "Background", None, normalized=True, base_score=0.9).axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    assert (drawn.min(), drawn.max()) == (0, 1)
    np.testing.assert_allclose(drawn, (scores - 0.4) / 0.5, atol=1e-12)
    assert axes.child_axes[0].get_ylabel() == "Background score, scaled to 0..1"
    assert axes.child_axes[0].lines[-1].get_ydata()[0] == pytest.approx(1)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.5, 1e-30, np.nan])
def test_constant_maps(value, normalized):
    figure = score_map(
        np.full((7, 5), value),
        "Signal",
        None,
        normalized=normalized,
        base_score=value,
        zoom_to=np.zeros((7, 5)),
    )
    figure.draw_without_rendering()
    norm = figure.axes[0].images[0].norm
    assert norm.vmin < norm.vmax
    assert figure.axes[0].get_xlim() == (0, 5)


def test_scale_keeps_nan_and_moves_the_base():
    values, base = scale(np.array([[0.2, np.nan, 0.6]], np.float32), 0.7)
    np.testing.assert_allclose(values, [[0, np.nan, 1]])
    assert base == pytest.approx(1.25, rel=1e-6)
    assert scale(np.full((1, 2), 0.3), 0.3) == (pytest.approx(np.full((1, 2), 0.5)), None)


@pytest.mark.parametrize("transpose", [False, True])
def test_zoom_shows_the_charge_in_a_square(transpose):
    scores, charge = example(shape=(100, 200))
    figure = score_map(scores, "Signal", place(100, 200), zoom_to=charge, transpose=transpose)
    axes = figure.axes[0]
    wires, ticks = (axes.get_ylim(), axes.get_xlim()) if transpose else (axes.get_xlim(), axes.get_ylim())
    assert wires[0] < 110 < 116 < wires[1]
    assert ticks[0] < 3000 + 8 * 6 < 3000 + 12 * 6 < ticks[1]
    assert wires[1] - wires[0] == pytest.approx((ticks[1] - ticks[0]) / 6)
    assert wires[1] - wires[0] < 12


def test_zoom_passes_over_far_hits_and_stays_inside():
    scores, charge = example(shape=(100, 100))
    charge[99, 99] = 5  # half a per cent of the charge
    axes = score_map(scores, "Signal", None, zoom_to=charge).axes[0]
    assert axes.get_xlim()[1] < 30
    charge[:] = 0
    charge[0, 99] = 1
    axes = score_map(scores, "Signal", None, zoom_to=charge).axes[0]
    assert 0 <= axes.get_ylim()[0] < axes.get_ylim()[1] < 10
    assert 90 < axes.get_xlim()[0] < axes.get_xlim()[1] <= 100


def test_a_map_of_the_oracle(shared_data):
    """The real occlusion scores land on the pixels that the oracle names."""
    with np.load(shared_data / "mpid" / "occ_electron_e3_i2_k4.npz") as oracle:
        rows, columns, scores, base = (oracle[name] for name in ("rows", "cols", "scores", "base"))
    shape = (int(rows.max()) + 2, int(columns.max()) + 3)
    full = np.full(shape, base[1])
    full[rows, columns] = scores[:, 1]
    drawn = score_map(full, "Signal", None, base_score=float(base[1])).axes[0].images[0]
    np.testing.assert_array_equal(np.asarray(drawn.get_array())[rows, columns], scores[:, 1])


def test_the_strongest_frame_is_the_one_furthest_from_the_untouched_score() -> None:
    scores = np.array([[[0.5, 0.4]], [[0.9, np.nan]], [[0.2, 0.5]]])
    np.testing.assert_array_equal(strongest_frame(scores, 0.5), [[0.9, 0.4]])


@pytest.mark.parametrize("shape", [(20, 30), (150, 512)])
def test_labels_are_whole_without_a_tight_box(shape):
    scores = np.full(shape, 0.99931234)
    scores[5:9] = 0.99921117
    for normalized in (False, True):
        figure = score_map(scores, "Pion_zero", None, base_score=0.99931234, normalized=normalized)
        figure.draw_without_rendering()
        (bar,) = figure.axes[0].child_axes
        box = bar.get_tightbbox()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
