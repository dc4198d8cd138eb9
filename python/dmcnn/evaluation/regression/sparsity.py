"""Sparsity of networks: every tensor as deployed, and its share of zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dmcnn.figures import weights as figures
from dmcnn.figures.weights import DeployedTensor
from dmcnn.tables.table import Table

if TYPE_CHECKING:
    from dmcnn.checkpoints.card import Own

COLUMNS = ("network", "seed", "tensor", "shape", "step", "weights", "zeros", "share")


def read(path: str, own: Own = None) -> list[DeployedTensor]:
    """Read every tensor of the network in a weight file, rounded as deployed, in order; ``own`` as of ``load``."""
    # imported here, so that an evaluation without weight files does not wait for torch
    from dmcnn.checkpoints.load import load
    from dmcnn.quantisation import quantisers

    net, _ = load(path, own)
    tensors = []
    for name, parameter, quantiser in quantisers.deployed_parameters(net):
        values = parameter.detach() if quantiser is None else quantiser(parameter.detach())
        deployed = values.float().numpy()
        zero = np.abs(deployed) <= (quantisers.ZERO if quantiser is None else 0)
        tensors.append(DeployedTensor(name, deployed, zero, None if quantiser is None else quantiser.step))
    return tensors


def share(tensors: Sequence[DeployedTensor]) -> float:
    """Return the share of zeros among all weights."""
    zeros = sum(int(tensor.zero.sum()) for tensor in tensors)
    size = sum(tensor.zero.size for tensor in tensors)
    return zeros / max(size, 1)


def table(networks: Mapping[str, Sequence[Sequence[DeployedTensor]]]) -> Table:
    """Return a table with a row per network, seed and tensor, and a row for all tensors."""
    rows: list[tuple[object, ...]] = []
    for network, seeds in networks.items():
        for seed, tensors in enumerate(seeds):
            for tensor in tensors:
                shape, size = "x".join(map(str, tensor.values.shape)), tensor.zero.size
                zeros = int(tensor.zero.sum())
                rows.append(
                    (network, seed, tensor.name, shape, tensor.step, size, zeros, zeros / max(size, 1))
                )
            sizes = [
                sum(tensor.zero.size for tensor in tensors),
                sum(int(tensor.zero.sum()) for tensor in tensors),
            ]
            rows.append((network, seed, "all", "", None, *sizes, share(tensors)))
    return Table.from_columns(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))


def draw(networks: Mapping[str, Sequence[Sequence[DeployedTensor]]]) -> dict[str, Figure]:
    """Draw histograms and zero maps of the weights of every network; the names of several seeds are numbered."""
    drawings = {}
    for name, seeds in networks.items():
        for seed, tensors in enumerate(seeds):
            tag = file_name(name) + (f"_seed{seed}" if len(seeds) > 1 else "")
            drawings[f"weights_{tag}"] = figures.histograms(tensors)
            drawings[f"zeros_{tag}"] = figures.zero_maps(tensors)
    return drawings


def file_name(name: str) -> str:
    """Return a name with _ for every character that a file name should not hold."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
