"""Small networks that are difficult for hooks: 3-D maps, in-place or repeated modules, skip connections, failures."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from dmcnn.attribution.target import Target

SHAPE = (2, 12, 16)
FRAMES = (4, 8, 6)
TARGET = Target(1)


def images(count: int = 3, shape: tuple[int, int, int] = SHAPE, seed: int = 5) -> torch.Tensor:
    """Return (count, C, H, W) sparse images: one pixel in ten has a charge of 10 to 100."""
    random = torch.Generator().manual_seed(seed)
    charge = 10 + 90 * torch.rand((count, *shape), generator=random)
    return charge * (torch.rand((count, *shape), generator=random) < 0.1)


def plain(seed: int = 1) -> nn.Module:
    """Return a 2-D network with normalisation, pooling, dropout and ReLUs in place; grids 12x16, 6x8, 3x4."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), nn.GroupNorm(2, 4), nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(72, 8), nn.ReLU(), nn.Linear(8, 2),
    ).train()  # fmt: skip


class Frames(nn.Module):
    """3-D network whose frames are the channels of an image; grids 4x8x6, 2x4x3."""

    def __init__(self, seed: int = 2) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = nn.Sequential(
            nn.Conv3d(1, 3, 3, padding=1), nn.ReLU(), nn.BatchNorm3d(3), nn.MaxPool3d(2),
            nn.Conv3d(3, 4, 3, padding=1),
        )  # fmt: skip
        self.activation = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(4 * 2 * 4 * 3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.classifier(self.activation(self.features(images[:, None])).flatten(1))
        return out


class Twice(nn.Module):
    """Network with one in-place ReLU that is called twice, the second time on a tensor with a skip connection."""

    def __init__(self, seed: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(4 * 12 * 16, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        inner = self.second(self.relu(self.first(images)))
        out: torch.Tensor = self.classifier((inner + self.relu(inner.clone())).flatten(1))
        return out


class Failure(nn.Module):
    """Identity that fails in the forward pass number ``after``, or in the backward pass."""

    def __init__(self, where: str, after: int = 0) -> None:
        super().__init__()
        self.where, self.left = where, after

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if self.where == "forward":
            if self.left <= 0:
                raise RuntimeError("failed on purpose")
            self.left -= 1
            return values
        passed: torch.Tensor = _FailBackward.apply(values)  # type: ignore[no-untyped-call]
        return passed


class _FailBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("failed on purpose")


def linear(shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> nn.Module:
    """Return a network whose two outputs are weighted sums of the pixels."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 2))


def weights(net: nn.Module, number: int = 1, shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    """Return the (1, C, H, W) weights of one output of a ``linear`` network."""
    assert isinstance(net, nn.Sequential)
    found = net[1].weight
    assert isinstance(found, torch.Tensor)
    return found[number].detach().view(1, *shape)


def state(net: nn.Module) -> list[Any]:
    """Return everything of a network that an explanation must not change."""
    modules = [
        (
            name,
            module.training,
            getattr(module, "inplace", None),
            sorted(vars(module)),
            [len(getattr(module, hooks)) for hooks in vars(module) if hooks.endswith("_hooks")],
        )
        for name, module in net.named_modules()
    ]
    tensors = [
        (
            name,
            tensor.requires_grad,
            tensor.grad is None,
            tensor.detach().double().sum().item(),
            tensor._version,
        )
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]
    ]
    return [modules, tensors]
