"""Seconds per event of the eight methods of the LArIAT table, against captum's methods called one by one.

    python benchmarks/explain.py [--weights FILE] [--events N] [--rounds N] [--threads N]

MPID on simulated events of 512 x 512 pixels. captum has no RectGrad: SmoothGrad of RectGrad is timed on neither side,
or on ours alone where a row says eight methods. Its integrated gradients take 50 even steps; ours at most as many,
and the error of their sums is printed below the table.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import captum.attr
import torch
from batches import sample
from timing import Timing, paired, table
from torch import nn

from dmcnn.attribution import LARIAT, Target, build
from dmcnn.attribution.base import Explained
from dmcnn.attribution.layers import find
from dmcnn.attribution.path import IntegratedGradients
from dmcnn.models import checkpoint
from dmcnn.models.mpid import MPID
from dmcnn.scoring import to_tensor

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
    """One row per method, one for all that captum has, and one with all eight of ours."""
    other = theirs(net, images)
    methods = {method.name: method for method in build("lariat", n_samples=SAMPLES)}

    def ours(name: str) -> Call:
        return lambda: methods[name](net, images, TARGET)

    def run(calls: dict[str, Call]) -> Call:
        return lambda: [call() for call in calls.values()]

    mine = {name: ours(name) for name in LARIAT}
    both = {name: call for name, call in mine.items() if name in other}
    scale = 1 / len(images)
    rows = [(f"{name}, per event", both[name], other[name]) for name in both]
    rows.append(("seven methods, per event", run(both), run(other)))
    rows.append(("eight methods (RectGrad too), per event", run(mine), run(other)))
    return [_row(name, call, base, rounds, scale) for name, call, base in rows]


def _row(name: str, ours: Call, other: Call, rounds: int, scale: float) -> Timing:
    found = paired(
        name,
        "captum",
        ours,
        other,
        rounds=rounds,
        target=1.0 if "seven" in name else 0.0,
        clock=time.process_time,
    )
    return Timing(
        found.name, found.baseline, found.ours * scale, found.other * scale, found.ratio, found.target
    )


def rows() -> list[Timing]:
    """The rows of one event and the initial weights."""
    torch.manual_seed(1)
    with quiet():
        return lariat(MPID().eval(), to_tensor(sample(1)), 3)


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
    pair = ("ours", method(net, images, TARGET)), ("captum", even)
    lines = []
    for name, maps in pair:
        errors = method.completeness(net, images, maps, TARGET).tolist()
        lines.append(
            f"integrated gradients, {name}: sums off by {', '.join(f'{error:.2%}' for error in errors)}"
        )
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
    net = checkpoint.load(asked.weights)[0] if asked.weights else MPID()
    images = to_tensor(sample(asked.events))
    with quiet():
        found = lariat(net.eval(), images, asked.rounds)
        sys.stdout.write(f"{table(found)}\n{completeness(net, images)}\n")


if __name__ == "__main__":
    main()
