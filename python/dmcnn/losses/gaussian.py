"""Negative log likelihood of targets under the multivariate Gaussian that a network's outputs describe.

What the outputs mean is in dmcnn.metrics.gaussian.Gaussian: means, and the Cholesky factor L of the covariance L L^T.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.nn import functional as F

from dmcnn.metrics.gaussian import FLOORS, FULL, Gaussian

DISTANCE_LIMIT = 5000.0
"""|z|^2 / 2 (100 standard deviations) from which on an event pulls on the network no harder, see ``nll``."""

LEGACY_LIMIT = math.log(1e9)
"""The original's limit on |log p|, beyond which an event has no gradient."""


def cholesky(outputs: torch.Tensor, gaussian: Gaussian = FULL) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and Cholesky factor of the covariance, in scaled units and the dtype of ``outputs``.

    The floor of the diagonal is far below any resolution, but enough to keep gradients within float32. "relu", as the
    original has it, has no gradient where an output is negative.

    Args:
        outputs: (B, m) of a network.
        gaussian: what they mean.

    Returns:
        (B, k) mean and (B, k, k) lower triangular L with positive diagonal.
    """
    targets = gaussian.targets(outputs.shape[1])
    mean, raw = outputs[:, 0 : 2 * targets : 2], outputs[:, 1 : 2 * targets : 2]
    positive = F.softplus(raw) if gaussian.diagonal == "softplus" else F.relu(raw)
    factor = torch.diag_embed(positive + FLOORS[gaussian.diagonal])
    if gaussian.covariance == "full":
        row, column = torch.tril_indices(targets, targets, offset=-1, device=outputs.device)
        factor[:, row, column] = outputs[:, 2 * targets :]
    return mean, factor


def whitened(mean: torch.Tensor, factor: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B, k) z = L^-1 (target - mean): independent standard normals where the estimate is right."""
    residual = (targets - mean).unsqueeze(2)
    z: torch.Tensor = torch.linalg.solve_triangular(factor, residual, upper=False)
    return z.squeeze(2)


def nll(
    outputs: torch.Tensor, targets: torch.Tensor, gaussian: Gaussian = FULL, *, legacy: bool = False
) -> torch.Tensor:
    """(B,) negative log likelihood [nats per event] of (B, k) scaled targets, computed in float64.

    -log p = |z|^2 / 2 + sum log L_ii + k / 2 log(2 pi), z = L^-1 (target - mu), never leaves log space. Its value is
    that everywhere; its gradient is that of DISTANCE_LIMIT (1 + log(|z|^2 / 2 / DISTANCE_LIMIT)) in the first term
    where that term exceeds DISTANCE_LIMIT, so that a hopeless event cannot overflow the optimiser.

    Args:
        outputs: (B, m) of a network.
        targets: (B, k) in scaled units.
        gaussian: what the outputs mean.
        legacy: the original smart-pixels loss: p clipped to 1e-9 .. 1e9, with the gradient 0 outside, and the
            diagonal "relu" whatever ``gaussian`` says.
    """
    mean, factor = cholesky(outputs.double(), replace(gaussian, diagonal="relu") if legacy else gaussian)
    distance = whitened(mean, factor, targets.double()).square().sum(dim=1) / 2
    rest = factor.diagonal(dim1=1, dim2=2).log().sum(dim=1) + mean.shape[1] / 2 * math.log(2 * math.pi)
    if legacy:
        return (distance + rest).clamp(-LEGACY_LIMIT, LEGACY_LIMIT).to(outputs.dtype)
    return (_limited(distance) + rest).clamp(max=torch.finfo(outputs.dtype).max).to(outputs.dtype)


def _limited(distance: torch.Tensor) -> torch.Tensor:
    """``distance`` itself, with the gradient of its logarithm beyond DISTANCE_LIMIT."""
    gentle = torch.where(
        distance > DISTANCE_LIMIT,
        DISTANCE_LIMIT * distance.clamp(min=DISTANCE_LIMIT).log(),
        distance,
    )
    return gentle + (distance - gentle).detach()
