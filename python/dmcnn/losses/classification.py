"""Losses on (B, classes) logits and (B,) class numbers, averaged over the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _one_hot(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return F.one_hot(classes, logits.shape[1]).to(logits.dtype)


def bce(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of every logit against its own class, mean over logits: DM-CNN's loss."""
    return F.binary_cross_entropy_with_logits(logits, _one_hot(logits, classes))


def focal(logits: torch.Tensor, classes: torch.Tensor, gamma: float) -> torch.Tensor:
    """Focal loss of Lin et al. (arXiv:1708.02002) per logit, without class weights; gamma = 0 is ``bce``."""
    target = _one_hot(logits, classes)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    missed = (logits.sigmoid() - target).abs()
    return (missed**gamma * entropy).mean()


def cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the softmax over the classes."""
    return F.cross_entropy(logits, classes)


ACTIVATION = {"bce": "sigmoid", "focal": "sigmoid", "cross_entropy": "softmax"}
"""How the logits of a network trained with a loss become scores."""


def loss_function(name: str, focal_gamma: float = 2.0) -> Loss:
    """The loss of a name."""
    losses: dict[str, Loss] = {
        "bce": bce,
        "cross_entropy": cross_entropy,
        "focal": partial(focal, gamma=focal_gamma),
    }
    return losses[name]
