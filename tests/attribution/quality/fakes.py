"""Networks, targets and methods so small that everything about them is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

SHAPE = (2, 6, 7)


@dataclass(frozen=True)
class Output:
    """One number of the output, as it is."""

    number: int = 1
    kind: str = "logit"

    def __call__(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs[:, self.number]


class Gradient:
    """The gradient, times the input if asked: analytic for linear networks."""

    def __init__(self, times_input: bool = True, baseline: float = 0.0) -> None:
        self.times_input, self.baseline = times_input, baseline
        self.complete = times_input

    def __call__(self, net: nn.Module, inputs: torch.Tensor, target: Any) -> torch.Tensor:
        x = inputs.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(target(net(x)).sum(), x)
        return gradient * (inputs - self.baseline) if self.times_input else gradient


def linear(shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2)).eval()


def curved(seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 7, 8), nn.ReLU()
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(8, 2)).eval()


def image(active: int = 10, shape: tuple[int, int, int] = SHAPE, seed: int = 3) -> torch.Tensor:
    """(C, H, W) float32 with so many active pixels of 10 to 500."""
    random = np.random.default_rng(seed)
    flat = np.zeros(int(np.prod(shape)), np.float32)
    flat[random.choice(flat.size, active, replace=False)] = random.uniform(10, 500, active)
    return torch.from_numpy(flat.reshape(shape))


def weights(net: nn.Module, number: int = 1, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """(C, H, W) float64 weights of one output of a linear network."""
    return net[1].weight[number].detach().double().numpy().reshape(shape)
