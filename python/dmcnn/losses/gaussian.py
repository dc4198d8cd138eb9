"""Losses of regression networks: negative log likelihood of the targets under the estimated multivariate Gaussian.

dmcnn.metrics.gaussian.Gaussian defines the outputs: means, and the Cholesky factor L of the covariance L L^T.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.nn import functional as F

from dmcnn.metrics.gaussian import FLOORS, FULL, Gaussian

DISTANCE_LIMIT = 5000.0
"""|z|^2 / 2 (100 standard deviations) above which the gradient of an event no longer grows, see ``nll``."""

LEGACY_LIMIT = math.log(1e9)
"""Limit on |log p| of the original loss, beyond which an event has no gradient."""


def cholesky(outputs: torch.Tensor, gaussian: Gaussian = FULL) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and Cholesky factor of the covariance, in scaled units and the dtype of ``outputs``.

    The floor of the diagonal is far below any resolution, but large enough to keep gradients within float32. "relu",
    the function of the original, has no gradient for a negative output.

    Args:
        outputs: (B, m) outputs of a network.
        gaussian: parametrisation of the Gaussian by the outputs.

    Returns:
        (B, k) mean and (B, k, k) lower triangular L with positive diagonal.
    """
    targets = gaussian.targets(outputs.shape[1])
    mean, raw = outputs[:, 0 : 2 * targets : 2], outputs[:, 1 : 2 * targets : 2]  # (B, k) each
    positive = F.softplus(raw) if gaussian.diagonal == "softplus" else F.relu(raw)
    factor = torch.diag_embed(positive + FLOORS[gaussian.diagonal])
    if gaussian.covariance == "full":
        row, column = torch.tril_indices(targets, targets, offset=-1, device=outputs.device)
        factor[:, row, column] = outputs[:, 2 * targets :]
    return mean, factor


def whiten(mean: torch.Tensor, factor: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the (B, k) whitened residuals z = L^-1 (target - mean): unit Gaussians if the estimate is right."""
    residual = (targets - mean).unsqueeze(2)  # (B, k, 1)
    z: torch.Tensor = torch.linalg.solve_triangular(factor, residual, upper=False)
    return z.squeeze(2)


def nll(
    outputs: torch.Tensor, targets: torch.Tensor, gaussian: Gaussian = FULL, *, legacy: bool = False
) -> torch.Tensor:
    """Return the (B,) negative log likelihoods [nats per event] of the targets, computed in float64.

    -log p = |z|^2 / 2 + sum log L_ii + k / 2 log(2 pi), z = L^-1 (target - mu), is computed without exponentials. If
    its first term exceeds DISTANCE_LIMIT, the value is unchanged but the gradient is that of DISTANCE_LIMIT
    (1 + log(|z|^2 / 2 / DISTANCE_LIMIT)), so that an event far from its estimate cannot overflow the optimiser.

    Args:
        outputs: (B, m) outputs of a network.
        targets: (B, k) targets in scaled units.
        gaussian: parametrisation of the Gaussian by the outputs.
        legacy: compute the original smart-pixels loss: p clipped to 1e-9 .. 1e9, gradient 0 outside, and the diagonal
            "relu" for any ``gaussian``.
    """
    mean, factor = cholesky(outputs.double(), replace(gaussian, diagonal="relu") if legacy else gaussian)
    distance = whiten(mean, factor, targets.double()).square().sum(dim=1) / 2  # (B,)
    rest = factor.diagonal(dim1=1, dim2=2).log().sum(dim=1) + mean.shape[1] / 2 * math.log(2 * math.pi)
    if legacy:
        return (distance + rest).clamp(-LEGACY_LIMIT, LEGACY_LIMIT).to(outputs.dtype)
    return (_limited(distance) + rest).clamp(max=torch.finfo(outputs.dtype).max).to(outputs.dtype)


def _limited(distance: torch.Tensor) -> torch.Tensor:
    """Return ``distance`` unchanged, with the gradient of its logarithm beyond DISTANCE_LIMIT."""
    gentle = torch.where(
        distance > DISTANCE_LIMIT,
        DISTANCE_LIMIT * distance.clamp(min=DISTANCE_LIMIT).log(),
        distance,
    )
    return gentle + (distance - gentle).detach()
