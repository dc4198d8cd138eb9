"""Intervals of shares and means: definitions, coverage, and effective counts of weighted events."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmcnn._common.errors import InputError
from dmcnn.metrics import classification
from dmcnn.metrics.intervals import MIN_EVENTS, bootstrap_t, student_quantile, wilson

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("n", [5, 12, 30])
@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_bootstrap_t_covers_the_mean(shape: str, n: int) -> None:
    true, inside = {"normal": 0.0, "exponential": 1.0}[shape], 0
    for nth, sample in enumerate(getattr(RNG, shape)(size=(500, n))):
        found = bootstrap_t(sample, n_resamples=500, seed=nth)
        inside += found.low < true < found.high
    assert 0.91 < inside / 500 < 0.98  # 2.5 binomial standard deviations about 0.935 to 0.955


def test_bootstrap_t_is_about_student_and_scales() -> None:
    sample = RNG.normal(5, 2, 200)
    found = bootstrap_t(sample)
    half = stats.t.ppf(0.975, 199) * sample.std(ddof=1) / np.sqrt(200)
    np.testing.assert_allclose([found.low, found.high], [found.value - half, found.value + half], atol=0.05)
    assert student_quantile(0.95, 199) == pytest.approx(stats.t.ppf(0.975, 199))
    moved = bootstrap_t(3 * sample - 7)
    np.testing.assert_allclose([moved.low, moved.high], [3 * found.low - 7, 3 * found.high - 7])
    narrow = bootstrap_t(sample, level=0.5)
    assert found.low < narrow.low < narrow.high < found.high


def test_bootstrap_t_of_a_skewed_sample_reaches_further_to_its_tail() -> None:
    sample = RNG.exponential(size=40)
    found, mirrored = (bootstrap_t(sign * sample, n_resamples=20_000) for sign in (1, -1))
    assert found.high - found.value > 1.1 * (found.value - found.low)
    np.testing.assert_allclose([-mirrored.high, -mirrored.low], [found.low, found.high], atol=0.03)


def test_too_few_or_equal_values_have_no_interval() -> None:
    for values in ([], [2.0], [1.0, 2.0], np.arange(MIN_EVENTS - 1.0), np.ones(50)):
        found = bootstrap_t(values)
        assert np.isnan([found.low, found.high]).all()
        assert np.isnan(found.value) == (len(values) == 0)
    # Four of five values are equal: a third of the resamples has no spread.
    tied = bootstrap_t([1.0, 1.0, 1.0, 1.0, 2.0])
    assert np.isfinite([tied.low, tied.high]).all()
    with pytest.raises(InputError, match="confidence level 95"):
        bootstrap_t([1.0, 2.0], level=95)


def test_large_samples_are_resampled_in_parts() -> None:
    found = bootstrap_t(RNG.normal(size=30_000), n_resamples=200)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(30_000), rel=0.2)


def test_weights_of_one_are_no_weights() -> None:
    scores, cuts = RNG.normal(size=137), np.linspace(-4, 4, 33)
    for share in (classification.efficiency, classification.rejection):
        plain, weighted = share(scores, cuts), share(scores, cuts, weights=np.ones(137))
        counted = wilson([(scores >= cut).sum() if share is classification.efficiency else (scores < cut).sum()
                          for cut in cuts], 137)  # fmt: skip
        for end in ("value", "low", "high"):
            np.testing.assert_array_equal(getattr(plain, end), getattr(weighted, end))
            np.testing.assert_array_equal(getattr(plain, end), getattr(counted, end))
        scaled = share(scores, cuts, weights=np.full(137, 0.3))  # POT: the same events, all scaled
        np.testing.assert_allclose(scaled.low, plain.low, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_effective_counts_give_efficiencies_that_cover() -> None:
    """Events that pass weigh more: counts from all weights together would claim too much."""
    random, inside, experiments, share = np.random.default_rng(8), 0, 2000, 0.3
    for _ in range(experiments):
        score = random.random(200)
        weight = random.exponential(size=200) * np.where(score < share, 4, 1)
        # true share of the weight with score < 0.3: 4 * 0.3 / (4 * 0.3 + 0.7)
        found = classification.rejection(score, [share], weights=weight)
        inside += found.low[0] <= 1.2 / 1.9 <= found.high[0]
    assert 0.93 <= inside / experiments <= 0.97
