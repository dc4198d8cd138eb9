"""What networks deploy: every tensor rounded, and how much of it is zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dmcnn.figures import weights as figures
from dmcnn.figures.weights import Weights
from dmcnn.tables.table import Table

COLUMNS = ("network", "seed", "tensor", "shape", "step", "weights", "zeros", "share")


def read(path: str) -> list[Weights]:
    """Every tensor of the network in a weight file as deployed, in order."""
    # Not above: only who gives weight files waits for torch.
    from dmcnn.checkpoints.load import load
    from dmcnn.quantisation import quantisers

    net, _ = load(path)
    found = []
    for name, parameter, quantiser in quantisers.deployed(net):
        values = parameter.detach() if quantiser is None else quantiser(parameter.detach())
        deployed = values.float().numpy()
        zero = np.abs(deployed) <= (quantisers.ZERO if quantiser is None else 0)
        found.append(Weights(name, deployed, zero, None if quantiser is None else quantiser.step))
    return found


def share(tensors: Sequence[Weights]) -> float:
    """Share of all weights that is zero."""
    return sum(int(one.zero.sum()) for one in tensors) / max(sum(one.zero.size for one in tensors), 1)


def table(networks: Mapping[str, Sequence[Sequence[Weights]]]) -> Table:
    """One row per network, seed and tensor, and one for all its tensors; no step where nothing rounds."""
    rows: list[tuple[object, ...]] = []
    for network, seeds in networks.items():
        for seed, tensors in enumerate(seeds):
            for one in tensors:
                shape, size = "x".join(map(str, one.values.shape)), one.zero.size
                zeros = int(one.zero.sum())
                rows.append((network, seed, one.name, shape, one.step, size, zeros, zeros / max(size, 1)))
            sizes = [sum(one.zero.size for one in tensors), sum(int(one.zero.sum()) for one in tensors)]
            rows.append((network, seed, "all", "", None, *sizes, share(tensors)))
    return Table.of(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))


def drawn(networks: Mapping[str, Sequence[Sequence[Weights]]]) -> dict[str, Figure]:
    """Histograms and zero maps of every network, those of its seeds numbered."""
    found = {}
    for name, seeds in networks.items():
        for seed, tensors in enumerate(seeds):
            tag = file_name(name) + (f"_seed{seed}" if len(seeds) > 1 else "")
            found[f"weights_{tag}"] = figures.histograms(tensors)
            found[f"zeros_{tag}"] = figures.zero_maps(tensors)
    return found


def file_name(name: str) -> str:
    """A name as part of the name of a file."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
