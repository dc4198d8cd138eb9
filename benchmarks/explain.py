"""Seconds per event of the eight methods of the LArIAT table, against captum's methods called one by one.

    python benchmarks/explain.py [--weights FILE] [--events N] [--rounds N] [--threads N]

MPID on simulated events of 512 x 512 pixels. captum has no RectGrad: the eighth method, SmoothGrad of RectGrad,
stands below the table and on neither side of it. captum's integrated gradients take 50 fixed steps, ours as
many; what the sums of both maps are off by is printed too, and how much ours changes with half of them.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import captum.attr
import torch
from batches import sample
from timing import Timing, paired, table
from torch import nn

from dmcnn.attribution import Method, Target, build
from dmcnn.attribution.base import Explained
from dmcnn.attribution.layers import find
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.checkpoints.load import load
from dmcnn.engines.dense import to_tensor
from dmcnn.models.mpid import MPID

TARGET = Target(0)
SAMPLES = 5
"""Noisy copies in captum's NoiseTunnel, by default."""

Call = Callable[[], object]


def theirs(net: nn.Module, images: torch.Tensor) -> dict[str, Call]:
    """captum's counterpart of every method that it has, at its defaults, on the layer that ours takes."""
    explained = Explained(net, TARGET)
    layer = net.get_submodule(find(net, (images.shape[1], images.shape[2], images.shape[3])).name)
    leaf = images.clone().requires_grad_()
    size = tuple(images.shape[2:])

    def grad_cam() -> torch.Tensor:
        found = captum.attr.LayerGradCam(explained, layer).attribute(leaf, relu_attributions=True)
        return captum.attr.LayerAttribution.interpolate(found, size, interpolate_mode="bilinear")

    def smooth_grad() -> torch.Tensor:
        tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(explained))
        return tunnel.attribute(leaf, nt_samples=SAMPLES)

    return {
        "input_with_grad_cam_box": grad_cam,
        "grad_cam": grad_cam,
        "saliency": lambda: captum.attr.Saliency(explained).attribute(leaf),
        "smooth_grad": smooth_grad,
        "integrated_gradients": lambda: captum.attr.IntegratedGradients(explained).attribute(
            leaf, internal_batch_size=8
        ),
        "guided_backprop": lambda: captum.attr.GuidedBackprop(explained).attribute(leaf),
        "guided_grad_cam": lambda: captum.attr.GuidedGradCam(explained, layer).attribute(leaf),
    }


def lariat(net: nn.Module, images: torch.Tensor, rounds: int) -> list[Timing]:
    """One row per method that captum has, and one of their sums; times are per event."""
    other = theirs(net, images)
    methods = {method.name: method for method in build("lariat", n_samples=SAMPLES)}
    rows = [_row(methods[name], other[name], net, images, rounds) for name in other]
    ours, base = sum(row.ours for row in rows), sum(row.other for row in rows)
    return [*rows, Timing("all seven", "captum", ours, base, base / ours, target=1.0)]


def _row(method: Method, other: Call, net: nn.Module, images: torch.Tensor, rounds: int) -> Timing:
    found = paired(method.name, "captum", lambda: method(net, images, TARGET), other, rounds=rounds)
    return replace(found, ours=found.ours / len(images), other=found.other / len(images))


def rect_grad(net: nn.Module, images: torch.Tensor) -> float:
    """[s] process time per event of the eighth method, which captum has not."""
    method = build("smooth_rect_grad", n_samples=SAMPLES)[0]
    start = time.process_time()
    method(net, images, TARGET)
    return (time.process_time() - start) / len(images)


def rows() -> list[Timing]:
    """The rows of one event and the initial weights, of one pair of runs: a minute on one thread."""
    torch.manual_seed(1)
    with quiet():
        return lariat(MPID().eval(), to_tensor(sample(1)), 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Without captum's warnings about the hooks that it sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def completeness(net: nn.Module, images: torch.Tensor) -> str:
    """How far the maps are from adding up to the difference of the logits, event by event."""
    method = IntegratedGradients()
    even = captum.attr.IntegratedGradients(Explained(net, TARGET)).attribute(images, internal_batch_size=8)
    ours = method(net, images, TARGET)
    pair = ("ours", ours), ("captum", even)
    lines = []
    for name, maps in pair:
        errors = method.completeness(net, images, maps, TARGET).tolist()
        lines.append(
            f"integrated gradients, {name}: sums off by {', '.join(f'{error:.2%}' for error in errors)}"
        )
    changes = method.halving_change(net, images, ours, TARGET).tolist()
    lines.append(f"ours with half the gradients: other by {', '.join(f'{change:.2%}' for change in changes)}")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--weights", help="checkpoint of a trained MPID; by default its initial weights")
    words.add_argument("--events", type=int, default=1)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--threads", type=int, default=1)
    asked = words.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(1)
    net = load(asked.weights)[0] if asked.weights else MPID()
    images = to_tensor(sample(asked.events))
    with quiet():
        found = lariat(net.eval(), images, asked.rounds)
        sys.stdout.write(f"{table(found)}\nsmooth_rect_grad: {rect_grad(net, images):.2f} s\n")
        sys.stdout.write(completeness(net, images) + "\n")


if __name__ == "__main__":
    main()
