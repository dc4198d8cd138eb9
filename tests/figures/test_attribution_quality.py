"""Quality figures: the drawn numbers are the measured ones, and every panel says which direction is better."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dmcnn.figures import attribution_quality

RNG = np.random.default_rng(5)
FRACTION = np.linspace(0, 1, 9)
NAMES = ["grad_cam", "saliency", "charge"]


def curves(names=NAMES) -> dict[str, np.ndarray]:
    return {name: RNG.normal(size=9) for name in names}


def row(method, measure, mean=0.5, better="lower", n=20, half=0.1) -> dict:
    return {"method": method, "measure": measure, "better": better, "n": n, "mean": mean,
            "low": mean - half, "high": mean + half}  # fmt: skip


def test_curves_band_and_directions():
    deletion, insertion, random = curves(), curves(), RNG.normal(size=(6, 9))
    figure = attribution_quality.removal(
        FRACTION, deletion, insertion, random, target="Signal logit", title="Run 1"
    )
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == (
        "Deletion: lower is better",
        "Insertion: higher is better",
    )
    assert left.get_ylabel() == "Signal logit"
    assert (left.get_xlabel(), right.get_xlabel()) == tuple(
        f"Fraction of active pixels {word}" for word in ("removed", "inserted")
    )
    for axes, shown, across in ((left, deletion, FRACTION), (right, insertion, 1 - FRACTION)):
        np.testing.assert_allclose(axes.lines[0].get_xydata(), np.column_stack([across, random.mean(axis=0)]))
        corners = axes.collections[0].get_paths()[0].vertices
        for side in (-1, 1):
            edge = np.column_stack([across, random.mean(axis=0) + side * random.std(axis=0)])
            assert all(np.isclose(corners, point).all(axis=1).any() for point in edge)
        for line, name in zip(axes.lines[1:], NAMES, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack([FRACTION, shown[name]]))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["random order, ± 1 σ of 6", "grad cam", "saliency", "brightest first"]
    assert figure.get_suptitle() == "Run 1"
    figure.draw_without_rendering()


def test_many_curves_stay_apart():
    maps = {f"map {nth}": np.ones(3) for nth in range(24)}
    axes = attribution_quality.removal(np.arange(3) / 2, maps, maps, np.ones((2, 3))).axes[0]
    styles = [(one.get_color(), one.get_linestyle()) for one in axes.lines if one.get_label() in maps]
    assert len(set(styles)) == len(styles) == 24
    assert "#000000" not in {colour for colour, _ in styles}


def test_a_panel_per_measure_with_intervals_and_floor():
    rows = [
        row("grad_cam", "deletion_auc", 0.3),
        row("saliency", "deletion_auc", 0.4, n=7),
        row("random", "deletion_auc", 0.5, half=0.02),
        row("grad_cam", "insertion_auc", 0.7, "higher"),
        row("saliency", "insertion_auc", np.nan, "higher", n=0, half=np.nan),
        row("grad_cam", "completeness_error", np.nan, n=0),
    ]
    figure = attribution_quality.measures(rows, level=0.9)
    deletion, insertion = (axes for axes in figure.axes if axes.axison)
    assert (deletion.get_title(), deletion.get_xlabel()) == ("deletion auc", "← lower is better")
    assert (insertion.get_title(), insertion.get_xlabel()) == ("insertion auc", "higher is better →")
    assert [label.get_text() for label in deletion.get_yticklabels()] == ["grad cam", "saliency"]
    drawn = [line.get_xydata().tolist() for line in deletion.lines]
    np.testing.assert_allclose(drawn[0], [[0.2, 0], [0.4, 0]])
    np.testing.assert_allclose(drawn[1], [[0.3, 0]])
    np.testing.assert_allclose(drawn[2], [[0.3, 1], [0.5, 1]])
    np.testing.assert_allclose(drawn[3], [[0.4, 1]])
    assert deletion.lines[-1].get_xdata()[0] == 0.5  # random maps: a line with a band
    band = deletion.patches[0].get_extents().transformed(deletion.transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((0.48, 0.52))
    assert [text.get_text() for text in deletion.texts] == ["7 events"]
    assert len(insertion.lines) == 2
    assert figure.get_suptitle().startswith("Mean of 20 events")
    assert "90 % interval" in figure.get_suptitle()
    figure.draw_without_rendering()


def test_numbers_of_a_narrow_panel_do_not_touch_and_no_line_covers_a_point():
    names = ("completeness_error", "halving_change", "deletion_auc", "insertion_auc")
    rows = [row("integrated_gradients", name, 0.01584, half=np.nan) for name in names]
    figure = attribution_quality.measures([*rows, row("random", names[0], 0.01584, half=0)])
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        low, high = axes.bbox.x0, axes.bbox.x1
        seen = sorted((box.x0, box.x1) for box in boxes if low <= (box.x0 + box.x1) / 2 <= high)
        assert len(seen) > 1
        assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(seen))
    *points, floor = figure.axes[0].lines
    assert floor.get_zorder() < min(point.get_zorder() for point in points)


def test_decades_are_drawn_on_a_logarithmic_axis():
    rows = [row("grad_cam", "enrichment", 0.9), row("input", "enrichment", 200)]
    assert attribution_quality.measures(rows).axes[0].get_xscale() == "log"
    rows[0] = row("grad_cam", "enrichment", 0.0)
    assert attribution_quality.measures(rows).axes[0].get_xscale() == "linear"


def test_one_event_has_points_without_intervals():
    rows = [
        row("grad_cam", "deletion_auc", n=1, half=np.nan),
        row("random", "deletion_auc", n=1, half=np.nan),
    ]
    figure = attribution_quality.measures(rows)
    assert figure.get_suptitle().startswith("Mean of 1 event ")
    figure.draw_without_rendering()


def test_agreement_writes_every_number():
    spearman = np.array([[1, -0.001, np.nan], [-0.001, 1, 0.5], [np.nan, 0.5, 1]])
    jaccard = np.abs(spearman)
    figure = attribution_quality.agreement(NAMES, spearman, jaccard, share=0.1, title="Run 1")
    left, right = figure.axes
    words = [text.get_text() for text in left.texts]
    assert words == ["1.00", "0.00", "–", "0.00", "1.00", "0.50", "–", "0.50", "1.00"]
    assert [text.get_position() for text in left.texts][1] == (1, 0)
    np.testing.assert_array_equal(left.images[0].get_array().filled(np.nan), spearman)
    np.testing.assert_array_equal(right.images[0].get_array().filled(np.nan), jaccard)
    assert (left.images[0].get_clim(), right.images[0].get_clim()) == ((-1, 1), (0, 1))
    assert right.get_title() == "Overlap of the strongest 10 %"
    assert [label.get_text() for label in left.get_yticklabels()] == ["grad cam", "saliency", "charge"]
    figure.draw_without_rendering()


@pytest.mark.slow
@pytest.mark.parametrize("names", [[], ["a"], [f"quite a long method name {n}" for n in range(16)]])
def test_none_one_and_many_maps(names):
    many = np.full((len(names), len(names)), 0.5)
    for figure in (
        attribution_quality.agreement(names, many, many, share=0.1),
        attribution_quality.removal(FRACTION, curves(names), curves(names), np.full((1, 9), np.nan)),
        attribution_quality.measures([row(name, "deletion_auc") for name in names]),
    ):
        assert max(figure.get_size_inches() * figure.dpi) < 2500
        figure.draw_without_rendering()
