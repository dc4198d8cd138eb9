"""Paired comparison of AUCs against published numbers, a sum over all pairs, resampling, and repeated events."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.metrics import classification
from dmcnn.metrics.paired import auc_covariance, compare_aucs

# Patients of E. DeLong et al., Biometrics 44 (1988) 837, as the manual of SAS/STAT (PROC LOGISTIC, comparison of ROC
# curves) lists them: albumin, total protein, K-G score, outcome.
LISTED = """
3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1 3.8 5.7 5 1
3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0
4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1
4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1
2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1 3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1
"""
PATIENTS = np.array(LISTED.split(), np.float64).reshape(-1, 4)


def toy(random: np.random.Generator, m: int, n: int, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores of k networks with a common part, rounded so that there are ties."""
    signal, background = random.normal(1, 1, m), random.normal(0, 1, n)
    return tuple(np.round(x + random.normal(0, 0.7, (k, len(x))), 1) for x in (signal, background))  # type: ignore[return-value]


def test_the_numbers_of_delong_1988_are_reproduced() -> None:
    """The manual gives AUC 0.7366, 0.6478 and 0.7258, their errors, and differences with error and p-value."""
    scores = PATIENTS[:, :3].T * np.array([[1], [1], [-1]])
    outcome = PATIENTS[:, 3] == 1
    areas, covariance = auc_covariance(scores[:, outcome], scores[:, ~outcome])
    np.testing.assert_allclose(areas, [0.7366, 0.6478, 0.7258], atol=5e-5)
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance)), [0.0927, 0.1000, 0.1028], atol=5e-5)
    for first, value, error, p_value in ((0, 0.0108, 0.0953, 0.9102), (1, -0.0780, 0.1046, 0.4561)):
        result = compare_aucs(areas, covariance, first, 2)
        assert result.difference.value == pytest.approx(value, abs=5e-5)
        assert result.difference.value / result.z == pytest.approx(error, abs=5e-5)
        assert result.p_value == pytest.approx(p_value, abs=1.5e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_covariance_is_that_of_all_pairs(weighted: bool) -> None:
    """The twin compares every signal event with every background event."""
    random = np.random.default_rng(2)
    signal, background = toy(random, 60, 90, 3)
    u, v = (random.integers(1, 5, 60), random.integers(1, 5, 90)) if weighted else (np.ones(60), np.ones(90))
    kernel = (signal[:, :, None] > background[:, None]) + 0.5 * (signal[:, :, None] == background[:, None])
    of_signal, of_background = kernel @ v / v.sum(), np.einsum("kmn,m->kn", kernel, u) / u.sum()
    expected = np.zeros((3, 3))
    for placements, w in ((of_signal, u), (of_background, v)):
        centred = (placements - placements @ w[:, None] / w.sum()) * w / w.sum()
        size = w.sum() ** 2 / (w**2).sum()
        expected += centred @ centred.T * size / (size - 1)
    areas, covariance = auc_covariance(signal, background, (u, v) if weighted else None)
    np.testing.assert_allclose(areas, of_signal @ u / u.sum(), rtol=1e-12)
    np.testing.assert_allclose(covariance, expected, rtol=1e-10)
    given = {"signal": signal[0], "background": background[0], "weights": (u, v)}
    assert covariance[0, 0] == pytest.approx(classification.auc_variance(**given), rel=1e-10)


def test_weights_of_one_change_nothing_and_those_of_zero_leave_out() -> None:
    signal, background = toy(np.random.default_rng(3), 50, 70)
    plain = auc_covariance(signal, background)
    for got, expected in zip(
        auc_covariance(signal, background, (np.ones(50), np.ones(70))), plain, strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    use = np.arange(50) >= 10
    fewer = auc_covariance(signal[:, use], background)
    for got, expected in zip(auc_covariance(signal, background, (use, np.ones(70))), fewer, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_error_is_that_of_resampled_events() -> None:
    random = np.random.default_rng(4)
    signal, background = toy(random, 300, 500)
    weight = random.exponential(size=300), random.exponential(size=500)
    areas, covariance = auc_covariance(signal, background, weight)
    result = compare_aucs(areas, covariance, 0, 1)
    differences = []
    for _ in range(400):
        i, j = random.integers(0, 300, 300), random.integers(0, 500, 500)
        given = (weight[0][i], weight[1][j])
        both = [
            classification.auc(signal=signal[net][i], background=background[net][j], weights=given)
            for net in (0, 1)
        ]
        differences.append(both[0] - both[1])
    half = (result.difference.high - result.difference.low) / 2 / 1.96
    assert np.std(differences) == pytest.approx(half, rel=0.12)
    assert result.difference.value / result.z == pytest.approx(half, rel=1e-3)


@pytest.mark.slow
def test_p_values_of_equal_networks_are_uniform() -> None:
    random, p_values = np.random.default_rng(5), []
    for _ in range(1500):
        areas, covariance = auc_covariance(*toy(random, 80, 120))
        p_values.append(compare_aucs(areas, covariance, 0, 1).p_value)
    for level in (0.05, 0.2, 0.5):
        error = np.sqrt(level * (1 - level) / len(p_values))
        assert np.mean(np.array(p_values) < level) == pytest.approx(level, abs=3 * error + 0.01)


def test_a_network_does_not_differ_from_itself() -> None:
    signal, background = toy(np.random.default_rng(6), 40, 40)
    same = np.stack([signal[0], 2 * signal[0] + 1]), np.stack([background[0], 2 * background[0] + 1])
    result = compare_aucs(*auc_covariance(*same), 0, 1)
    assert (result.difference.value, result.z, result.p_value) == (0, 0, 1)
    separated = np.array([[3.0, 4], [5, 6]]), np.array([[1.0, 2], [1, 2]])
    assert compare_aucs(*auc_covariance(*separated), 0, 1).p_value == 1


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match="signal scores of 2 networks, background scores of 1"):
        auc_covariance(np.ones((2, 3)), np.ones((1, 3)))
    with pytest.raises(InputError, match="weights of signal events"):
        auc_covariance(np.ones((2, 3)), np.ones((2, 3)), (np.array([1, -1, 1]), None))
