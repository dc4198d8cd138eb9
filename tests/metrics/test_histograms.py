"""Intervals, covariances and chi2 of histograms against closed forms, mplhep and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from mplhep.error_estimation import poisson_interval
from scipy import stats

from dmcnn.metrics.histograms import chi2, correlation, fractional, garwood

RANDOM = np.random.default_rng(4)


def test_garwoods_interval_is_that_of_published_tables_and_of_mplhep():
    interval = garwood([0, 1, 3, 10])
    assert interval.low == pytest.approx([0, 0.173, 1.367, 6.891], abs=5e-4)  # PDG, table of statistics
    assert interval.high == pytest.approx([1.841, 3.300, 5.918, 14.267], abs=5e-4)
    counts = np.array([1.0, 2.0, 7.0, 500.0])
    theirs = poisson_interval(counts, counts)
    assert garwood(counts).low == pytest.approx(theirs[0], rel=1e-9)
    assert garwood(counts).high == pytest.approx(theirs[1], rel=1e-9)


def test_chi2_is_the_squared_length_in_the_basis_of_the_covariance():
    root = RANDOM.normal(size=(4, 4))
    prediction, data = np.array([50.0, 40, 30, 20]), np.array([55.0, 37, 30, 28])
    covariance = root @ root.T
    result = chi2(data, prediction, covariance)
    total = covariance + np.diag(prediction)
    whitened = np.linalg.solve(np.linalg.cholesky(total), data - prediction)
    assert result.value == pytest.approx(np.sum(whitened**2))
    assert result.ndf == 4
    assert result.p_value == pytest.approx(stats.chi2.sf(result.value, 4))


def test_a_common_uncertainty_explains_a_common_shift_and_no_other():
    prediction = np.full(10, 1000.0)
    together = np.outer(0.1 * prediction, 0.1 * prediction)
    assert chi2(1.1 * prediction, prediction, together).value < 1.5
    tilted = prediction * (1 + 0.1 * np.array([1, -1] * 5))
    assert chi2(tilted, prediction, together).value > 90


def test_bins_without_prediction_and_variance_are_left_out():
    zero = np.zeros((3, 3))
    assert chi2(np.array([1.0, 0, 2]), np.array([1.0, 0, 2]), zero).ndf == 2
    assert chi2(np.zeros(3), np.zeros(3), zero).ndf == 0


def test_correlation_and_fractions_are_undefined_where_there_is_nothing():
    covariance = np.array([[4.0, 2, 0], [2, 9, 0], [0, 0, 0]])
    matrix = correlation(covariance)
    assert matrix[0, 1] == pytest.approx(2 / 6)
    assert np.isnan(matrix[2]).all()
    assert fractional(covariance, np.array([2.0, 3, 0]))[0, 1] == pytest.approx(2 / 6)
