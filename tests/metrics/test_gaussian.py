"""Estimates and covariances against torch, closed forms, Monte Carlo, and tables of the original network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dmcnn._common.errors import InputError
from dmcnn.losses import gaussian as trained
from dmcnn.metrics import classification, gaussian
from dmcnn.metrics.gaussian import Gaussian

RNG = np.random.default_rng(11)


def case(n: int = 200, k: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, k) residuals and (n, k, k) factors: lower triangular with a positive diagonal."""
    random = np.random.default_rng(seed)
    factor = np.tril(random.normal(0, 0.5, (n, k, k)), -1)
    factor[:, range(k), range(k)] = random.uniform(0.2, 2, (n, k))
    return random.normal(0, 1, (n, k)), factor


@pytest.mark.parametrize("diagonal", ["softplus", "relu"])
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_outputs_mean_what_training_takes_them_for(diagonal: str, covariance: str, k: int) -> None:
    m = 2 * k if covariance == "diagonal" else k * (k + 3) // 2
    outputs, meaning = RNG.normal(0, 2, (50, m)), Gaussian(covariance, diagonal)
    mean, factor = meaning.decode(outputs)
    tensor = torch.from_numpy(outputs)
    expected_mean, expected = trained.cholesky(tensor, meaning)
    np.testing.assert_array_equal(mean, expected_mean.numpy())
    np.testing.assert_allclose(factor, expected.numpy(), rtol=1e-14)
    truth = RNG.normal(0, 1, (50, k))
    expected_nll = trained.nll(tensor, torch.from_numpy(truth), meaning)
    np.testing.assert_allclose(gaussian.nll(mean - truth, factor), expected_nll.numpy(), rtol=1e-12)


def test_scales_restore_the_units() -> None:
    outputs, scales = RNG.normal(0, 1, (30, 14)), np.array([75, 18.75, 8, 0.5])
    mean, factor = Gaussian().decode(outputs)
    in_units = Gaussian().decode(outputs, scales.tolist())
    np.testing.assert_allclose(in_units[0], mean * scales)
    np.testing.assert_allclose(gaussian.sigma(in_units[1]), gaussian.sigma(factor) * scales)
    np.testing.assert_allclose(gaussian.correlation(in_units[1]), gaussian.correlation(factor), atol=1e-14)
    truth = RNG.normal(0, 1, (30, 4))
    scaled = gaussian.nll(mean - truth, factor)
    np.testing.assert_allclose(
        gaussian.nll(in_units[0] - truth * scales, in_units[1]), scaled + np.log(scales).sum(), rtol=1e-12
    )
    np.testing.assert_allclose(
        gaussian.chi2(in_units[0] - truth * scales, in_units[1]), gaussian.chi2(mean - truth, factor)
    )


def test_the_likelihood_of_the_original(shared_data: Path) -> None:
    """The array nll_near of the oracle is -log p with p clipped to 1e-9 .. 1e9, in float32."""
    with np.load(shared_data / "smartpixels" / "qkeras_oracle_2t_baseline_636eb1c6.npz") as oracle:
        mean, factor = Gaussian(diagonal="relu").decode(oracle["out_q"])
        found = gaussian.nll(mean - oracle["y_near"], factor)
        limit = math.log(1e9)
        np.testing.assert_allclose(np.clip(found, -limit, limit), oracle["nll_near"].ravel(), atol=2e-5)
        assert "meta" in oracle
        assert json.loads(str(oracle["meta"]))


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_matrices_against_numpy(k: int, seed: int) -> None:
    residual, factor = case(5, k, seed)
    matrix = gaussian.covariance(factor)
    np.testing.assert_allclose(matrix, np.einsum("nij,nkj->nik", factor, factor))
    np.testing.assert_allclose(
        gaussian.sigma(factor), np.sqrt(np.diagonal(matrix, axis1=1, axis2=2)), rtol=1e-12
    )
    spread = gaussian.sigma(factor)
    np.testing.assert_allclose(
        gaussian.correlation(factor), matrix / spread[:, :, None] / spread[:, None], atol=1e-12
    )
    np.testing.assert_allclose(gaussian.factorise(matrix), factor, atol=1e-8)
    expected = np.einsum("ni,nij,nj->n", residual, np.linalg.inv(matrix), residual)
    np.testing.assert_allclose(gaussian.chi2(residual, factor), expected, rtol=1e-6)
    white = gaussian.whiten(residual, factor)
    np.testing.assert_allclose(np.einsum("nij,nj->ni", factor, white), residual, atol=1e-9)


def test_the_likelihood_against_torch() -> None:
    residual, factor = case()
    normal = torch.distributions.MultivariateNormal(
        torch.zeros(4, dtype=torch.float64), scale_tril=torch.from_numpy(factor)
    )
    np.testing.assert_allclose(
        gaussian.nll(residual, factor), -normal.log_prob(torch.from_numpy(residual)).numpy(), rtol=1e-12
    )


def test_one_bad_covariance_spoils_no_other() -> None:
    _, factor = case(6, 3)
    matrix = gaussian.covariance(factor)
    matrix[1] = [[1, 0, 0], [0, 1, 1], [0, 1, 1]]  # fully correlated
    matrix[2, 0, 0] = -1.0
    matrix[3, 2, 1] = np.nan
    matrix[4] = 0.0
    found = gaussian.factorise(matrix)
    assert np.isnan(found[1:5]).all()
    np.testing.assert_allclose(found[[0, 5]], factor[[0, 5]], atol=1e-12)
    assert np.isnan(gaussian.chi2(np.ones((6, 3)), found)).tolist() == [False, True, True, True, True, False]


def test_events_without_image_stay_nan_and_hopeless_ones_warn_not() -> None:
    mean, factor = Gaussian(diagonal="relu").decode([[np.nan] * 14, [1e38] * 14, [-1e38] * 14])
    assert np.isnan(mean[0]).all()
    assert np.isnan(gaussian.sigma(factor)[0]).all()
    assert np.isnan(gaussian.correlation(factor)[0, 0, 1])
    assert np.isnan(gaussian.nll(mean, factor)[0])
    assert gaussian.nll(mean, factor)[2] > 1e30
    assert np.isnan(Gaussian().decode([[np.nan, np.nan]])[1]).all()


@pytest.mark.parametrize("k", range(1, 10))
def test_chi2_distribution_against_torch(k: int) -> None:
    x = np.array([1e-9, 1e-4, 0.1, 0.5, 1, 2, 5, 20, 80])
    half, a = torch.tensor(x / 2, dtype=torch.float64), torch.tensor(k / 2, dtype=torch.float64)
    expected = torch.special.gammainc(a, half).numpy()
    np.testing.assert_allclose(gaussian.content(x, k), expected, rtol=1e-9, atol=1e-15)
    density = torch.distributions.Chi2(torch.tensor(float(k), dtype=torch.float64))
    np.testing.assert_allclose(
        gaussian.density(x, k), density.log_prob(torch.tensor(x)).exp().numpy(), rtol=1e-9
    )
    shares = np.array([0, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-6])
    np.testing.assert_allclose(gaussian.content(gaussian.quantile(shares, k), k), shares, atol=2e-9)
    assert np.diff(gaussian.quantile(shares, k)).min() > 0
    assert gaussian.content([0, np.inf], k).tolist() == [0, 1]
    assert np.isnan(gaussian.content([np.nan], k)).all()


def test_chi2_distribution_against_scipy() -> None:
    x, shares = np.geomspace(1e-6, 200, 50), np.linspace(0.001, 0.999, 50)
    for k in range(1, 12):
        np.testing.assert_allclose(gaussian.content(x, k), stats.chi2.cdf(x, k), rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(gaussian.density(x, k), stats.chi2.pdf(x, k), rtol=1e-10)
        np.testing.assert_allclose(gaussian.quantile(shares, k), stats.chi2.ppf(shares, k), rtol=1e-9)


def test_contents_that_everyone_knows() -> None:
    one, two = gaussian.content([1, 4], 1), gaussian.content([1, 4], 2)
    np.testing.assert_allclose(one, [0.6826894921, 0.9544997361], atol=1e-10)
    np.testing.assert_allclose(two, [1 - math.exp(-0.5), 1 - math.exp(-2)], rtol=1e-14)
    np.testing.assert_allclose(gaussian.quantile([0.6826894921, 0.95], 2), [2.2957, 5.9915], atol=5e-5)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_right_covariances_cover_as_expected(k: int) -> None:
    random = np.random.default_rng(k)
    _, factor = case(20000, k, seed=k)
    residual = np.einsum("nij,nj->ni", factor, random.normal(size=(20000, k)))
    distance2 = gaussian.chi2(residual, factor)
    expected = gaussian.content(np.square(gaussian.RADII), k)
    found = gaussian.coverage(distance2, level=0.9999)
    assert (found.low < expected).all()
    assert (expected < found.high).all()
    confidence = np.linspace(0.05, 0.95, 10)
    observed = gaussian.calibration(distance2, k, confidence)
    np.testing.assert_allclose(observed.value, confidence, atol=0.015)
    too_small = gaussian.calibration(4 * distance2, k, confidence)  # uncertainties half as large
    assert (too_small.value < confidence).all()


def test_coverage_counts_and_leaves_out_nan() -> None:
    found = gaussian.coverage([0, 0.9, 1, 1.1, 4, np.nan, np.inf], [1, 2])
    expected = classification.wilson([3, 5], 6)
    np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(found.low, expected.low)
    none = gaussian.coverage([np.nan])
    assert np.isnan(none.value).all()
    assert (none.low == 0).all()


def test_faults() -> None:
    with pytest.raises(InputError, match="13 outputs are no means with a full covariance"):
        Gaussian().decode(np.zeros((2, 13)))
    with pytest.raises(InputError, match="7 outputs are no means with a diagonal covariance"):
        Gaussian("diagonal").decode(np.zeros((2, 7)))
    with pytest.raises(InputError, match=r"unknown 'softpluss' \(did you mean 'softplus'\?\)"):
        Gaussian(diagonal="softpluss")
    with pytest.raises(InputError, match=r"unknown 'ful' \(did you mean 'full'\?\)"):
        Gaussian("ful")
    with pytest.raises(InputError, match="3 scales for 4 targets"):
        Gaussian().decode(np.zeros((2, 14)), [1, 2, 3])
    with pytest.raises(InputError, match="not at least 0 and below 1"):
        gaussian.quantile([1.0], 2)
