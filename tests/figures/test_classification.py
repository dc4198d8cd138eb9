"""Figures of classification networks: the drawn numbers are the computed ones; odd samples are drawn as well."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from dmcnn.figures import classification as figures
from dmcnn.figures.style import stroke
from dmcnn.metrics import classification as metrics

RNG = np.random.default_rng(5)
SIGNAL, BACKGROUND = 1 / (1 + np.exp(-RNG.normal(1, 1, 300))), 1 / (1 + np.exp(-RNG.normal(-1, 1, 500)))


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True])
def test_roc_draws_the_curve_and_its_auc(log):
    figure = figures.roc({"MPID": (SIGNAL, BACKGROUND), "swapped": (BACKGROUND, SIGNAL)}, level=0.9, log=log)
    axes, expected = figure.axes[0], metrics.roc(signal=SIGNAL, background=BACKGROUND)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), expected.background)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), expected.signal)
    area = metrics.auc_interval(signal=SIGNAL, background=BACKGROUND, level=0.9)
    assert words(axes)[0] == f"MPID: {area.value:.4f} [{area.low:.4f}, {area.high:.4f}]"
    assert axes.get_legend().get_title().get_text() == "AUC with 90 % interval, band of each point"
    assert axes.get_xscale() == ("log" if log else "linear")
    assert axes.get_xlim()[0] == (1 / 500 if log else 0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Background efficiency", "Signal efficiency")
    figure.draw_without_rendering()


@pytest.mark.parametrize("log", [False, True])
def test_roc_of_many_events_draws_only_the_points_that_differ(log):
    rng = np.random.default_rng(1)
    scores = {"signal": rng.normal(1, 1, 100_000), "background": rng.normal(0, 1, 100_000)}
    axes = figures.roc({"a": (scores["signal"], scores["background"])}, log=log).axes[0]
    x, y = axes.lines[0].get_data()
    all_ = metrics.roc(**scores)
    assert len(x) < len(all_.cut) / 8
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert axes.get_xlim()[0] == (1e-5 if log else 0)
    for scale in (
        np.asarray,
        lambda share: 1 + np.log10(np.maximum(share, 1e-5)) / 5,
    ):  # both axes, over the panel
        drawn, whole = scale(x), scale(all_.background)
        along = [drawn + y, whole + all_.signal]  # rises along both curves
        np.testing.assert_allclose(np.interp(along[1], along[0], y), all_.signal, atol=1 / 4000)
        np.testing.assert_allclose(np.interp(along[1], along[0], drawn), whole, atol=1 / 4000)


def test_roc_band_at_some_cuts_is_that_of_all():
    given = {"signal": SIGNAL, "background": BACKGROUND}
    whole, at = metrics.roc_band(**given), np.arange(0, 801, 40)
    for part, border in zip(metrics.roc_band(**given, cuts=whole[0].cut[at]), whole, strict=True):
        np.testing.assert_allclose(part.signal, border.signal[at], atol=1e-12)
        np.testing.assert_allclose(part.background, border.background[at], atol=1e-12)


def test_efficiency_curves_and_bands():
    cuts = [0.1, 0.5, 0.9]
    axes = figures.efficiency(SIGNAL, BACKGROUND, cuts).axes[0]
    signal, background = metrics.efficiency(SIGNAL, cuts), metrics.rejection(BACKGROUND, cuts)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([cuts, signal.value]))
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), np.column_stack([cuts, background.value]))
    corners = axes.collections[0].get_paths()[0].vertices
    assert {*signal.low, *signal.high} <= {*corners[:, 1]}
    assert words(axes) == ["Signal efficiency", "Background rejection"]


def test_efficiency_chooses_cuts_over_the_finite_scores():
    axes = figures.efficiency([0.2, np.inf], [-np.inf, 0.1]).axes[0]
    assert axes.get_xlim() == (0.1, 0.2)
    figures.efficiency([0.5], [0.5]).draw_without_rendering()
    figures.efficiency([np.inf], [-np.inf]).draw_without_rendering()


def test_histograms_count_every_scored_event():
    axes = figures.score_histogram(
        {"Signal": [*SIGNAL, np.nan], "Background": BACKGROUND}, density=False
    ).axes[0]
    steps = [patch.get_data() for patch in axes.patches if not patch.get_fill()]
    assert [step.values.sum() for step in steps] == [300, 500]
    np.testing.assert_allclose(steps[0].edges, np.linspace(0, 1, 41))
    np.testing.assert_array_equal(steps[0].values, np.histogram(SIGNAL, 40, (0, 1))[0])
    assert words(axes) == ["Signal (300 events)", "Background (500 events)"]
    assert axes.get_xlim() == (0, 1)


def test_fractions_of_each_sample():
    axes = figures.score_histogram({"a": SIGNAL, "b": BACKGROUND[:7]}, bins=11).axes[0]
    assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1, 1, 1, 1])
    assert axes.get_ylabel() == "Fraction of events"


def test_logits_are_binned_with_saturated_scores_outermost():
    axes = figures.score_histogram(
        {"s": [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]}, bins=2, logit=True, density=False
    ).axes[0]
    step = axes.patches[-1].get_data()
    np.testing.assert_allclose(step.edges, [-np.log(3), 0, np.log(3)], atol=1e-12)
    assert step.values.tolist() == [2, 4]
    assert "logit" in axes.get_xlabel()


@pytest.mark.slow
@pytest.mark.parametrize("values", [[], [0.5], [np.nan], [2.0, 2.0], [np.inf]])
@pytest.mark.parametrize("logit", [False, True])
def test_odd_samples_are_drawn(values, logit):
    values = np.clip(values, 0, 1) if logit else values
    figures.score_histogram({"odd": values, "none": []}, logit=logit, log=True).draw_without_rendering()


def test_no_sample_at_all_is_drawn():
    figures.score_histogram({}).draw_without_rendering()


@pytest.mark.slow
def test_confusion_cells_hold_events_and_percentages():
    figure = figures.confusion(np.array([[30, 10], [0, 0]]), ["background", "signal"])
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[75, 25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["30\n75.0 %", "10\n25.0 %", "0\n–", "0\n–"]
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["background", "signal"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted class", "True class")
    many = figures.confusion(np.zeros((12, 12), int), ["a long class name"] * 12)
    assert max(many.get_size_inches() * many.dpi) < 2000
    many.draw_without_rendering()


def test_training_panels_skip_unmeasured_steps():
    step, loss = np.arange(6) * 10, np.array([3.0, 2, 1, 1, 1, 1])
    test = np.array([np.nan, 2.5, np.nan, np.nan, 1.5, np.nan])
    figure = figures.training(
        step, {"Loss": {"train": loss, "test": test}, "AUC": {}, "Accuracy": {"test": test}}
    )
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Accuracy"]
    train, tested = figure.axes[0].lines
    np.testing.assert_array_equal(train.get_xydata(), np.column_stack([step, loss]))
    np.testing.assert_array_equal(tested.get_xydata(), [[10, 2.5], [40, 1.5]])
    assert figure.axes[-1].get_xlabel() == "Step"


def test_training_smooth_is_a_centred_mean():
    step = np.arange(20)
    raw, smooth = figures.training(step, {"Loss": {"train": step**2.0}}, smooth=3).axes[0].lines
    assert len(raw.get_xdata()) == 20
    np.testing.assert_allclose(smooth.get_xdata(), step[1:-1])
    np.testing.assert_allclose(
        smooth.get_ydata(), [((x - 1) ** 2 + x**2 + (x + 1) ** 2) / 3 for x in step[1:-1]]
    )
    assert len(figures.training(step[:11], {"Loss": {"train": step[:11]}}, smooth=3).axes[0].lines) == 1


def test_training_that_begins_far_off_is_cut():
    loss = np.append([200.0, np.nan, 40], np.linspace(2, -3, 27))
    cut, whole = figures.training(
        np.arange(30), {"NLL": {"train": loss}, "Loss": {"train": np.full(30, 2.0)}}
    ).axes
    assert -3.5 < cut.get_ylim()[0] < -3
    assert 2 < cut.get_ylim()[1] < 2.5
    assert whole.get_ylim()[0] < 2 < whole.get_ylim()[1]
    (slope,) = figures.training(np.arange(30), {"Loss": {"train": np.linspace(2, 0, 30)}}).axes
    assert slope.get_ylim()[1] > 2


def test_training_without_measurements():
    figures.training([], {}).draw_without_rendering()
    empty = {"Loss": {"train": [2.0, 1.0], "test": [np.nan, np.nan]}, "AUC": {"test": [np.nan, np.nan]}}
    (loss,) = figures.training(
        [1, 2], empty
    ).axes  # no panel of the AUC of several classes, which has no number
    assert [line.get_label() for line in loss.lines] == ["train"]
    figures.training([1, 2], {"Loss": {"train": [np.nan, np.nan]}}).draw_without_rendering()


def test_lines_stay_apart_without_colour():
    styles = [(style["color"], style["linestyle"]) for style in map(stroke, range(28))]
    assert len(set(styles)) == 28


@pytest.mark.slow
def test_figures_touch_no_pyplot():
    """Figures are made and saved without a graphical backend, a window or global state."""
    code = (
        "import sys, io, numpy as np\n"
        "from dmcnn.figures import classification, event, occlusion\n"
        "event.event_display(np.zeros((4, 4), np.float32)).savefig(io.BytesIO())\n"
        "occlusion.score_map(np.zeros((4, 4)), 'Signal')\n"
        "classification.roc({'a': ([1], [0])}).savefig(io.BytesIO(), format='pdf')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
