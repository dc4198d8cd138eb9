"""Losses on (B, classes) logits and (B,) class numbers, averaged over the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest

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


LOSSES: dict[str, Callable[..., torch.Tensor]] = {"bce": bce, "cross_entropy": cross_entropy, "focal": focal}

ACTIVATION = {"bce": "sigmoid", "focal": "sigmoid", "cross_entropy": "softmax"}
"""How the logits of a network trained with a loss become scores."""


def loss_function(name: str, focal_gamma: float = 2.0) -> Loss:
    """Return the loss of a name, which may be one of one's own; InputError if there is none."""
    loss = plugins.find(name, LOSSES, "dmcnn.losses")
    if loss is None:
        raise InputError(f"unknown loss {name!r}{nearest(name, LOSSES)}; known: {', '.join(LOSSES)}")
    if name in LOSSES:
        return partial(loss, gamma=focal_gamma) if name == "focal" else loss
    return _checked(loss() if isinstance(loss, type) else loss, name)


def _checked(loss: Loss, name: str) -> Loss:
    """Return a loss of one's own that raises InputError where it gives anything but one number."""

    def checked(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        found = loss(outputs, labels)
        if not isinstance(found, torch.Tensor) or found.ndim:
            what = f"shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
            raise InputError(f"loss {name}: gives {what}, expected one number, the mean loss of the batch")
        return found

    return checked


def activation_of(name: str) -> str:
    """Return how logits become scores after training with this loss; InputError for what is neither of the two."""
    loss = None if name in ACTIVATION else plugins.find(name, {}, "dmcnn.losses")
    activation = ACTIVATION.get(name) or str(getattr(loss, "activation", "softmax"))
    if activation not in ("sigmoid", "softmax"):
        raise InputError(f"loss {name}: activation = {activation!r}, expected 'sigmoid' or 'softmax'")
    return activation
