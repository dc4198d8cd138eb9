"""Arithmetic of forward passes: floating point, or the fixed point of a quantised network; and sizes of batches."""

from __future__ import annotations

from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.checkpoints.card import Card
from dmcnn.quantisation.fixedpoint import FixedPoint

ARITHMETICS = ("auto", "float", "fixed")
"""Words by which a user chooses; auto takes fixed point where a network has it, on a CPU."""

BATCH = {"cpu": 8}
"""Kind of device -> images per forward pass, unless a number is given."""

LARGE_BATCH = 64
"""The same for GPUs; Predictor halves it where the memory does not hold it."""


def default_batch_size(device: str) -> int:
    """Return the number of images per forward pass on a kind of device such as "cpu"."""
    return BATCH.get(device, LARGE_BATCH)


def fixed_point(net: nn.Module, card: Card, word: str, reason: str = "") -> FixedPoint | None:
    """Return the fixed-point twin of a network; None for floating point.

    Args:
        net, card: network.
        word: one of ARITHMETICS.
        reason: why the work is done in floating point unless ``word`` is "fixed"; "" = no reason.

    Raises:
        InputError: another word, or "fixed" for a network without twin.
    """
    if word not in ARITHMETICS:
        raise InputError(
            f"arithmetic = {word!r}{nearest(word, ARITHMETICS)}, expected one of {', '.join(ARITHMETICS)}"
        )
    if word == "float" or (word == "auto" and reason):
        return None
    try:
        if card.model != "smartpixel" or card.scaling != "none" or reason:
            raise InputError(reason or f"a network {card.model} has none, only smartpixel does")
        return FixedPoint.from_network(net, card.shape, input_bits=card.reading.get("charge_bits"))
    except InputError as error:
        if word == "auto":
            return None
        raise InputError(f"arithmetic = fixed: {error}") from None
