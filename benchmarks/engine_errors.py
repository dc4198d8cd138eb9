"""Errors of the sparse engine and of the dense network in float32: ``python benchmarks/engine_errors.py`` draws them.

Both are compared with the dense network in float64: logits of images of the built-in sample, and the gradient of
every parameter of MPID for four of them. The figure is that of docs/engine.md.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from batches import sample
from engine import mpid, step, typical
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from dmcnn.engines.dense import to_tensor
from dmcnn.engines.sparse import sparse
from dmcnn.figures.save import save_figure
from dmcnn.images.sparse import SparseImages

TARGET = Path(__file__).parents[1] / "docs" / "engine_errors"
COLOURS = {"dense": "tab:orange", "sparse": "tab:blue"}


def logits(net: nn.Module, images: torch.Tensor, batch: int = 4) -> NDArray[np.float64]:
    """Return the (n, 2) float64 logits."""
    with torch.inference_mode():
        return np.concatenate([net(part).double().numpy() for part in images.split(batch)])


def gradients(net: nn.Module, images: torch.Tensor) -> dict[str, NDArray[np.float64]]:
    """Return the gradient of every parameter."""
    step(net, images)
    return {name: p.grad.double().numpy() for name, p in net.named_parameters() if p.grad is not None}


def draw(images: SparseImages) -> Figure:
    """Draw the errors of logits against active pixels, and of gradients against the layer."""
    net, dense = mpid().eval(), to_tensor(images)
    exact = copy.deepcopy(net).double()
    engines = {"dense": net, "sparse": sparse(net)}
    figure = Figure(figsize=(11, 4), layout="constrained")
    figure.suptitle(
        "MPID with random weights, built-in sample of 512 x 512 pixels, against float64", fontsize=11
    )
    left, right = figure.subplots(1, 2)
    truth = logits(exact, dense.double())
    for name, engine in engines.items():
        off = np.abs(logits(engine, dense) - truth).max(axis=1)
        left.scatter(images.n_pixels, off, s=14, color=COLOURS[name], label=f"{name}, float32")
    left.set(xlabel="Active pixels", ylabel="Error of the logits", yscale="log")
    some = to_tensor(typical(images))
    slopes = gradients(exact, some.double())
    largest = {parameter: np.abs(slope).max() for parameter, slope in slopes.items()}
    # the bias of a convolution before its normalisation changes nothing
    real = [parameter for parameter, size in largest.items() if size > 1e-9 * max(largest.values())]
    for name, engine in engines.items():
        own = gradients(engine, some)
        off = [np.abs(own[parameter] - slopes[parameter]).max() / largest[parameter] for parameter in real]
        right.plot(off, "o", ms=4, color=COLOURS[name], label=f"{name}, float32")
    right.set(
        xlabel="Parameter, from the first layer to the last",
        ylabel="Error of its gradient / its largest element",
        yscale="log",
    )
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    torch.set_num_threads(1)
    save_figure(draw(sample(32)), TARGET, ["png"])
