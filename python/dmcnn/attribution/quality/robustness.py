"""Robustness: sensitivity to noise, completeness, and dependence on the parameters of the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.base import in_float64
from dmcnn.attribution.quality.localisation import spearman
from dmcnn.attribution.target import Target
from dmcnn.engines.dense import forward
from dmcnn.engines.sparse import dense_network
from dmcnn.layers import evaluation_mode

Maker = Callable[[nn.Module, torch.Tensor, Target], torch.Tensor]
"""Function that makes maps, such as a Method: (network, (B, C, H, W) images, target) -> (B, C, H, W) maps."""

REDRAWN = ("last_layer", "all_layers")
"""Layers whose parameters ``redrawn`` replaces: the last layer with parameters, or all."""


def sensitivity(
    method: Maker,
    net: nn.Module,
    inputs: torch.Tensor,
    target: Target,
    values: NDArray[Any],
    *,
    radius: float = 0.02,
    n_noise: int = 10,
    seed: int = 1,
) -> float:
    """Return the largest ||map(x + e) - map(x)|| / ||map(x)|| over draws of noise e: lower is better.

    C.-K. Yeh et al., "On the (in)fidelity and sensitivity of explanations", arXiv:1901.09392 (max-sensitivity).
    Every active pixel is scaled by its own uniform factor in 1 +- radius; empty pixels stay empty, for noise there
    would make another kind of image.

    Args:
        inputs: (C, H, W) the image.
        values: (C, H, W) its map. NaN if it is zero or not finite, or if there is no charge to vary.
        n_noise: draws.
    """
    norm = np.linalg.norm(values.astype(np.float64))
    if not (norm > 0 and np.isfinite(norm)) or not n_noise or not inputs.any():
        return float("nan")
    random = np.random.default_rng(seed)
    factors = [1 + radius * random.uniform(-1, 1, tuple(inputs.shape)) for _ in range(n_noise)]
    noisy = inputs * torch.from_numpy(np.stack(factors)).to(inputs)
    changed = method(net, noisy, target).detach().double().cpu().numpy() - values
    return float(np.linalg.norm(changed.reshape(n_noise, -1), axis=1).max() / norm)


def completeness_error(
    net: nn.Module,
    inputs: torch.Tensor,
    target: Target,
    values: NDArray[Any],
    baseline: torch.Tensor | float = 0.0,
) -> float:
    """Return |sum of the map - (f(x) - f(baseline))| / |f(x) - f(baseline)|: lower is better, 0 adds up exactly.

    M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", arXiv:1703.01365 (completeness).
    Both outputs are computed in float64: of a small difference, float32 loses up to a thousandth.

    Args:
        inputs, values: (C, H, W) the image and its map.
        baseline: the image that the map starts from: (C, H, W), or one number for every pixel.
    """
    ends = torch.stack([torch.zeros_like(inputs) + baseline, inputs])
    with evaluation_mode(net):
        outputs = in_float64(net, forward, ends.dtype)(ends)
    there, here = target(torch.from_numpy(outputs)).tolist()
    gap = here - there
    return abs(float(values.sum(dtype=np.float64)) - gap) / abs(gap) if gap else float("nan")


def redrawn(net: nn.Module, inputs: torch.Tensor, seed: int = 1) -> dict[str, nn.Module]:
    """Return copies of the network with new random parameters: in its last layer, and in all layers.

    J. Adebayo et al., "Sanity checks for saliency maps", arXiv:1810.03292 (model parameter randomisation). A map
    that hardly changes does not depend on what the network has learned.

    Args:
        net: stays untouched. Layers are drawn by their ``reset_parameters``; parameters of a module that has none
            are put into a random order.
        inputs: (C, H, W) an image, with which the layers are found in the order in which they run.
        seed: of the draws, the same on every device.
    """
    # Not the seed itself: where training had the same, it would draw the network that training began with.
    own = int(np.random.SeedSequence((seed, len(REDRAWN))).generate_state(1)[0])
    copies = {}
    for name in REDRAWN:
        fresh = copy.deepcopy(net).eval()
        layers = _order(fresh, inputs)
        fresh.cpu()  # a GPU would draw other numbers
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(own)
            for layer in layers[-1:] if name == "last_layer" else layers:
                _redraw(layer)
        copies[name] = fresh.to(inputs.device)
    return copies


def correlations(
    method: Maker,
    copies: Mapping[str, nn.Module],
    inputs: torch.Tensor,
    target: Target,
    values: NDArray[Any],
) -> dict[str, tuple[float, float]]:
    """Return the rank correlation of |map| with the map of each redrawn network, on active and on all pixels.

    Args:
        copies: as ``redrawn`` makes them.
        inputs, values: (C, H, W) the image and its map.
    """
    active = inputs.cpu().numpy() != 0
    pairs = {}
    for name, net in copies.items():
        other = method(net, inputs[None], target)[0].detach().float().cpu().numpy()
        pairs[name] = spearman(values[active], other[active]), spearman(values, other)
    return pairs


def _order(net: nn.Module, inputs: torch.Tensor) -> list[nn.Module]:
    """Return the modules with parameters in the order of their first calls; modules without a call come first."""
    layers = [module for module in net.modules() if [*module.parameters(recurse=False)]]
    called: list[nn.Module] = []
    hooks = [layer.register_forward_pre_hook(lambda module, _: called.append(module)) for layer in layers]
    try:
        forward(dense_network(net), inputs[None])  # the hooks are not for its user to hear of
    finally:
        for hook in hooks:
            hook.remove()
    called = [*dict.fromkeys(called)]
    return [layer for layer in layers if layer not in called] + called


@torch.no_grad()
def _redraw(layer: nn.Module) -> None:
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for values in layer.parameters(recurse=False):
        values.copy_(values.flatten()[torch.randperm(values.numel())].view_as(values))
