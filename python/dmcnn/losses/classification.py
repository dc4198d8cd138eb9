"""Losses of classification networks: (B, classes) logits and (B,) int64 class numbers -> mean over the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _one_hot(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return (B, classes) of 1 at the class of each event, else 0, in the dtype of the logits."""
    return F.one_hot(classes, logits.shape[1]).to(logits.dtype)


def bce(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy of each logit against its class, averaged over all logits (as DM-CNN)."""
    return F.binary_cross_entropy_with_logits(logits, _one_hot(logits, classes))


def focal(logits: torch.Tensor, classes: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return the focal loss (Lin et al., arXiv:1708.02002) per logit, without class weights; gamma = 0 is ``bce``."""
    target = _one_hot(logits, classes)  # (B, classes)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")  # (B, classes)
    error = (logits.sigmoid() - target).abs()  # 1 - p_t of the paper
    return (error**gamma * entropy).mean()


def cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of the softmax over the classes."""
    return F.cross_entropy(logits, classes)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {"bce": bce, "cross_entropy": cross_entropy, "focal": focal}

ACTIVATION = {"bce": "sigmoid", "focal": "sigmoid", "cross_entropy": "softmax"}
"""Loss -> function that maps the logits of a network trained with it to scores."""


def loss_function(name: str, focal_gamma: float = 2.0) -> Loss:
    """Return a loss by its name, or a user's own loss.

    Args:
        name: name in LOSSES, ``module:name``, or an entry point of the group ``dmcnn.losses``.
        focal_gamma: exponent of the focal loss.

    Raises:
        InputError: unknown name.
    """
    loss = plugins.find(name, LOSSES, "dmcnn.losses")
    if loss is None:
        raise InputError(f"unknown loss {name!r}{nearest(name, LOSSES)}; known: {', '.join(LOSSES)}")
    if name in LOSSES:
        return partial(loss, gamma=focal_gamma) if name == "focal" else loss
    return _checked(loss() if isinstance(loss, type) else loss, name)


def _checked(loss: Loss, name: str) -> Loss:
    """Wrap a user's own loss to raise InputError if it returns anything but a scalar tensor."""

    def checked(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss and check its shape."""
        value = loss(outputs, labels)
        if not isinstance(value, torch.Tensor) or value.ndim:
            what = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            raise InputError(f"loss {name}: gives {what}, expected one number, the mean loss of the batch")
        return value

    return checked


def activation_of(name: str) -> str:
    """Return the function that maps logits to scores after training with this loss: "sigmoid" or "softmax".

    Raises:
        InputError: the attribute ``activation`` of a user's own loss is neither.
    """
    loss = None if name in ACTIVATION else plugins.find(name, {}, "dmcnn.losses")
    activation = ACTIVATION.get(name) or str(getattr(loss, "activation", "softmax"))
    if activation not in ("sigmoid", "softmax"):
        raise InputError(f"loss {name}: activation = {activation!r}, expected 'sigmoid' or 'softmax'")
    return activation
