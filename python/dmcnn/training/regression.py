"""How good the estimates of a regression network are on a test set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.engines.dense import batches, logits
from dmcnn.images.sparse import SparseImages
from dmcnn.losses import gaussian as density
from dmcnn.metrics import gaussian
from dmcnn.quantisation.quantisers import zero_fraction


@dataclass(frozen=True)
class Residuals:
    """Results on ``events`` test events.

    Attributes:
        loss: mean negative log likelihood of the scaled targets [nats per event].
        rms: (k,) root mean square of the residuals, in the units of the targets.
        bias: (k,) their mean.
        pull: (k,) standard deviation of residual over estimated uncertainty: 1 where that is right.
        zeros: share of the weights that are zero once quantised.
        outputs: (events, m) outputs of the network.
        truth: (events, k) scaled targets.
    """

    targets: list[str]
    events: int
    loss: float
    rms: NDArray[np.float64]
    bias: NDArray[np.float64]
    pull: NDArray[np.float64]
    zeros: float
    outputs: torch.Tensor
    truth: torch.Tensor

    @property
    def numbers(self) -> dict[str, float]:
        """The single numbers by name."""
        found = {"events": self.events, "loss": self.loss, "zeros": self.zeros}
        for what in ("rms", "bias", "pull"):
            values = getattr(self, what).tolist()
            found |= {f"{what}_{name}": value for name, value in zip(self.targets, values, strict=True)}
        return found

    def lines(self) -> list[str]:
        """For people."""
        first = f"{self.events} events: NLL {self.loss:.4f} nats per event, {100 * self.zeros:.1f} % of the weights 0"
        return [first] + [
            f"  {name}: rms {rms:.4g}, bias {bias:+.3g}, pull width {pull:.3f}"
            for name, rms, bias, pull in zip(self.targets, self.rms, self.bias, self.pull, strict=True)
        ]


def evaluate(
    net: nn.Module, images: SparseImages, card: Card, *, device: torch.device, batch_size: int, precision: str
) -> Residuals:
    """Residuals, pulls and likelihood of a network on labelled images; it keeps its mode."""
    training = net.training
    parts = [
        logits(net, batch, device=device, precision=precision, scaling=card.scaling)
        for batch in batches(images, batch_size)
    ]
    net.train(training)
    outputs = torch.from_numpy(np.concatenate(parts))
    truth = torch.from_numpy(np.asarray(images.label, np.float64))
    scales = card.target_scales
    mean, factor = card.gaussian.decode(outputs.numpy(), scales)
    residual = mean - truth.numpy() * scales
    return Residuals(
        targets=card.targets,
        events=len(images),
        loss=float(nll(outputs, truth, card).mean()),
        rms=np.sqrt((residual**2).mean(axis=0)),
        bias=residual.mean(axis=0),
        pull=(residual / gaussian.sigma(factor)).std(axis=0),
        zeros=zero_fraction(net),
        outputs=outputs,
        truth=truth,
    )


def nll(outputs: torch.Tensor, truth: torch.Tensor, card: Card) -> torch.Tensor:
    """(B,) negative log likelihood of scaled targets [nats], as the card's loss counts it."""
    return density.nll(outputs, truth, card.gaussian, legacy=card.loss == "clipped_nll")
