"""Figures of regression networks: the drawn numbers are the computed ones; odd samples are drawn as well."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures import calibration, regression
from dmcnn.figures.style import PALETTE
from dmcnn.metrics import classification, distributions, gaussian
from dmcnn.metrics.distributions import format_estimate

TARGETS, UNITS = ["x-midplane", "cotAlpha"], ["µm", ""]
RANDOM = np.random.default_rng(12)
SAMPLES = {
    "2 slices": RANDOM.normal(0, [8, 0.3], (3000, 2)),
    "20 slices": RANDOM.normal(0, [6, 0.2], (2000, 2)),
}


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def names(figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("log", [False, True])
def test_the_legend_of_a_panel_covers_no_error_bar(log) -> None:
    few = {"a": np.random.default_rng(4).normal(0, 1, (60, 1))}
    figure = regression.pulls(few, ["x-midplane"], 2, log)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    bars = [end for bar in axes.collections for segment in bar.get_segments() for end in segment]
    assert len(bars) > 10
    assert max(axes.transData.transform(bars)[:, 1]) < axes.get_legend().get_window_extent().y0


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True])
def test_residuals_and_their_fits(log) -> None:
    figure = regression.residuals(SAMPLES, TARGETS, UNITS, 1.5, log)
    x, alpha = figure.axes
    assert x.get_xlabel() == "x-midplane: estimate − truth [µm]"
    assert (alpha.get_xlabel(), alpha.get_ylabel()) == ("cotAlpha: estimate − truth", "Density")
    assert names(figure) == list(SAMPLES)
    assert x.get_yscale() == ("log" if log else "linear")
    for nth, values in enumerate(SAMPLES.values()):
        step = x.patches[nth].get_data()
        inside = np.histogram(values[:, 0], step.edges)[0]
        np.testing.assert_allclose(step.values * np.diff(step.edges), inside / len(values))
        fit = distributions.fit_core(values[:, 0], 1.5)
        assert fit is not None
        drawn = x.lines[nth]
        np.testing.assert_allclose(drawn.get_ydata(), fit(drawn.get_xdata()) / len(values))
        assert (drawn.get_xdata()[0], drawn.get_xdata()[-1]) == pytest.approx((fit.low, fit.high))
        assert words(x)[nth].startswith(f"σ {format_estimate(fit.sigma.value, fit.sigma.error)} µm")
    figure.draw_without_rendering()


def test_the_widest_network_sets_the_range_and_says_what_lies_outside() -> None:
    values = np.append(SAMPLES["2 slices"][:, :1], [[500.0]] * 30, axis=0)
    (axes,) = regression.residuals({"a": values}, ["x-midplane"], ["µm"]).axes
    half = distributions.half_width(values[:, 0]).value
    assert np.ptp(axes.get_xlim()) == pytest.approx(2 * regression.SPAN * half)
    assert words(axes)[0].endswith("0.99 % outside")


def test_pulls_beside_the_unit_gaussian() -> None:
    figure = regression.pulls({"a": SAMPLES["2 slices"] / [8, 0.3]}, TARGETS)
    unit = figure.axes[0].lines[0]
    np.testing.assert_allclose(
        unit.get_ydata(), np.exp(-(unit.get_xdata() ** 2) / 2) / np.sqrt(2 * np.pi), rtol=1e-12
    )
    fit = distributions.fit_core(SAMPLES["2 slices"][:, 0] / 8)
    assert fit is not None
    mean = format_estimate(fit.mean.value, fit.mean.error).replace("-", "−")
    assert words(figure.axes[0])[0].startswith(f"µ {mean}, σ ")
    assert names(figure) == ["a", "unit Gaussian"]


@pytest.mark.slow
def test_profiles_draw_points_with_errors() -> None:
    x = RANDOM.uniform(-2, 2, 3000)
    edges = np.append(distributions.quantile_edges(x, 5), 3.0)  # the last bin is empty
    values = SAMPLES["2 slices"][:, 0]
    found = {
        "a": [(distributions.profile(x, values, edges), distributions.profile(x, values / 8, edges))] * 2
    }
    figure = regression.profiles(found, "True cotAlpha", TARGETS, UNITS)
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "Bias [µm]",
        "68 % half width [µm]",
        "Pull 68 % half width",
    ]
    assert figure.axes[4].get_xlabel() == "True cotAlpha"
    profile = found["a"][0][0]
    for axes, y, error in (
        (figure.axes[0], profile.bias, profile.bias_error),
        (figure.axes[2], profile.width, profile.width_error),
    ):
        (drawn,) = axes.containers
        np.testing.assert_allclose(
            drawn.lines[0].get_xydata(), np.column_stack([profile.centre, y])[:5], rtol=1e-12
        )
        ends = np.array(drawn.lines[2][0].get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, np.column_stack([y - error, y + error])[:5])
    figure.draw_without_rendering()


def test_comparison_shows_seeds_means_and_errors() -> None:
    values = {"bias [µm]": [[1.0, 3.0], [0.5]], "pull width": [[1.1, 0.9], [1.2]]}
    figure = regression.comparison(
        ["a", "b"], values, {"bias [µm]": [0.7, 0.1], "pull width": [0.1, np.nan]}, 2, {"pull width": 1.0}
    )
    bias, pull = figure.axes
    assert [container.lines[0].get_ydata()[0] for container in bias.containers] == [2.0, 0.5]
    np.testing.assert_allclose(bias.containers[0].lines[2][0].get_segments()[0][:, 1], [1.3, 2.7])
    seeds = [line for line in bias.lines if line.get_markerfacecolor() == "none"]
    assert [line.get_ydata().tolist() for line in seeds] == [[1.0, 3.0]]
    assert [tick.get_text() for tick in pull.get_xticklabels()] == ["a", "b"]
    assert any(line.get_linestyle() == ":" and line.get_ydata()[0] == 1 for line in pull.lines)
    figure.draw_without_rendering()


def test_the_front_joins_what_no_other_beats() -> None:
    zeros, price = [0.0, 0.5, 0.5, 0.75, 0.9, 0.6], [-5.0, -4.8, -4.7, -4.0, -3.0, -2.0]
    assert regression.pareto_front(np.array(zeros), np.array(price)).tolist() == [0, 1, 3, 4]
    figure = regression.front(
        zeros, price, {"x-midplane": [8, 8.1, 8.2, 9, 10, 7.9]}, ["dense", "a", "a", "b", "c", "d"],
        units={"x-midplane": "µm"},
    )  # fmt: skip
    nll, width = figure.axes
    assert nll.get_ylabel() == "NLL [nats per event]"
    assert width.get_ylabel() == "x-midplane: 68 % half width [µm]"
    np.testing.assert_allclose(nll.lines[0].get_xydata(), [[0, -5], [50, -4.8], [75, -4], [90, -3]])
    np.testing.assert_allclose(width.lines[0].get_xydata(), [[60, 7.9], [75, 9], [90, 10]])
    assert nll.lines[2].get_xydata().tolist() == [[50, -4.8], [50, -4.7]]  # both seeds of a
    assert names(figure) == ["dense", "a", "b", "c", "d", "best with so many zeros or more"]
    figure.draw_without_rendering()


def test_pareto_front_by_its_definition() -> None:
    gain, price = RANDOM.integers(0, 6, 40) / 6, RANDOM.integers(0, 6, 40) / 6
    found = regression.pareto_front(gain, price)
    best = {
        (g, p)
        for g, p in zip(gain, price, strict=True)
        if not (((gain >= g) & (price < p)) | ((gain > g) & (price <= p))).any()
    }
    assert {(gain[i], price[i]) for i in found} == best
    assert len(found) == len(best)
    assert (np.diff(gain[found]) > 0).all()
    assert regression.pareto_front(np.array([1.0, 0.5]), np.array([np.nan, 2.0])).tolist() == [1]


def test_calibration_curves_are_the_coverage() -> None:
    pulls = {"a": SAMPLES["2 slices"] / [8, 0.3]}
    chi2 = {"a": (pulls["a"] ** 2).sum(axis=1)}
    figure = calibration.calibration(pulls, chi2, TARGETS, 0.9)
    assert [axes.get_title() for axes in figure.axes] == ["all 2 targets together", *TARGETS]
    for axes, distance2, k in ((figure.axes[0], chi2["a"], 2), (figure.axes[2], pulls["a"][:, 1] ** 2, 1)):
        expected = classification.wilson(
            [(gaussian.content(distance2, k) <= p).sum() for p in calibration.CONFIDENCE], 3000, 0.9
        )
        np.testing.assert_allclose(axes.lines[1].get_ydata(), 100 * expected.value)
        corners = axes.collections[0].get_paths()[0].vertices
        assert set(100 * expected.low) <= {*corners[:, 1]}
    places = [line.get_xdata()[0] for line in figure.axes[1].lines[2:]]
    assert places == pytest.approx([68.27, 95.45], abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("values", [[], [0.0], [1.0] * 50, [1.0, 2.0] * 25])
def test_odd_samples_are_drawn(values) -> None:
    samples = {"odd": np.array(values, float).reshape(-1, 1)}
    for log in (False, True):
        regression.residuals(samples, ["a"], [""], log=log).draw_without_rendering()
        regression.pulls(samples | {"usual": SAMPLES["2 slices"][:, :1]}, ["a"], log=log)
    calibration.calibration(samples, {"odd": samples["odd"][:, 0]}, ["a"])
    calibration.chi2({"odd": samples["odd"][:, 0]}, 2).draw_without_rendering()


@pytest.mark.slow
def test_many_networks_stay_apart_and_the_figure_small() -> None:
    many = {f"network number {i}": RANDOM.normal(0, 1, (200, 4)) for i in range(12)}
    figure = regression.pulls(many, ["a", "b", "c", "d"])
    assert figure.axes[0].get_legend() is None
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.legends[0].get_lines()}
    assert len(styles) == 13
    assert max(figure.get_size_inches() * figure.dpi) < 2600
    figure.draw_without_rendering()
    assert {colour for colour, _ in styles} == {*PALETTE, "black"}


def test_rounded_shows_two_digits_of_the_error() -> None:
    assert format_estimate(12.3456, 0.0123) == "12.346 ± 0.012"
    assert format_estimate(-1234.5, 56.0) == "-1234 ± 56"
    assert format_estimate(1.5, float("nan")) == "1.500 ± nan"


@pytest.mark.slow
@pytest.mark.parametrize("networks", [1, 5])
def test_no_text_of_correlations_is_cut(networks: int) -> None:
    targets = ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]
    kinds = dict.fromkeys(["estimated", "observed", "whitened"], np.eye(4))
    figure = calibration.correlations({f"network {i}": kinds for i in range(networks)}, targets)
    figure.draw_without_rendering()
    boxes = np.array([axes.get_tightbbox().extents for axes in figure.axes])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= figure.bbox.width
    assert boxes[:, 3].max() <= figure.bbox.height
