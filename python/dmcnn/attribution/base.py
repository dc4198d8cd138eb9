"""What every attribution method is, and the state of the network while one runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.attribution.target import Target
from dmcnn.layers import undisturbed

PRECISIONS = ("32", "bf16")

CPU_PIXELS = 512 * 512
"""Pixels in one pass on the CPU: its caches hold no more, and eight images together take half as long again."""


class Explained(nn.Module):
    """A network and a target as one function: (n, C, H, W) images -> (n,) numbers.

    With precision "bf16" the forward pass runs under autocast; what is explained is float32 in any case.
    """

    def __init__(self, net: nn.Module, target: Target, precision: str = "32") -> None:
        super().__init__()
        self.net, self.target, self.precision = net, target, precision

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n,) explained numbers, differentiable with respect to the images."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs: torch.Tensor = self.net(images)
        return self.target(outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs)

    def values(self, images: torch.Tensor) -> torch.Tensor:
        """The same without a graph."""
        with torch.no_grad():
            found: torch.Tensor = self(images)
        return found


def gradient(explained: Explained, images: torch.Tensor) -> torch.Tensor:
    """(n, C, H, W) gradient of the explained number of every image with respect to that image."""
    return value_and_gradient(explained, images)[1]


def value_and_gradient(explained: Explained, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) explained numbers and their (n, C, H, W) gradients; no parameter receives one."""
    leaf = images.detach().requires_grad_()
    values = explained(leaf)
    (found,) = torch.autograd.grad(values.sum(), leaf)
    return values.detach(), found


@dataclass(kw_only=True, eq=False)
class Method(ABC):
    """An attribution method: a map of how much every pixel matters for one number of the network.

    Subclasses say how a few images are explained; batches, modes and clean-up are handled here. A field that holds
    another method makes a composition: its options are passed on by ``dmcnn.attribution.build``.

    Attributes:
        name: as in a .cfg.
        title: for figures.
        signed: whether the sign of a map means for and against the target.
        complete: whether a map sums to the difference of the explained number to that of the baseline.
        costly: whether one map takes hundreds of forward passes, so that it is not made again only to be judged.
        internal_batch: most images in one forward or backward pass.
        precision: of the forward pass, "32" or "bf16"; maps are float32 either way.
        progress: called with the number of images explained since the last call.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    signed: ClassVar[bool]
    complete: ClassVar[bool] = False
    costly: ClassVar[bool] = False

    internal_batch: int = 8
    precision: str = "32"
    progress: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        if self.internal_batch < 1:
            raise InputError(f"internal_batch = {self.internal_batch}, expected at least 1")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision = {self.precision!r}, there is {', '.join(PRECISIONS)}")

    def __call__(self, net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
        """(B, C, H, W) maps of (B, C, H, W) images, on their device.

        Each of the C channels is a plane or a time frame; methods that look at a layer of a 2-D net give all
        channels the same map. ``net`` runs in evaluation mode and is left as it was, also if it fails; a map does not
        depend on the other images of its batch.
        """
        if inputs.ndim != 4:
            raise InputError(
                f"images of shape {tuple(inputs.shape)}, expected (images, channels, rows, columns)"
            )
        maps = [torch.zeros_like(inputs[:0])]
        with undisturbed(net):
            explained = Explained(net, target, self.precision)
            for images in torch.split(inputs.detach(), self.at_once(inputs)) if len(inputs) else ():
                maps.append(self.explain(explained, images.clone()))
                if self.progress is not None:
                    self.progress(len(images))
        return torch.cat(maps)

    @property
    def revision(self) -> int:
        """Number of the algorithm, raised where the same options give other maps than before."""
        return 1

    def note(self) -> str:
        """How the map was made, for people: the options that matter."""
        common = {entry.name for entry in fields(Method)}
        own = [entry.name for entry in fields(self) if entry.name not in common]
        words = ((name, getattr(self, name)) for name in own)
        return ", ".join(
            value.title if isinstance(value, Method) else f"{name.replace('_', ' ')} {value}"
            for name, value in words
            if isinstance(value, Method | str | int | float)
        )

    def at_once(self, images: torch.Tensor) -> int:
        """How many images of this size go through the net together: ``internal_batch``, or fewer on the CPU."""
        if images.device.type != "cpu":
            return self.internal_batch
        return max(1, min(self.internal_batch, CPU_PIXELS // max(1, images[0:1].numel())))

    @abstractmethod
    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) maps of at most ``internal_batch`` images, inside ``undisturbed``."""
