# ruff: noqa: B023 - what a loop chooses is called before the loop goes on
"""Random small networks and images of every kind that the engines are compared on."""

from __future__ import annotations

import random

import torch
from torch import nn


class Skip(nn.Module):
    """A body beside a shortcut, added or side by side."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, how: str) -> None:
        super().__init__()
        self.body, self.shortcut, self.how = body, shortcut, how

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.how == "add":
            out = self.body(maps)
            out += self.shortcut(maps)
            return out
        return torch.cat([self.body(maps), self.shortcut(maps)], dim=1)


class Heads(nn.Module):
    """What reads the last maps: vectors of every place, or means, maxima and sums."""

    def __init__(self, axes: int, how: str) -> None:
        super().__init__()
        self.dims, self.how = tuple(range(2, 2 + axes)), how

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.how == "flatten":
            return maps.flatten(1)
        parts = [maps.mean(dim=self.dims), maps.amax(self.dims), torch.sum(maps, dim=self.dims)]
        return torch.cat(parts, dim=1)


class Gate(nn.Module):
    """Channels weighted by a function of their means (arXiv:1709.01507), and a parameter of every channel."""

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.pool = (nn.AdaptiveAvgPool2d if axes == 2 else nn.AdaptiveAvgPool3d)(1)
        self.scale = nn.Parameter(torch.rand(1, channels, *(1,) * axes) + 0.5)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps * torch.sigmoid(self.pool(maps)) + self.scale


def random_net(seed: int, axes: int, sides: tuple[int, ...], channels: int) -> nn.Module:
    """Three to six random layers, then a linear one."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    conv, batch, instance, average, most, adaptive, most_adaptive, drop = (
        (nn.Conv2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d,
         nn.AdaptiveMaxPool2d, nn.Dropout2d)
        if axes == 2
        else (nn.Conv3d, nn.BatchNorm3d, nn.InstanceNorm3d, nn.AvgPool3d, nn.MaxPool3d, nn.AdaptiveAvgPool3d,
              nn.AdaptiveMaxPool3d, nn.Dropout3d)
    )  # fmt: skip

    def convolution(before: int, after: int) -> nn.Module:
        kernel = tuple(rng.randint(1, 5 if axes == 2 else 3) for _ in range(axes))
        groups = rng.choice([g for g in (1, 1, 2, 4) if before % g == after % g == 0])
        same = rng.random() < 0.2
        return conv(before, after, kernel, stride=1 if same else tuple(rng.randint(1, 3) for _ in range(axes)),
                    padding="same" if same else tuple(rng.randint(0, 2) for _ in range(axes)),
                    dilation=tuple(rng.randint(1, 2) for _ in range(axes)), groups=groups,
                    bias=rng.random() < 0.7)  # fmt: skip

    def norm(width: int) -> nn.Module:
        return rng.choice([
            lambda: nn.GroupNorm(rng.choice([g for g in (1, 2, 4, width) if width % g == 0]), width),
            lambda: nn.GroupNorm(width, width, affine=False),
            lambda: batch(width, momentum=rng.choice([0.1, None])),
            lambda: batch(width, track_running_stats=False),
            lambda: instance(width, affine=True),
            lambda: instance(width, track_running_stats=True),
        ])()  # fmt: skip

    def pool() -> nn.Module:
        kernel = tuple(rng.randint(1, 3) for _ in range(axes))
        padding = tuple(rng.randint(0, k // 2) for k in kernel)
        stride, up = tuple(rng.randint(1, 3) for _ in range(axes)), rng.random() < 0.5
        return rng.choice([
            lambda: average(kernel, stride, padding, ceil_mode=up, count_include_pad=rng.random() < 0.5),
            lambda: most(kernel, stride, padding, ceil_mode=up),
            lambda: most(kernel, stride, padding, dilation=rng.randint(1, 2), ceil_mode=up),
            lambda: adaptive(tuple(rng.randint(1, 5) for _ in range(axes))),
            lambda: most_adaptive(tuple(rng.randint(1, 5) for _ in range(axes))),
        ])()  # fmt: skip

    def act() -> nn.Module:
        return rng.choice(
            [nn.ReLU(), nn.ReLU(), nn.ReLU(inplace=True), nn.ELU(), nn.Tanh(), nn.GELU(), nn.PReLU()]
        )

    layers: list[nn.Module] = []
    width = channels
    shape = (2, channels, *sides)
    for _ in range(rng.randint(3, 6)):
        after = rng.choice([2, 4, 8])
        new = rng.choice([
            lambda after=after: [convolution(width, after), act()],
            lambda after=after: [convolution(width, after), act(), norm(after)],
            lambda: [norm(width), act()],
            lambda: [pool()],
            lambda: [drop(0.4)],
            lambda: [Gate(width, axes)],
            lambda after=after: [
                Skip(nn.Sequential(conv(width, after, 3, padding=1), act(), conv(after, after, 3, padding=1)),
                     conv(width, after, 1), rng.choice(["add", "cat"]))
            ],
            lambda: [Skip(conv(width, width, 3, padding=1), nn.Identity(), "add")],
        ])()  # fmt: skip
        try:
            made = nn.Sequential(*layers, *new).train()(torch.zeros(shape)).shape
        except (RuntimeError, ValueError):  # the maps have become too small for it
            continue
        if min(made[2:]) > 0:
            layers += new
            width = made[1]
    body = nn.Sequential(*layers, Heads(axes, rng.choice(["flatten", "reduce"])), nn.Dropout(0.3))
    outputs = body(torch.zeros(shape)).shape[1]
    net = nn.Sequential(*body, nn.Linear(outputs, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return net


KINDS = ("sparse", "empty", "one pixel", "full", "border", "background", "backgrounds")


def images(kind: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """(B, C, *map) float64."""
    random_numbers = torch.Generator().manual_seed(seed)
    out = torch.zeros(shape, dtype=torch.float64)
    noise = torch.randn(shape, generator=random_numbers, dtype=torch.float64)
    hit = torch.rand((shape[0], 1, *shape[2:]), generator=random_numbers) < 0.05
    if kind == "full":
        return noise
    if kind == "one pixel":
        out[0][(0, *(side // 2 for side in shape[2:]))] = 1.5
    if kind == "border":
        out[..., 0], out[..., -1] = noise[..., 0], noise[..., -1]
    if kind in ("sparse", "background", "backgrounds"):
        out = torch.where(hit, noise, 0)
    if kind == "background":
        out += 0.1
    if kind == "backgrounds":
        out += torch.arange(1, shape[0] + 1, dtype=torch.float64).view(-1, *(1,) * (len(shape) - 1))
    return out
