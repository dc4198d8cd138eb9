"""Quantities of constraints: numbers of the deployed weights, or of the estimates.

Every quantity is a scalar tensor. Its value is exact, with weights rounded as in the deployed network; its gradient
is that of a smooth approximation, because a count of zeros, for example, has no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from dmcnn.losses.gaussian import cholesky
from dmcnn.metrics.gaussian import FULL, Gaussian
from dmcnn.quantisation.cost import FLOAT
from dmcnn.quantisation.quantisers import ZERO, Quantiser, deployed_parameters

REACH = 0.05
"""Absolute value a of a weight at which the gradient of |w| / (|w| + a) is a quarter of that at zero; half a
quantisation step if that is larger."""

NEIGHBOURS = 0.05
"""Standard deviation, in shares of the weights by rank, of the gradient of a quantile."""

NOISY = 0.1
"""Stiffness of constraints on estimates, which fluctuate from batch to batch. Damping and rate count by its
square."""


@dataclass(frozen=True)
class FlatWeights:
    """All n weights and biases of a network in one row.

    Attributes:
        latent: (n,) values in training, with gradient.
        rounded: (n,) deployed values.
        half: (n,) largest absolute value that is deployed as zero.
        bits: (n,) largest number of bits of each value.
    """

    latent: torch.Tensor
    rounded: torch.Tensor
    half: torch.Tensor
    bits: torch.Tensor

    @classmethod
    def from_network(cls, net: nn.Module) -> FlatWeights:
        """Return the weights of ``net``, tensor by tensor."""
        parts = [_columns(weight, quantiser) for _, weight, quantiser in deployed_parameters(net)]
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))

    @cached_property
    def size(self) -> torch.Tensor:
        """(n,) absolute values in training."""
        return self.latent.abs()

    @cached_property
    def nonzero(self) -> torch.Tensor:
        """(n,) 1 where the deployed weight is not zero, else 0.

        The gradient is that of |w| / (|w| + a), a = REACH. It falls with the size of the weight, so that training
        decides which weights stay; it is largest for weights that are zero, so that they do not flicker and return
        only when the gradient of the loss is larger.
        """
        reach = self.half.clamp(min=REACH)
        return straight_through((self.size > self.half).to(self.size), self.size / (self.size + reach))

    @cached_property
    def bit_length(self) -> torch.Tensor:
        """(n,) bits of sign and magnitude of every integer, 0 for zeros; FLOAT for values without quantiser."""
        step = 2 * self.half
        length = torch.frexp(self.rounded / step).exponent + 1
        exact = torch.minimum(length.to(self.bits), self.bits) * (self.size > self.half)
        return straight_through(
            exact, torch.where(self.bits < FLOAT, (1 + self.size / step).log2(), FLOAT * self.nonzero)
        )


def _columns(weight: torch.Tensor, quantiser: Quantiser | None) -> tuple[torch.Tensor, ...]:
    """Return latent, rounded, half and bits of one tensor, as of FlatWeights."""
    flat = weight.flatten()
    rounded = flat.detach() if quantiser is None else quantiser.round(flat.detach())
    half, bits = (ZERO, FLOAT) if quantiser is None else (quantiser.step / 2, quantiser.bits)
    return flat, rounded, torch.full_like(rounded, half), torch.full_like(rounded, bits)


def straight_through(value: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """Return ``value`` with the gradient of ``smooth`` (straight-through estimator, arXiv:1308.3432)."""
    return value.detach() + (smooth - smooth.detach())


@dataclass(frozen=True)
class Subject:
    """Subject of the quantities: a network, and its outputs for some events.

    Attributes:
        net: network.
        outputs: (B, m) outputs of the network.
        targets: (B, k) true values, scaled.
        gaussian: meaning of the outputs.
        uses: (n,) number of multiplications by each weight for one image.
    """

    net: nn.Module
    outputs: torch.Tensor
    targets: torch.Tensor
    gaussian: Gaussian = FULL
    uses: torch.Tensor | None = None

    @cached_property
    def weights(self) -> FlatWeights:
        """All weights of the network."""
        return FlatWeights.from_network(self.net)

    @cached_property
    def residuals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, k) estimate - truth and (B, k) estimated standard deviation, both scaled, float64."""
        mean, factor = cholesky(self.outputs.double(), self.gaussian)
        return mean - self.targets, factor.square().sum(dim=2).sqrt()


def zeros(subject: Subject, _: float) -> torch.Tensor:
    """Return the share of all weights that are deployed as zero."""
    return 1 - subject.weights.nonzero.mean()


def l1(subject: Subject, _: float) -> torch.Tensor:
    """Return the sum of the absolute values of all weights."""
    return straight_through(subject.weights.rounded.abs().sum(), subject.weights.size.sum())


def l2(subject: Subject, _: float) -> torch.Tensor:
    """Return the Euclidean norm of all weights."""
    return straight_through(subject.weights.rounded.norm(), subject.weights.latent.norm())


def quantile(subject: Subject, share: float) -> torch.Tensor:
    """Return the quantile of the absolute values of all weights at ``share``.

    The gradient is that of a mean of the absolute values, with Gaussian weights in the rank around the quantile.
    """
    size = subject.weights.size
    count = max(1, round(share * len(size)))
    exact = subject.weights.rounded.abs().kthvalue(count).values
    rank = torch.empty_like(size.detach())
    rank[size.detach().argsort()] = torch.arange(len(size), device=size.device).to(rank)
    near = (-(((rank + 0.5) / len(size) - share) / NEIGHBOURS).square() / 2).exp()
    return straight_through(exact, (near / near.sum() * size).sum())


def bits(subject: Subject, _: float) -> torch.Tensor:
    """Return the total number of bits of all weights that are not zero."""
    return subject.weights.bit_length.sum()


def macs(subject: Subject, _: float) -> torch.Tensor:
    """Return the number of multiplications by weights that are not zero, for one image."""
    assert subject.uses is not None
    return (subject.uses.to(subject.weights.nonzero) * subject.weights.nonzero).sum()


def pull_width(subject: Subject, target: float) -> torch.Tensor:
    """Return the standard deviation of the pulls of one target, which is 1 for correct uncertainties."""
    residual, sigma = (part[:, int(target)] for part in subject.residuals)
    # without the limit, the width of a single event, 0, has an infinite gradient
    return (residual / sigma).var(correction=0).clamp(min=1e-12).sqrt()


def bias(subject: Subject, target: float) -> torch.Tensor:
    """Return the mean residual of one target, scaled."""
    return subject.residuals[0][:, int(target)].mean()


def no_error(_: Subject, __: float) -> float:
    """Return 0, the standard error of quantities of the weights."""
    return 0.0


def pull_width_error(subject: Subject, target: float) -> float:
    """Return the standard error of the pull width of one target."""
    return float(pull_width(subject, target)) / math.sqrt(2 * len(subject.outputs))


def bias_error(subject: Subject, target: float) -> float:
    """Return the standard error of the mean residual of one target."""
    return float(subject.residuals[0][:, int(target)].std(correction=0)) / math.sqrt(len(subject.outputs))


def _log_density_ratio(value: torch.Tensor, bound: float) -> torch.Tensor:
    """Return log((1 - bound) / (1 - value)) of two shares of zeros."""
    return ((1 - bound) / (1 - value).clamp(min=1e-6)).log()


@dataclass(frozen=True)
class Quantity:
    """Quantity that a constraint can bound.

    Attributes:
        value: function of a subject and the argument in brackets (of a target, its number) that returns the value.
        takes: argument in brackets: "" = none, a "share" of the weights, or a "target".
        lowest, highest: limits, exclusive, of the bound.
        relative: whether distances are divided by the bound.
        stiffness: factor of ``drive``; below 1 for quantities that fluctuate from batch to batch.
        error: standard error of the distance, with the same arguments as ``value``.
    """

    value: Callable[[Subject, float], torch.Tensor]
    takes: str = ""
    lowest: float = float("-inf")
    highest: float = float("inf")
    relative: bool = False
    stiffness: float = 1.0
    error: Callable[[Subject, float], float] = no_error

    def distance(self, value: torch.Tensor, bound: float) -> torch.Tensor:
        """Return how far a value lies above the bound."""
        return value / bound - 1 if self.relative else value - bound

    def drive(self, value: torch.Tensor, bound: float) -> torch.Tensor:
        """Return the distance on which the multipliers act.

        For a share of zeros it is a logarithm of the share of weights that are left, because the last zeros cost the
        most.
        """
        distance = _log_density_ratio if self.value is zeros else self.distance
        return self.stiffness * distance(value, bound)


QUANTITIES = {
    "zeros": Quantity(zeros, lowest=-1e-9, highest=1),
    "l1": Quantity(l1, lowest=0, relative=True),
    "l2": Quantity(l2, lowest=0, relative=True),
    "quantile": Quantity(quantile, takes="share", lowest=0, relative=True),
    "bits": Quantity(bits, lowest=0, relative=True),
    "macs": Quantity(macs, lowest=0, relative=True),
    "pull_width": Quantity(pull_width, takes="target", lowest=0, stiffness=NOISY, error=pull_width_error),
    "bias": Quantity(bias, takes="target", stiffness=NOISY, error=bias_error),
}
"""Name in the text of a constraint -> quantity."""
