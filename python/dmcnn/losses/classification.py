"""Losses of classification networks: (B, classes) logits and (B,) int64 class numbers -> mean over the batch.

``weight`` holds the (B,) weights of the events; each event's loss is multiplied by its weight before the mean over
the batch, which is over events, not over weights. None = 1 each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest

Loss = Callable[..., torch.Tensor]
"""Function of logits, classes and, where events have weights, those weights."""


def _one_hot(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return (B, classes) of 1 at the class of each event, else 0, in the dtype of the logits."""
    return F.one_hot(classes, logits.shape[1]).to(logits.dtype)


def weighted_mean(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of losses, (B,) or (B, classes), each multiplied by the weight of its event."""
    if weight is not None:
        losses = losses * weight.to(losses.dtype).view(-1, *[1] * (losses.ndim - 1))
    return losses.mean()


def bce(logits: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return the binary cross-entropy of each logit against its class, averaged over all logits (as DM-CNN)."""
    target = _one_hot(logits, classes)
    if weight is None:
        return F.binary_cross_entropy_with_logits(logits, target)
    return weighted_mean(F.binary_cross_entropy_with_logits(logits, target, reduction="none"), weight)


def focal(
    logits: torch.Tensor,
    classes: torch.Tensor,
    weight: torch.Tensor | None = None,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> torch.Tensor:
    """Return the focal loss (Lin et al., arXiv:1708.02002) per logit, averaged over all logits.

    Each logit is a classifier of its own, with p_t the score of the truth: -alpha_t (1 - p_t)^gamma log p_t, where
    alpha_t is ``alpha`` at the class of the event and 1 - ``alpha`` elsewhere; None = 1 everywhere. gamma = 0 is
    ``bce``.
    """
    target = _one_hot(logits, classes)  # (B, classes)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")  # (B, classes)
    error = (logits.sigmoid() - target).abs()  # 1 - p_t of the paper
    # at 0 the power has an infinite slope for gamma < 1
    losses = error.clamp(min=torch.finfo(error.dtype).tiny) ** gamma * entropy
    if alpha is not None:
        losses = (alpha * target + (1 - alpha) * (1 - target)) * losses
    return weighted_mean(losses, weight)


def cross_entropy(
    logits: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor | None = None, *, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the cross-entropy of the softmax over the classes.

    ``smoothing`` is the share of every label that is spread evenly over all classes (arXiv:1512.00567).
    """
    if weight is None:
        return F.cross_entropy(logits, classes, label_smoothing=smoothing)
    losses = F.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="none")
    return weighted_mean(losses, weight)


def focal_cross_entropy(
    logits: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor | None = None, *, gamma: float = 2.0
) -> torch.Tensor:
    """Return the focal loss of the softmax, -(1 - p)^gamma log p with p the score of the event's class.

    gamma = 0 is ``cross_entropy``.
    """
    log_p = F.log_softmax(logits, dim=1).gather(1, classes.unsqueeze(1)).squeeze(1)  # (B,)
    error = -torch.expm1(log_p)
    return weighted_mean(-(error.clamp(min=torch.finfo(error.dtype).tiny) ** gamma) * log_p, weight)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "bce": bce,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "focal_cross_entropy": focal_cross_entropy,
}

ACTIVATION = {
    "bce": "sigmoid",
    "focal": "sigmoid",
    "cross_entropy": "softmax",
    "focal_cross_entropy": "softmax",
}
"""Loss -> function that maps the logits of a network trained with it to scores."""


def loss_function(name: str, *, weighted: bool = False, **options: Any) -> Loss:
    """Return a loss by its name, or a user's own loss.

    Args:
        name: name in LOSSES, ``module:name``, or an entry point of the group ``dmcnn.losses``.
        weighted: whether events have weights, which a user's own loss may not take.
        options: arguments of a loss of LOSSES besides logits, classes and weight, such as ``gamma``.

    Raises:
        InputError: unknown name, or a loss that takes no weights.
    """
    loss = plugins.find(name, LOSSES, "dmcnn.losses")
    if loss is None:
        raise InputError(f"unknown loss {name!r}{nearest(name, LOSSES)}; known: {', '.join(LOSSES)}")
    if name in LOSSES:
        return partial(loss, **options) if options else loss
    own = loss() if isinstance(loss, type) else loss
    if weighted and "weight" not in inspect.signature(getattr(own, "forward", own)).parameters:
        raise InputError(
            f"loss {name}: takes no weights of events: expected a function of (outputs, labels, weight) that returns "
            "the mean of weight * loss"
        )
    return _checked(own, name)


def _checked(loss: Loss, name: str) -> Loss:
    """Wrap a user's own loss to raise InputError if it returns anything but a scalar tensor."""

    def checked(outputs: torch.Tensor, labels: torch.Tensor, *weight: torch.Tensor) -> torch.Tensor:
        """Compute the loss and check its shape."""
        value = loss(outputs, labels, *weight)
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
