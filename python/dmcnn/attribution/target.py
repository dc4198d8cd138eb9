"""Target of an attribution: the number of a network that a map explains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.layers.division import Division

KINDS = ("logit", "score")
ACTIVATIONS = ("sigmoid", "softmax", "none")


@dataclass(frozen=True)
class Target:
    """Explained number: a logit or a score of the network.

    The default is the logit: the gradient of a score vanishes where the activation saturates, and with a softmax it
    contains those of all other classes (their sum over the classes is zero).

    Attributes:
        number: number of the class or of the regression output.
        kind: "logit" (output of the network) or "score" (after the activation).
        activation: "sigmoid", "softmax" or "none".
        temperature: divisor of the outputs before the activation, see ``Card``.

    Raises:
        InputError: an unknown kind or activation.
    """

    number: int
    kind: str = "logit"
    activation: str = "none"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for word, value, known in (("kind", self.kind, KINDS), ("activation", self.activation, ACTIVATIONS)):
            if value not in known:
                raise InputError(
                    f"{word} = {value!r}{nearest(value, known)}, expected one of {', '.join(known)}"
                )

    def __call__(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the (B,) explained numbers of (B, k) outputs; for errors see ``select``."""
        return self.select(self.activate()(outputs))

    def activate(self) -> nn.Module:
        """Return the module between outputs and explained numbers; a module, since DeepLIFT sees only those."""
        if self.kind == "logit" or self.activation == "none":
            return nn.Identity()
        activation = nn.Sigmoid() if self.activation == "sigmoid" else nn.Softmax(dim=1)
        return activation if self.temperature == 1 else nn.Sequential(Division(self.temperature), activation)

    def select(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the (B,) explained numbers of (B, k) outputs after ``activate``.

        Raises:
            InputError: outputs of another shape, or a number that does not exist.
        """
        if outputs.ndim != 2:
            raise InputError(f"outputs of shape {tuple(outputs.shape)}, expected (images, outputs)")
        if not 0 <= self.number < outputs.shape[1]:
            raise InputError(f"target {self.number}: the network has outputs 0 to {outputs.shape[1] - 1}")
        return outputs[:, self.number]
