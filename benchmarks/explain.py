"""Timing of the eight methods of the LArIAT table per event, against the methods of captum called one by one.

    python benchmarks/explain.py [--weights FILE] [--events N] [--rounds N] [--threads N]

The network is MPID on simulated events of 512 x 512 pixels. captum has no RectGrad: the time of the eighth method,
SmoothGrad of RectGrad, is printed below the table. Integrated gradients of captum take 50 fixed steps, those of dmcnn
as many; the deviation of the sums of both maps is printed as well, and the change of ours with half of the steps.
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
from dmcnn.engines.sparse import sparse
from dmcnn.models.mpid import MPID

TARGET = Target(0)
SAMPLES = 5
"""Number of noisy copies, the default of NoiseTunnel in captum."""

Call = Callable[[], object]


def captum_methods(net: nn.Module, images: torch.Tensor) -> dict[str, Call]:
    """Return the methods of captum with its defaults, on the layer that dmcnn takes."""
    explained = Explained(net, TARGET)
    layer = net.get_submodule(find(net, (images.shape[1], images.shape[2], images.shape[3])).name)
    leaf = images.clone().requires_grad_()
    size = tuple(images.shape[2:])

    def grad_cam() -> torch.Tensor:
        """Compute Grad-CAM and enlarge it to the image."""
        maps = captum.attr.LayerGradCam(explained, layer).attribute(leaf, relu_attributions=True)
        return captum.attr.LayerAttribution.interpolate(maps, size, interpolate_mode="bilinear")

    def smooth_grad() -> torch.Tensor:
        """Average the gradients of noisy copies."""
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
    """Time every method that captum has, and their sum, per event."""
    other = captum_methods(net, images)
    methods = {method.name: method for method in build("lariat", n_samples=SAMPLES)}
    rows = [_row(methods[name], other[name], net, images, rounds) for name in other]
    ours, base = sum(row.ours for row in rows), sum(row.other for row in rows)
    return [*rows, Timing("all seven methods", "captum", ours, base, base / ours, target=1.0)]


def _row(method: Method, other: Call, net: nn.Module, images: torch.Tensor, rounds: int) -> Timing:
    """Time one method per event, with the engine that ``attribute`` takes for it on such images."""
    name, own = (f"{method.name}, sparse", sparse(net)) if method.sparse else (method.name, net)
    timing = paired(name, "captum", lambda: method(own, images, TARGET), other, rounds=rounds)
    return replace(timing, ours=timing.ours / len(images), other=timing.other / len(images))


def rect_grad(net: nn.Module, images: torch.Tensor) -> float:
    """Return the process CPU time per event [s] of the eighth method, which captum does not have."""
    method = build("smooth_rect_grad", n_samples=SAMPLES)[0]
    start = time.process_time()
    method(net, images, TARGET)
    return (time.process_time() - start) / len(images)


def rows() -> list[Timing]:
    """Time one event with the initial weights in one round, which takes a minute on one thread."""
    torch.manual_seed(1)
    with quiet():
        return lariat(MPID().eval(), to_tensor(sample(1)), 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of captum about its hooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def completeness(net: nn.Module, images: torch.Tensor) -> str:
    """Return the relative deviation of the sum of each map from the difference of the logits, as text."""
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
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", help="checkpoint of a trained MPID; by default its initial weights")
    parser.add_argument("--events", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    net = load(options.weights)[0] if options.weights else MPID()
    images = to_tensor(sample(options.events))
    with quiet():
        rows = lariat(net.eval(), images, options.rounds)
        sys.stdout.write(f"{table(rows)}\nsmooth_rect_grad: {rect_grad(net, images):.2f} s\n")
        sys.stdout.write(completeness(net, images) + "\n")


if __name__ == "__main__":
    main()
