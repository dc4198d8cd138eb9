"""Layers with maps: layers of a network that class activation maps can use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.engines.sparse import dense_network
from dmcnn.layers import evaluation_mode

REDUCTION = 16
"""Largest factor by which the default layer reduces an axis of the image."""


@dataclass(frozen=True)
class MapLayer:
    """Layer whose output is a set of maps.

    Attributes:
        name: name of the module in the network.
        grid: (h, w) or (d, h, w) of its maps.
        channels: number of its maps.
    """

    name: str
    grid: tuple[int, ...]
    channels: int

    @property
    def size(self) -> str:
        """Size of the maps as in a cfg, such as "32x32"."""
        return "x".join(map(str, self.grid))


_KNOWN: WeakKeyDictionary[nn.Module, tuple[str, tuple[int, ...], list[MapLayer]]] = WeakKeyDictionary()
"""Text of a network, shape of the images, and layers, of the last call for every network."""


def layers(net: nn.Module, shape: tuple[int, int, int]) -> list[MapLayer]:
    """Return all modules whose output is a set of maps, in the order of the forward pass.

    A module that is called twice has the place of its last call. The network itself, ``nn.Sequential`` modules (whose
    output is that of their last module) and maps of one pixel are left out.

    Args:
        net: network.
        shape: (C, H, W) of an image.
    """
    net = dense_network(net)
    text = repr(net)
    if _KNOWN.get(net, ("", (), []))[:2] != (text, shape):
        _KNOWN[net] = text, shape, _probe(net, shape)
    return list(_KNOWN[net][2])


def _probe(net: nn.Module, shape: tuple[int, int, int]) -> list[MapLayer]:
    """Return the layers, from a forward pass of an empty image."""
    layers: dict[str, MapLayer] = {}

    def make_hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        """Return a forward hook that notes the output of the module called ``name``."""

        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim in (4, 5) and len(output) == 1:
                grid = tuple(output.shape[2:])
                if max(grid) > 1:
                    layers.pop(name, None)  # the last call counts
                    layers[name] = MapLayer(name, grid, output.shape[1])

        return hook

    parameter = next(net.parameters(), torch.zeros(()))
    with evaluation_mode(net), ExitStack() as hooks, torch.no_grad():
        for name, module in net.named_modules():
            if name and not isinstance(module, nn.Sequential):
                hooks.callback(module.register_forward_hook(make_hook(name)).remove)
        net(torch.zeros((1, *shape), dtype=parameter.dtype, device=parameter.device))
    return list(layers.values())


def find(net: nn.Module, shape: tuple[int, int, int], layer: str | None = None) -> MapLayer:
    """Return a layer by its name, or the last layer of a grid size.

    The default is the deepest layer whose maps have at least 1/16 of the image's length along every axis (32 x 32 for
    512 x 512). The pixels of deeper layers are wider than a track: with MPID on sparse 512 x 512 images, Grad-CAM
    maps follow the charge on a grid of 32 x 32, but not on 16 x 16.

    Args:
        net: network.
        shape: (C, H, W) of an image.
        layer: name, or size such as "32x32" or "21x32x32"; None = default.

    Raises:
        InputError: no such layer.
    """
    net = dense_network(net)
    known = layers(net, shape)
    if not known:
        raise InputError(f"{type(net).__name__} has no layer with maps for images of {shape}")
    if layer is None:
        fine = [one for one in known if _is_fine(one.grid, shape)]
        return fine[-1] if fine else known[0]
    for candidate in reversed(known):
        if layer in (candidate.name, candidate.size):
            return candidate
    sizes = list(dict.fromkeys(one.size for one in known))
    names = [one.name for one in known]
    guess = _nearest_size(layer, known) or nearest(layer, names)
    raise InputError(
        f"layer = {layer!r}: {type(net).__name__} has none{guess}; "
        f"sizes: {', '.join(sizes)}; names: {names[0]} to {names[-1]}"
    )


def _is_fine(grid: tuple[int, ...], shape: tuple[int, int, int]) -> bool:
    """Return whether no axis of the image is reduced by more than REDUCTION."""
    axes = shape if len(grid) == 3 else shape[1:]
    return all(length * REDUCTION >= full for length, full in zip(grid, axes, strict=True))


def _nearest_size(size: str, known: list[MapLayer]) -> str:
    """Return `` (did you mean '32x32'?)`` with the grid size closest to one that does not exist, or an empty text."""
    words = size.lower().split("x")
    if not all(word.isdigit() for word in words):
        return ""
    alike = [layer for layer in known if len(layer.grid) == len(words)]
    if not alike:
        return ""
    grid = [int(word) for word in words]
    best = min(alike, key=lambda layer: sum(abs(a - b) for a, b in zip(layer.grid, grid, strict=True)))
    return f" (did you mean {best.size!r}?)"
