"""Gaussian likelihood against torch.distributions, a case by hand, and the numbers of the original loss."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.losses.gaussian import DISTANCE_LIMIT, cholesky, nll, whiten
from dmcnn.metrics.gaussian import Gaussian

FLOOR = 1e-4
ORACLES = ("2t_baseline_636eb1c6", "2t_mdmm_076ea794", "20t_type6_c8fe3c7d")


def frames(targets: int, covariance: str, count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(targets)
    outputs = torch.randn(count, Gaussian(covariance).outputs(targets), generator=random, dtype=torch.float64)
    return outputs, torch.randn(count, targets, generator=random, dtype=torch.float64)


def triangle(row: list[float], targets: int, covariance: str) -> NDArray[np.float64]:
    """Return L of one event, element by element, with a softplus diagonal."""
    factor = np.diag([math.log1p(math.exp(row[2 * i + 1])) + FLOOR for i in range(targets)])
    rest = iter(row[2 * targets :])
    for i in range(targets if covariance == "full" else 0):
        for j in range(i):
            factor[i, j] = next(rest)
    assert not list(rest)
    return factor


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("targets", [1, 2, 4, 5])
def test_is_torchs_multivariate_normal(targets: int, covariance: str) -> None:
    outputs, truth = frames(targets, covariance)
    factor = torch.from_numpy(np.stack([triangle(row, targets, covariance) for row in outputs.tolist()]))
    mean = outputs[:, : 2 * targets : 2]
    expected = -torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(truth)
    found = nll(outputs, truth, Gaussian(covariance))
    assert found.shape == (50,)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(cholesky(outputs, Gaussian(covariance))[1], factor, rtol=1e-14, atol=1e-15)


def test_by_hand() -> None:
    """Two targets, L = ((2, 0), (1, 3)), residual (2, 4): z = (1, 1), |L| = 6."""
    softplus_of = [math.log(math.expm1(value - FLOOR)) for value in (2.0, 3.0)]
    outputs = torch.tensor([[5.0, softplus_of[0], -1.0, softplus_of[1], 1.0]], dtype=torch.float64)
    truth = torch.tensor([[7.0, 3.0]], dtype=torch.float64)
    assert float(nll(outputs, truth)) == pytest.approx(1 + math.log(6) + math.log(2 * math.pi), abs=1e-12)
    z = whiten(*cholesky(outputs), truth)
    assert z.tolist()[0] == pytest.approx([1, 1], abs=1e-12)


def test_relu_diagonal() -> None:
    _, factor = cholesky(
        torch.tensor([[0.0, 0.5, 0.0, -3.0, 0.25]], dtype=torch.float64), Gaussian(diagonal="relu")
    )
    assert factor.tolist() == [[[0.5 + 1e-9, 0], [0.25, 1e-9]]]


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_gradient_is_that_of_the_value(covariance: str) -> None:
    outputs, truth = frames(3, covariance, 4)
    assert torch.autograd.gradcheck(
        lambda out: nll(out, truth, Gaussian(covariance)), outputs.requires_grad_()
    )


@pytest.mark.parametrize("diagonal", ["softplus", "relu"])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e3, 1e5])
def test_float32_gradients_stay_finite(size: float, diagonal: str) -> None:
    outputs, truth = (size * part.float() for part in frames(4, "full"))
    outputs[0], truth[0] = -size, size
    found = nll(outputs.requires_grad_(), truth, Gaussian(diagonal=diagonal))
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
    found.mean().backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())


def test_hopeless_events_pull_no_harder() -> None:
    """With one target the gradient in mu is |z| / sigma up to the limit and falls as 1 / |z| beyond it."""
    edge = math.sqrt(2 * DISTANCE_LIMIT)
    truth = torch.tensor([[0.5 * edge], [10 * edge]], dtype=torch.float64)
    raw = math.log(math.expm1(1 - FLOOR))
    outputs = torch.tensor([[0.0, raw], [0.0, raw]], dtype=torch.float64, requires_grad=True)
    found = nll(outputs, truth)
    assert found.tolist() == pytest.approx((truth[:, 0] ** 2 / 2 + math.log(2 * math.pi) / 2).tolist())
    found.sum().backward()
    assert outputs.grad is not None
    assert (-outputs.grad[:, 0]).tolist() == pytest.approx([0.5 * edge, edge / 10])


@pytest.mark.parametrize("name", ORACLES)
def test_legacy_is_the_original(name: str, shared_data: Path) -> None:
    with np.load(shared_data / "smartpixels" / f"qkeras_oracle_{name}.npz") as oracle:
        expected = {key: oracle[key] for key in ("out_q", "y", "y_near", "dnll_dout", "nll_sum")}
        events = {key: oracle[f"nll_{key}"] for key in ("labels", "near")}
    outputs = torch.from_numpy(expected["out_q"]).requires_grad_()
    labels, near = (nll(outputs, torch.from_numpy(expected[key]), legacy=True) for key in ("y", "y_near"))
    for found, key in ((labels, "labels"), (near, "near")):
        np.testing.assert_allclose(found.detach().numpy(), events[key], rtol=0, atol=8e-6)
    sums = [float(found.detach().sum()) for found in (labels, near)]
    # the original adds 256 float32 numbers
    np.testing.assert_allclose(sums, expected["nll_sum"], rtol=2e-7)
    near.sum().backward()
    assert outputs.grad is not None
    wrong = np.abs(outputs.grad.numpy() - expected["dnll_dout"])
    assert wrong.max() <= 5e-7 * np.abs(expected["dnll_dout"]).max()
    # event by event, where the largest derivatives do not hide the others
    assert (wrong.max(axis=1) <= 1e-6 * np.abs(expected["dnll_dout"]).max(axis=1)).all()


def test_legacy_clips_where_the_likelihood_goes_on() -> None:
    outputs = torch.tensor([[0.0, 1.0]], requires_grad=True)
    far = torch.tensor([[50.0]])
    clipped = nll(outputs, far, legacy=True)
    assert clipped.item() == pytest.approx(9 * math.log(10), rel=1e-6)
    assert not torch.autograd.grad(clipped.sum(), outputs)[0].any()
    pull = torch.autograd.grad(nll(outputs, far, Gaussian(diagonal="relu")).sum(), outputs)[0]
    assert pull[0, 0].item() == pytest.approx(-50)


def test_number_of_outputs() -> None:
    assert [Gaussian().outputs(k) for k in (1, 2, 3, 4)] == [2, 5, 9, 14]
    for gaussian in (Gaussian(), Gaussian("diagonal")):
        assert [gaussian.targets(gaussian.outputs(k)) for k in range(1, 9)] == [*range(1, 9)]
    for outputs, covariance in ((13, "full"), (0, "full"), (7, "diagonal"), (0, "diagonal")):
        with pytest.raises(InputError, match=f"{outputs} outputs are no means with a {covariance}"):
            cholesky(torch.zeros(1, outputs), Gaussian(covariance))
