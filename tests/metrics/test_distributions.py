"""Widths, fits and profiles against closed forms, Monte Carlo and other minimisers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize

from dmcnn.metrics import distributions
from dmcnn.metrics.distributions import Estimate

EDGES = np.linspace(-3, 5, 81)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2


def bell(x, height, mean, sigma):
    return height * np.exp(-((x - mean) ** 2) / (2 * sigma**2))


def negative_log_likelihood(height, mean, sigma, counts):
    expected = height * torch.exp(-((torch.tensor(CENTRES) - mean) ** 2) / (2 * sigma**2))
    return (expected - torch.tensor(counts) * torch.log(expected)).sum()


def test_an_exact_gaussian_is_found_exactly() -> None:
    found = distributions.fit(bell(CENTRES, 300, 0.7, 1.1), EDGES)
    assert found is not None
    assert (found.mean.value, found.sigma.value) == pytest.approx((0.7, 1.1), rel=1e-9)
    assert found.height * 0.1 == pytest.approx(300, rel=1e-9)
    assert found.chi2 == pytest.approx(0, abs=1e-8)
    assert found.ndf == 77
    np.testing.assert_allclose(found(CENTRES) * 0.1, bell(CENTRES, 300, 0.7, 1.1))


def test_bins_are_taken_at_their_centres() -> None:
    """With bins of 0.8 sigma a fit at the left edges would be wrong by 0.4 sigma, 40 standard errors."""
    values = np.random.default_rng(3).normal(2, 1, 10000)
    edges = np.linspace(-2, 6, 11)
    found = distributions.fit(np.histogram(values, edges)[0], edges)
    assert found is not None
    assert abs(found.mean.value - 2) < 3 * found.mean.error
    # a bin's content taken for the density at its centre widens by w^2 / 12
    assert found.sigma.value == pytest.approx(np.sqrt(1 + 0.8**2 / 12), abs=3 * found.sigma.error)


def test_the_fit_is_the_maximum_of_the_likelihood_and_its_errors_the_curvature() -> None:
    counts = np.random.default_rng(4).poisson(bell(CENTRES, 12, 0.7, 1.1)).astype(float)
    found = distributions.fit(counts, EDGES)
    assert found is not None
    at = torch.tensor([found.height * 0.1, found.mean.value, found.sigma.value], dtype=torch.float64)
    at.requires_grad_()
    value = negative_log_likelihood(*at, counts)
    (gradient,) = torch.autograd.grad(value, at)
    np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-5)
    # Fisher's information: the curvature expected at the fitted values
    expected = bell(CENTRES, *at.detach().numpy())
    curvature = torch.autograd.functional.hessian(
        lambda p: negative_log_likelihood(*p, expected), at.detach()
    )
    errors = np.sqrt(np.diagonal(np.linalg.inv(curvature.numpy())))
    assert (found.mean.error, found.sigma.error) == pytest.approx(tuple(errors[1:]), rel=1e-6)


def test_the_fit_against_scipy() -> None:
    counts = np.random.default_rng(5).poisson(bell(CENTRES, 40, 0.7, 1.1)).astype(float)
    found = distributions.fit(counts, EDGES)
    assert found is not None

    def cost(p):
        expected = bell(CENTRES, *p)
        return (expected - counts * np.log(expected)).sum()

    best = optimize.minimize(cost, (30, 0, 1), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert (found.mean.value, found.sigma.value) == pytest.approx(tuple(best.x[1:]), abs=1e-5)


@pytest.mark.slow
def test_errors_are_the_spread_over_samples() -> None:
    random = np.random.default_rng(6)
    pulls = []
    for _ in range(250):
        values = random.normal(3, 2, 1500)
        core = distributions.fit_core(values)
        assert core is not None
        known = ((distributions.mean(values), 3), (distributions.deviation(values), 2),
                 (distributions.half_width(values), 2), (core.mean, 3), (core.sigma, 2))  # fmt: skip
        pulls.append([(found.value - true) / found.error for found, true in known])
    means, widths = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    np.testing.assert_allclose(widths, 1, atol=0.15)  # 3 standard deviations
    np.testing.assert_allclose(means, 0, atol=0.45)


def test_tails_leave_the_core_and_the_half_width_alone() -> None:
    random = np.random.default_rng(7)
    values = np.concatenate([random.normal(0, 1, 19000), random.normal(0, 30, 400)])
    core = distributions.fit_core(values)
    assert core is not None
    assert core.sigma.value == pytest.approx(1, abs=0.03)
    assert distributions.half_width(values).value == pytest.approx(1.02, abs=0.02)
    wide = distributions.deviation(values)
    assert wide.value == pytest.approx(np.sqrt((19000 + 400 * 900) / 19400), rel=0.1)
    assert wide.error > 3 * wide.value / np.sqrt(2 * len(values))  # what a Gaussian would have
    far = distributions.fit_core(values + 1e6)
    assert far is not None
    assert far.mean.value == pytest.approx(1e6, abs=0.05)


@pytest.mark.parametrize(
    "values", [[], [1.0], [2.0] * 100, np.arange(19.0), [0.0, 1.0] * 50, np.repeat([1.0, 2.0, 3.0], 20)]
)
def test_what_has_no_peak_has_no_fit(values) -> None:
    assert distributions.fit_core(np.array(values, float)) is None


def test_odd_histograms_have_no_fit() -> None:
    valley = np.array([90, 50, 20, 5, 0, 5, 20, 50, 90])
    assert distributions.fit(valley, np.arange(10.0)) is None
    assert distributions.fit(np.zeros(9), np.arange(10.0)) is None


def test_small_samples_have_no_width() -> None:
    assert np.isnan(distributions.half_width(np.arange(5.0)).value)
    assert np.isnan(distributions.mean(np.zeros(1)).value)
    assert np.isnan(distributions.deviation(np.zeros(0)).value)
    assert distributions.deviation(np.full(5, 2.0)) == Estimate(0.0, 0.0)
    assert distributions.half_width(np.full(50, 2.0)) == Estimate(0.0, 0.0)


def test_bins_of_equal_content() -> None:
    x = np.random.default_rng(8).exponential(1, 1200)
    edges = distributions.quantile_edges(x, 6)
    assert np.histogram(x, edges)[0].tolist() == [200] * 6
    assert (edges[0], edges[-1]) == (x.min(), x.max())
    assert distributions.quantile_edges(np.full(5, 0.5), 3).tolist() == [0, 1]


def test_bins_hold_whole_numbers() -> None:
    sizes = np.repeat([3.0, 4.0, 5.0, 9.0], [10, 40, 40, 10])
    edges = distributions.quantile_edges(sizes, 4)
    assert edges.tolist() == [2.5, 3.5, 4.5, 9.5]
    assert np.histogram(sizes, edges)[0].tolist() == [10, 40, 50]
    assert distributions.quantile_edges(np.full(5, 7.0), 3).tolist() == [6.5, 7.5]


def test_a_profile_by_its_definition() -> None:
    random = np.random.default_rng(9)
    x, values = random.uniform(0, 4, 900), random.normal(0, 1, 900)
    values = values * (1 + x) + x
    edges = np.array([0.5, 1.0, 2.0, x.max()])
    found = distributions.profile(x, values, edges)
    for nth in range(3):
        here = (x >= edges[nth]) & ((x < edges[nth + 1]) | (nth == 2))
        assert found.count[nth] == here.sum()
        assert found.centre[nth] == pytest.approx(x[here].mean())
        bias, width = distributions.mean(values[here]), distributions.half_width(values[here])
        assert (found.bias[nth], found.bias_error[nth]) == pytest.approx((bias.value, bias.error))
        assert (found.width[nth], found.width_error[nth]) == pytest.approx((width.value, width.error))
    assert (found.low.tolist(), found.high.tolist()) == (edges[:-1].tolist(), edges[1:].tolist())


def test_bins_of_few_events_are_empty() -> None:
    found = distributions.profile(np.arange(30.0), np.arange(30.0), np.array([-5.0, 5.0, 29.0, 40.0]))
    assert found.count.tolist() == [5, 24, 1]
    assert np.isnan(found.bias).tolist() == [True, False, True]
    assert np.isnan(distributions.profile(np.ones(3), np.ones(3), np.array([5.0, 6.0])).centre[0])
