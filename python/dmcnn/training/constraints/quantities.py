"""What a constraint can be about: numbers of the weights as they are deployed, or of the estimates.

Every measure is a scalar tensor whose value is exact, with weights rounded as in the finished network, and whose
gradient is that of a smooth stand-in, since a number such as a count of zeros has none of its own.
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
"""Size of a weight at which the pull that makes weights zero is a quarter of that at zero, or half a quantisation
step if that is larger."""

NEIGHBOURS = 0.05
"""Share of the weights, by rank, over which the pull on a quantile spreads (one standard deviation)."""

NOISY = 0.1
"""Stiffness of constraints on estimates: damping and rate, which count by its square, must not follow the noise of a
batch."""


@dataclass(frozen=True)
class Weights:
    """All n weights of a network, kernels and biases alike, one after another.

    Attributes:
        latent: (n,) as trained, with their gradient.
        rounded: (n,) as deployed.
        half: (n,) largest absolute value that is deployed as zero.
        bits: (n,) that a number may take.
    """

    latent: torch.Tensor
    rounded: torch.Tensor
    half: torch.Tensor
    bits: torch.Tensor

    @classmethod
    def of(cls, net: nn.Module) -> Weights:
        """Those of ``net``, in order."""
        parts = [_part(weight, quantiser) for _, weight, quantiser in deployed_parameters(net)]
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))

    @cached_property
    def size(self) -> torch.Tensor:
        """(n,) absolute values, as trained."""
        return self.latent.abs()

    @cached_property
    def used(self) -> torch.Tensor:
        """(n,) 1 where a weight is deployed as another number than zero, else 0.

        The gradient is that of |w| / (|w| + a), a = REACH. The pull on a weight falls with its size, so that
        training decides which ones stay; it is largest for those that are zero already, so that they do not flicker
        but return when the loss pulls harder.
        """
        reach = self.half.clamp(min=REACH)
        return exactly((self.size > self.half).to(self.size), self.size / (self.size + reach))

    @cached_property
    def bit_length(self) -> torch.Tensor:
        """(n,) bits of sign and magnitude of every integer, 0 for zeros; FLOAT of a number that nothing rounds."""
        step = 2 * self.half
        length = torch.frexp(self.rounded / step).exponent + 1
        exact = torch.minimum(length.to(self.bits), self.bits) * (self.size > self.half)
        return exactly(
            exact, torch.where(self.bits < FLOAT, (1 + self.size / step).log2(), FLOAT * self.used)
        )


def _part(weight: torch.Tensor, quantiser: Quantiser | None) -> tuple[torch.Tensor, ...]:
    flat = weight.flatten()
    rounded = flat.detach() if quantiser is None else quantiser.round(flat.detach())
    half, bits = (ZERO, FLOAT) if quantiser is None else (quantiser.step / 2, quantiser.bits)
    return flat, rounded, torch.full_like(rounded, half), torch.full_like(rounded, bits)


def exactly(value: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """``value``, with the gradient of ``smooth``."""
    return value.detach() + (smooth - smooth.detach())


@dataclass(frozen=True)
class Subject:
    """What is measured: a network, and its estimates of some events.

    Attributes:
        net: of any kind.
        outputs: (B, m) of the network.
        targets: (B, k) true values, scaled.
        gaussian: what the outputs mean.
        uses: (n,) multiplications by each weight for one image.
    """

    net: nn.Module
    outputs: torch.Tensor
    targets: torch.Tensor
    gaussian: Gaussian = FULL
    uses: torch.Tensor | None = None

    @cached_property
    def weights(self) -> Weights:
        """All weights."""
        return Weights.of(self.net)

    @cached_property
    def residuals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, k) estimate minus truth and (B, k) estimated standard deviation, both scaled, float64."""
        mean, factor = cholesky(self.outputs.double(), self.gaussian)
        return mean - self.targets, factor.square().sum(dim=2).sqrt()


def zeros(of: Subject, _: float) -> torch.Tensor:
    """Share of all weights that are deployed as zero."""
    return 1 - of.weights.used.mean()


def l1(of: Subject, _: float) -> torch.Tensor:
    """Sum of the absolute values of all weights."""
    return exactly(of.weights.rounded.abs().sum(), of.weights.size.sum())


def l2(of: Subject, _: float) -> torch.Tensor:
    """Euclidean norm of all weights."""
    return exactly(of.weights.rounded.norm(), of.weights.latent.norm())


def quantile(of: Subject, share: float) -> torch.Tensor:
    """Smallest value that a share of the weights do not exceed in size.

    The gradient is that of an average of the sizes around the quantile, normal in their rank.
    """
    size = of.weights.size
    count = max(1, round(share * len(size)))
    exact = of.weights.rounded.abs().kthvalue(count).values
    rank = torch.empty_like(size.detach())
    rank[size.detach().argsort()] = torch.arange(len(size), device=size.device).to(rank)
    near = (-(((rank + 0.5) / len(size) - share) / NEIGHBOURS).square() / 2).exp()
    return exactly(exact, (near / near.sum() * size).sum())


def bits(of: Subject, _: float) -> torch.Tensor:
    """Bits that all weights which are not zero take together."""
    return of.weights.bit_length.sum()


def macs(of: Subject, _: float) -> torch.Tensor:
    """Multiplications by weights that are not zero, for one image."""
    assert of.uses is not None
    return (of.uses.to(of.weights.used) * of.weights.used).sum()


def pull_width(of: Subject, target: float) -> torch.Tensor:
    """Standard deviation of residual over estimated uncertainty of one target: 1 where that is right."""
    residual, sigma = (part[:, int(target)] for part in of.residuals)
    # a single event has no width, and no gradient of it either
    return (residual / sigma).var(correction=0).clamp(min=1e-12).sqrt()


def bias(of: Subject, target: float) -> torch.Tensor:
    """Mean residual of one target, scaled."""
    return of.residuals[0][:, int(target)].mean()


def exact(_: Subject, __: float) -> float:
    """The standard error of numbers of the weights: none."""
    return 0.0


def pull_width_error(of: Subject, target: float) -> float:
    """The standard error of a pull width among so many events."""
    return float(pull_width(of, target)) / math.sqrt(2 * len(of.outputs))


def bias_error(of: Subject, target: float) -> float:
    """The standard error of a mean residual."""
    return float(of.residuals[0][:, int(target)].std(correction=0)) / math.sqrt(len(of.outputs))


def _density(value: torch.Tensor, wanted: float) -> torch.Tensor:
    """The logarithm of what may be left of a whole over what is."""
    return ((1 - wanted) / (1 - value).clamp(min=1e-6)).log()


@dataclass(frozen=True)
class Measure:
    """A quantity that constraints can be about.

    Attributes:
        of: its value for a subject and the number in brackets, or that of the target there.
        takes: what is in brackets: nothing, a "share" of the weights, or a "target".
        lowest, highest: between which, exclusively, a wanted value can lie.
        relative: distances are shares of the wanted value.
        stiffness: factor of the ``drive``: small for what fluctuates from batch to batch.
        error: standard error of the distance, with the same arguments as ``of``.
    """

    of: Callable[[Subject, float], torch.Tensor]
    takes: str = ""
    lowest: float = float("-inf")
    highest: float = float("inf")
    relative: bool = False
    stiffness: float = 1.0
    error: Callable[[Subject, float], float] = exact

    def distance(self, value: torch.Tensor, wanted: float) -> torch.Tensor:
        """How far a value is above what is wanted."""
        return value / wanted - 1 if self.relative else value - wanted

    def drive(self, value: torch.Tensor, wanted: float) -> torch.Tensor:
        """That distance as the multipliers see it.

        Of a share it is the logarithm of what may be left over what is: the last zeros are the dearest.
        """
        seen = _density(value, wanted) if self.of is zeros else self.distance(value, wanted)
        return self.stiffness * seen


MEASURES = {
    "zeros": Measure(zeros, lowest=-1e-9, highest=1),
    "l1": Measure(l1, lowest=0, relative=True),
    "l2": Measure(l2, lowest=0, relative=True),
    "quantile": Measure(quantile, takes="share", lowest=0, relative=True),
    "bits": Measure(bits, lowest=0, relative=True),
    "macs": Measure(macs, lowest=0, relative=True),
    "pull_width": Measure(pull_width, takes="target", lowest=0, stiffness=NOISY, error=pull_width_error),
    "bias": Measure(bias, takes="target", stiffness=NOISY, error=bias_error),
}
