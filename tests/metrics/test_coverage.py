"""Coverage of the intervals of the AUC, plain and weighted, and of the band of the ROC curve, by experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmcnn.metrics import classification
from reference.coverage import AUCS, SHAPES, SIZES, measure, placements, sampler

LOWEST, WIDEST = 0.93, 1.25
"""Lowest coverage of a 95 % interval, and largest median width over that of the reference."""


@pytest.mark.parametrize("auc", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_of_small_samples_cover(shape: str, auc: float) -> None:
    cell = measure(shape, 20, 20, auc)
    assert cell.coverage >= LOWEST
    assert cell.width <= WIDEST * cell.reference


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("m", "n"), SIZES)
def test_intervals_cover_in_every_cell(m: int, n: int, shape: str) -> None:
    cells = {auc: measure(shape, m, n, auc) for auc in AUCS}
    assert min(cell.coverage for cell in cells.values()) >= LOWEST, cells
    assert max(cell.width / cell.reference for cell in cells.values()) <= WIDEST, cells


def test_experiments_at_once_are_those_of_single_samples() -> None:
    signal, background = sampler("wide", 0.9)(np.random.default_rng(1), (5, 20), (5, 30))
    many = placements(signal, background)
    for nth in range(5):
        given = {"signal": signal[nth], "background": background[nth]}
        assert classification.auc(**given) == pytest.approx(many.area[nth], abs=1e-14)
        assert classification.auc_variance(**given) == pytest.approx(
            sum(many.scatter[i, nth] / n / (n - 1) for i, n in enumerate((20, 30))), rel=1e-12
        )


@pytest.mark.slow
@pytest.mark.parametrize("auc", [0.7, 0.95, 0.99])
def test_intervals_of_weighted_events_cover(auc: float) -> None:
    """Events weigh 0.01 to 5, the signal with larger scores more: the true AUC is that of the weighted density."""
    random, shift, inside, experiments = np.random.default_rng(4), 0.5, 0, 2000
    # Weights exp(shift x) move a unit Gaussian by shift.
    mean = stats.norm.ppf(auc) * np.sqrt(2) - shift
    for _ in range(experiments):
        signal, background = random.normal(mean, 1, 150), random.normal(0, 1, 300)
        weights = np.exp(shift * (signal - mean)), random.exponential(size=300)
        found = classification.auc_interval(signal=signal, background=background, weights=weights)
        inside += found.low <= auc <= found.high
    assert inside / experiments >= LOWEST


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n"), [(20, 20), (200, 2000)])
def test_every_point_of_the_roc_curve_lies_in_the_band(m: int, n: int) -> None:
    random, experiments = np.random.default_rng(5), 1000
    at = np.array([0.001, 0.01, 0.1, 0.3, 0.6, 0.9])
    true, inside = stats.norm.sf(stats.norm.isf(at) - 1.5), np.zeros(len(at))
    for _ in range(experiments):
        low, high = classification.roc_band(
            signal=random.normal(1.5, 1, m), background=random.normal(0, 1, n)
        )
        below = low.signal[np.searchsorted(low.background, at)]
        above = high.signal[np.searchsorted(high.background, at, side="right") - 1]
        inside += (below <= true) & (true <= above)
    assert inside.min() / experiments >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / experiments)
    assert inside.min() / experiments < 0.999  # a band that is not idle
