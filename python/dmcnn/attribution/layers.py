"""The layers of a network that a class activation map can look at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.layers import evaluation_mode

REDUCTION = 16
"""The default layer shrinks no axis by more than this."""


@dataclass(frozen=True)
class MapLayer:
    """A module with a spatial output: its name in the net, the (h, w) or (d, h, w) of its maps, and their number."""

    name: str
    grid: tuple[int, ...]
    channels: int

    @property
    def size(self) -> str:
        """The grid as it is written in a .cfg, "32x32"."""
        return "x".join(map(str, self.grid))


_KNOWN: WeakKeyDictionary[nn.Module, tuple[str, tuple[int, ...], list[MapLayer]]] = WeakKeyDictionary()
"""The layers of every net at the images that it was last asked for, as long as it reads the same."""


def layers(net: nn.Module, shape: tuple[int, int, int]) -> list[MapLayer]:
    """Every module whose output is a map of maps, in the order of the forward pass, for images of (C, H, W).

    A module that is called twice stands where its last call is. An ``nn.Sequential`` is left out: its output is that
    of its last module. So is the net itself, and whatever has shrunk to one point.
    """
    text = repr(net)
    if _KNOWN.get(net, ("", (), []))[:2] != (text, shape):
        _KNOWN[net] = text, shape, _look(net, shape)
    return list(_KNOWN[net][2])


def _look(net: nn.Module, shape: tuple[int, int, int]) -> list[MapLayer]:
    """The layers, by a forward pass of an empty image."""
    found: dict[str, MapLayer] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim in (4, 5) and len(output) == 1:
                grid = tuple(output.shape[2:])
                if max(grid) > 1:
                    found.pop(name, None)
                    found[name] = MapLayer(name, grid, output.shape[1])

        return hook

    parameter = next(net.parameters(), torch.zeros(()))
    with evaluation_mode(net), ExitStack() as hooks, torch.no_grad():
        for name, module in net.named_modules():
            if name and not isinstance(module, nn.Sequential):
                hooks.callback(module.register_forward_hook(note(name)).remove)
        net(torch.zeros((1, *shape), dtype=parameter.dtype, device=parameter.device))
    return list(found.values())


def find(net: nn.Module, shape: tuple[int, int, int], wanted: str | None = None) -> MapLayer:
    """The layer called ``wanted``, or the last one of that grid size ("32x32", "21x32x32").

    Without ``wanted`` it is the deepest layer whose maps have at least 1/16 of the image's length along every axis
    (32 x 32 for 512 x 512). Deeper ones see more than a track is wide: with MPID on sparse 512 x 512 images the
    charge is found by Grad-CAM on 32 x 32 maps, and no longer on 16 x 16.
    """
    known = layers(net, shape)
    if not known:
        raise InputError(f"{type(net).__name__} has no layer with maps for images of {shape}")
    if wanted is None:
        fine = [layer for layer in known if _is_fine(layer.grid, shape)]
        return fine[-1] if fine else known[0]
    for layer in reversed(known):
        if wanted in (layer.name, layer.size):
            return layer
    sizes = list(dict.fromkeys(layer.size for layer in known))
    names = [layer.name for layer in known]
    guess = _nearest_size(wanted, known) or nearest(wanted, names)
    raise InputError(
        f"layer = {wanted!r}: {type(net).__name__} has none{guess}; "
        f"sizes: {', '.join(sizes)}; names: {names[0]} to {names[-1]}"
    )


def _is_fine(grid: tuple[int, ...], shape: tuple[int, int, int]) -> bool:
    axes = shape if len(grid) == 3 else shape[1:]
    return all(length * REDUCTION >= full for length, full in zip(grid, axes, strict=True))


def _nearest_size(wanted: str, known: list[MapLayer]) -> str:
    """`` (did you mean '32x32'?)`` for the grid closest to one that does not exist."""
    words = wanted.lower().split("x")
    if not all(word.isdigit() for word in words):
        return ""
    alike = [layer for layer in known if len(layer.grid) == len(words)]
    if not alike:
        return ""
    asked = [int(word) for word in words]
    best = min(alike, key=lambda layer: sum(abs(a - b) for a, b in zip(layer.grid, asked, strict=True)))
    return f" (did you mean {best.size!r}?)"
