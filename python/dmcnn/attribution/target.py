"""The number of a network that a map explains."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dmcnn._common.errors import InputError, nearest

KINDS = ("logit", "score")
ACTIVATIONS = ("sigmoid", "softmax", "none")


@dataclass(frozen=True)
class Target:
    """Which number of the network is explained.

    The logit is the default: the gradient of a score vanishes where the activation saturates, and that of a softmax
    mixes in all other classes (summed over the classes it is zero everywhere).

    Attributes:
        number: of the class or of the regression output.
        kind: "logit" (the raw output) or "score" (after the activation).
        activation: "sigmoid", "softmax" or "none", what makes scores of outputs.
    """

    number: int
    kind: str = "logit"
    activation: str = "none"

    def __post_init__(self) -> None:
        for word, found, known in (("kind", self.kind, KINDS), ("activation", self.activation, ACTIVATIONS)):
            if found not in known:
                raise InputError(f"{word} = {found!r}{nearest(found, known)}, there is {', '.join(known)}")

    def __call__(self, outputs: torch.Tensor) -> torch.Tensor:
        """(B,) of (B, k) outputs; InputError if there is no such output."""
        if outputs.ndim != 2:
            raise InputError(f"outputs of shape {tuple(outputs.shape)}, expected (images, outputs)")
        if not 0 <= self.number < outputs.shape[1]:
            raise InputError(f"target {self.number}: the network has outputs 0 to {outputs.shape[1] - 1}")
        if self.kind == "score" and self.activation == "sigmoid":
            outputs = outputs.sigmoid()
        elif self.kind == "score" and self.activation == "softmax":
            outputs = outputs.softmax(dim=1)
        return outputs[:, self.number]
