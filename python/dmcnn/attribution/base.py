"""Base class of attribution methods, and the function that they explain."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.attribution.target import Target
from dmcnn.engines.sparse import SparseNet, dense_network
from dmcnn.layers import evaluation_mode

Result = TypeVar("Result")

PRECISIONS = ("32", "bf16")

CPU_PIXELS = 512 * 512
"""Most pixels in one pass on the CPU. More do not fit into its caches: eight images of 512 x 512 in one pass take 1.5
times as long as one by one."""


class Explained(nn.Module):
    """Function that a method explains: (n, C, H, W) images -> (n,) numbers, by a network and a target.

    With precision "bf16" the forward pass runs under autocast; the numbers are float32. What a method asks of a
    ``SparseNet`` alone, such as the pixels whose gradients it needs, tells that it needs no gradient of parameters.
    """

    def __init__(self, net: nn.Module, target: Target, precision: str = "32") -> None:
        super().__init__()
        self.net, self.target, self.precision, self.activate = net, target, precision, target.activate()

    def forward(self, images: torch.Tensor, **sparse: Any) -> torch.Tensor:
        """Return the (n,) explained numbers, differentiable with respect to the images.

        Args:
            images: (n, C, H, W).
            sparse: arguments of ``SparseNet.forward``, which other networks do not see.
        """
        asked = sparse if isinstance(self.net, SparseNet) else {}
        frozen = constants(self.net) if asked else nullcontext()
        with frozen, torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs: torch.Tensor = self.net(images, **asked)
        is_half = outputs.dtype in (torch.bfloat16, torch.float16)
        return self.target.select(self.activate(outputs.float() if is_half else outputs))

    def dense(self) -> Explained:
        """Return the same function by the dense network."""
        return Explained(dense_network(self.net), self.target, self.precision)

    def values(self, images: torch.Tensor) -> torch.Tensor:
        """Return the (n,) explained numbers without a graph."""
        with torch.no_grad():
            numbers: torch.Tensor = self(images)
        return numbers


@contextmanager
def constants(net: nn.Module) -> Iterator[None]:
    """Evaluate a network within the block without a graph of its parameters."""
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def gradient(explained: Explained, images: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
    """Return the (n, C, H, W) gradients of the explained numbers with respect to their images.

    Args:
        explained: function of the images.
        images: (n, C, H, W).
        where: bool, broadcasting to the images: pixels whose gradient is needed. A sparse network gives 0 elsewhere.
    """
    return value_and_gradient(explained, images, where)[1]


def value_and_gradient(
    explained: Explained, images: torch.Tensor, where: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the (n,) explained numbers and their (n, C, H, W) gradients; those of parameters are not computed."""
    leaf = images.detach().requires_grad_()
    values = explained(leaf) if where is None else explained(leaf, where=where)
    (gradients,) = torch.autograd.grad(values.sum(), leaf)
    return values.detach(), gradients


def in_float64(net: nn.Module, call: Callable[..., Result], dtype: torch.dtype) -> Callable[..., Result]:
    """Return a function of images that is ``call`` of the network and them, both in float64.

    A network that casts to float32 by itself takes them as it is, in ``dtype``.
    """
    double = copy.deepcopy(net).double()

    def exact(images: torch.Tensor, *more: Any) -> Result:
        """Evaluate in float64, else as it is."""
        try:
            return call(double, images.double(), *more)
        except RuntimeError:  # of two dtypes; other failures are met again
            return call(net, images.to(dtype), *more)

    return exact


@dataclass(kw_only=True, eq=False)
class Method(ABC):
    """Attribution method: it maps how much every pixel matters for one number of the network.

    Subclasses explain a few images; this class makes batches, and sets and restores the state of the network. A field
    may hold another method, whose options ``dmcnn.attribution.build`` passes on.

    Attributes:
        name: name in a cfg.
        title: name in figures.
        signed: whether the sign of a map tells pixels for the target from those against it.
        complete: whether a map sums to the difference between the explained numbers of image and baseline.
        costly: whether one map takes hundreds of forward passes, so that its quality is measured without new maps.
        sparse: whether a ``SparseNet`` serves the method, at the price of the charge. It needs no gradient, or the
            plain one at active pixels or summed over places, for places that look alike share a row, whose gradient
            is the sum of theirs. Other methods get the dense network.
        internal_batch: largest number of images in one forward or backward pass.
        precision: precision of the forward pass, "32" or "bf16"; maps are float32 in both cases.
        progress: called with the number of images explained since the last call.

    Raises:
        InputError: ``internal_batch`` below 1, or an unknown precision.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    signed: ClassVar[bool]
    complete: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    sparse: ClassVar[bool] = False

    internal_batch: int = 8
    precision: str = "32"
    progress: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        if self.internal_batch < 1:
            raise InputError(f"internal_batch = {self.internal_batch}, expected at least 1")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision = {self.precision!r}, expected one of {', '.join(PRECISIONS)}")

    def __call__(self, net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the (B, C, H, W) maps of (B, C, H, W) images, on their device.

        A map does not depend on the other images of its batch.

        Args:
            net: network, which runs in evaluation mode; its state is restored afterwards, also after an error.
            inputs: scaled images; each of the C channels is a plane or a time frame. Methods that use a layer of a
                2-D network return the same map for all channels.
            target: explained number.

        Raises:
            InputError: images of another number of axes.
        """
        if inputs.ndim != 4:
            raise InputError(
                f"images of shape {tuple(inputs.shape)}, expected (images, channels, rows, columns)"
            )
        net = net if self.sparse else dense_network(net)
        maps = [torch.zeros_like(inputs[:0])]
        with evaluation_mode(net):
            explained = Explained(net, target, self.precision)
            for images in torch.split(inputs.detach(), self.at_once(inputs)) if len(inputs) else ():
                maps.append(self.explain(explained, images.clone()))
                if self.progress is not None:
                    self.progress(len(images))
        return torch.cat(maps)

    @property
    def revision(self) -> int:
        """Return the number of the algorithm, raised where the same options give other maps than before."""
        return 1

    def note(self) -> str:
        """Return the options of the method as a text for pages."""
        common = {entry.name for entry in fields(Method)}
        own = [entry.name for entry in fields(self) if entry.name not in common]
        words = ((name, getattr(self, name)) for name in own)
        return ", ".join(
            value.title if isinstance(value, Method) else f"{name.replace('_', ' ')} {value}"
            for name, value in words
            if isinstance(value, Method | str | int | float)
        )

    def at_once(self, images: torch.Tensor) -> int:
        """Return how many images of this size share one pass: ``internal_batch``, or fewer on the CPU."""
        if images.device.type != "cpu":
            return self.internal_batch
        return max(1, min(self.internal_batch, CPU_PIXELS // max(1, images[0:1].numel())))

    @abstractmethod
    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps of at most ``internal_batch`` images; the caller restores the network."""
