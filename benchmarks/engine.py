"""Timings of the sparse engine against the dense network, from sparse images to logits and gradients.

The images are those of the built-in samples with the median number of active pixels; the rows that read ROOT files
take all their events. The plan is part of every row but its own. The ratio is taken round by round, for small
machines are noisy. As the best that a user could take otherwise, ONNX Runtime and OpenVINO have rows where they are
installed.

``python engine.py sparse|dense`` takes one training step of 16 images, for its memory.
"""

from __future__ import annotations

import importlib
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batches import ADC_HI, ADC_LO, random_images, sample
from numpy.typing import NDArray
from smartpixel import frames
from timing import Timing, paired
from torch import nn
from torch.nn import functional as F

import commands
from dmcnn.attribution import Target, build
from dmcnn.checkpoints.card import Card
from dmcnn.datasets.dataset import Dataset
from dmcnn.engines.choice import choose
from dmcnn.engines.cost import copy_of, products_of
from dmcnn.engines.dense import to_tensor
from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.places import Places, Stencil, input_places
from dmcnn.engines.sparse import sparse
from dmcnn.exports.onnx import INPUT, Onnx
from dmcnn.images.sparse import SparseImages
from dmcnn.images.sparse import sparse as sparse_images
from dmcnn.layers import Layer
from dmcnn.models import MODELS
from dmcnn.readers import open_images

BATCH = 4
ROUNDS = 7

Given = SparseImages | torch.Tensor


def typical(images: SparseImages, n: int = BATCH) -> SparseImages:
    """Return the n images nearest to the median number of active pixels."""
    apart = np.abs(images.n_pixels - np.median(images.n_pixels))
    return images.take(np.sort(np.argsort(apart, kind="stable")[:n]))


def noisy(pixels: int = 4500, n: int = BATCH) -> SparseImages:
    """Return 512 x 512 images with tracks and as many pixels of noise scattered over them, ``pixels`` in all."""
    images, random = random_images(n, 1500).dense(), np.random.default_rng(3)
    for image in images:
        empty = np.flatnonzero(image == 0)
        number = pixels - np.count_nonzero(image)
        image.reshape(-1)[random.choice(empty, number, replace=False)] = random.uniform(ADC_LO, 30, number)
    return sparse_images(images)


def forward(net: nn.Module, given: Given) -> torch.Tensor:
    """Return the logits alone."""
    with torch.inference_mode():
        logits: torch.Tensor = net(given)
    return logits


def step(net: nn.Module, given: Given, precision: torch.dtype | None = None) -> None:
    """Take logits, loss and gradients."""
    net.zero_grad()
    with nullcontext() if precision is None else torch.autocast("cpu", precision):
        logits = net(given)
    F.cross_entropy(logits.float(), torch.zeros(len(given), dtype=torch.long)).backward()


def row(
    name: str, baseline: str, ours: Callable[[], object], other: Callable[[], object], target: float = 0.0
) -> Timing:
    """Time a row of the engine."""
    return paired(f"engine: {name}", baseline, ours, other, target=target, rounds=ROUNDS)


def mpid() -> nn.Module:
    """Return an MPID with random weights."""
    torch.manual_seed(0)
    return MODELS["mpid"](drop_out=0.2)


# ---- the plan


def stencils(net: nn.Module) -> list[Stencil]:
    """Return the windows of all convolutions and pools of a network without branches."""
    found = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.AvgPool2d):
            sizes = (module.kernel_size, module.stride, module.padding)
            kernel, stride, padding = ((x, x) if isinstance(x, int) else tuple(x) for x in sizes)
            found.append(Stencil(kernel, stride, (1, 1), padding, padding, (0, 0)))
    return found


def numpy_windows(ids: NDArray[np.int64], stencil: Stencil) -> NDArray[np.int64]:
    """Return the number of the window at every place of a map of ids, equal windows having one number."""
    padded = np.pad(ids, list(zip(stencil.before, stencil.after, strict=True)), constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, stencil.kernel)
    windows = windows[:: stencil.stride[0], :: stencil.stride[1]]
    flat = np.ascontiguousarray(windows.reshape(-1, windows.shape[2] * windows.shape[3]))
    _, number = np.unique(flat.view(f"V{flat.shape[1] * flat.itemsize}"), return_inverse=True)
    return number.reshape(windows.shape[:2])


def plan(images: SparseImages) -> Timing:
    """Time the plan of one image: the distinct windows of all maps of MPID."""
    maps, one = stencils(mpid()), images.take(slice(0, 1))
    active = one.dense()[:, 0] != 0

    def ours() -> Places:
        """Match the windows of dmcnn."""
        places, _ = input_places(active, blank=True)
        for stencil in maps:
            places, _ = places.windows(stencil, zeros=True)
        return places

    def other() -> NDArray[np.int64]:
        """Match them with np.unique."""
        ids = np.where(active[0], np.cumsum(active[0]).reshape(active[0].shape), 0)
        for stencil in maps:
            ids = numpy_windows(ids, stencil)
        return ids

    return row(f"plan of an image with {one.n_pixels[0]} pixels", "np.unique of windows", ours, other, 10)


# ---- forward passes


def root_files(electron: Path) -> Iterator[tuple[str, SparseImages, float]]:
    """Yield the name, the events in 512 x 512 and the smallest ratio of the ROOT files beside electron.root."""
    for file, target in (("electron.root", 8.0), ("proton.root", 25.0)):
        path = electron.with_name(file)
        if path.exists():
            reader = open_images(path, plane=0, xdim=512, ydim=512, adc_lo=ADC_LO, adc_hi=ADC_HI)
            yield file, reader.read(0, 10), target


def onnx_runtime(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the network of an ONNX file as a function, on one thread of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {INPUT: images})[0]


def openvino(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the network of an ONNX file as a function, on one thread of OpenVINO in float32."""
    core = importlib.import_module("openvino").Core()
    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(str(path), "CPU", hints)
    return lambda images: compiled(images)[0]


def others(net: nn.Module, images: SparseImages) -> Iterator[Timing]:
    """Yield rows against other programs for inference, with the errors of both against float64."""
    fast, dense = sparse(net), to_tensor(images)
    reference = forward(net.double(), dense.double())
    net.float()

    def error(logits: Any) -> str:
        """Return the largest difference from the logits in float64."""
        return f"{float(np.abs(np.asarray(logits) - reference.numpy()).max()):.1e}"

    own = error(forward(fast, images))
    sides = dict(zip(("channels", "height", "width"), images.shape, strict=True))
    card = Card("mpid", sides, ["background", "signal"], "signal", "sigmoid", {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mpid.onnx"
        Onnx().write(path, net, card)
        for name, load in (("ONNX Runtime", onnx_runtime), ("OpenVINO", openvino)):
            try:
                run = load(path)
            except ImportError:  # not a dependency
                continue
            baseline = f"{name}, error {error(run(dense.numpy()))}"
            ours, other = partial(forward, fast, images), partial(run, dense.numpy())
            yield row(f"forward, fp32, error {own}", baseline, ours, other)


def passes(images: SparseImages, electron: Path | None) -> Iterator[Timing]:
    """Yield the rows of forward passes of MPID on images of 512 x 512."""
    net = mpid().eval()
    fast, dense = sparse(net), "dense fp32"
    yield row(
        "forward, fp32", dense, partial(forward, fast, images), partial(forward, net, to_tensor(images)), 4.5
    )
    for file, events, target in root_files(electron) if electron else ():
        ours, other = partial(forward, fast, events), partial(forward, net, to_tensor(events))
        yield row(f"forward, {file}", dense, ours, other, target)
    yield from others(net, images)


# ---- training


def steps(images: SparseImages) -> Iterator[Timing]:
    """Yield the rows of training steps of MPID."""
    net, half, dense = mpid(), torch.bfloat16, to_tensor(images)
    fast, inner = sparse(net), dense.contiguous(memory_format=torch.channels_last)
    plain = partial(step, net, dense)
    yield row("training step, fp32", "dense fp32", partial(step, fast, images), plain, 4.5)
    if bf16_is_fast(torch.device("cpu")):
        ours = partial(step, fast, images, half)
        yield row("training step, bf16", "dense fp32", ours, plain, 8.0)
        yield row(
            "training step, bf16", "dense bf16, channels_last", ours, partial(step, net, inner, half), 4.0
        )
    with tempfile.TemporaryDirectory() as folder:
        words = [[__file__, engine] for engine in ("sparse", "dense")]
        yield commands.pair(
            "engine: process of a training step of 16 images", "dense fp32", *words, Path(folder), 1
        )


# ---- auto


SAMPLES = {
    "lariat": ("sample://lariat/train?events=64&version=1", 6),
    "cnn3d": ("sample://calorimeter/train?events=200", 2),
    "calorimeter_resnet": ("sample://calorimeter/train?events=200", 2),
}
"""Model -> sample and classes."""


def networks(images: SparseImages) -> Iterator[tuple[str, nn.Module, Given]]:
    """Yield the networks that dmcnn ships, each with images of its detector."""
    full = torch.rand(2, 1, 512, 512) + 0.1
    for name, given in (("sample", images), ("noise-filled", noisy()), ("full images", full)):
        yield f"mpid, {name}", mpid(), given
    yield "resnet18, sample", MODELS["resnet18"](), images
    yield "resnet34 with GroupNorm, sample", MODELS["resnet34"](norm="group"), images
    for model, (address, classes) in SAMPLES.items():
        events = typical(Dataset(address).load(progress=False), 16)
        channels, height, width = events.shape
        net = MODELS[model](num_class=classes, channels=channels, height=height, width=width)
        yield model, net, events
    yield "smartpixel", MODELS["smartpixel"](num_class=14, channels=2, height=13, width=21), frames(2, 500)


def distinct(net: nn.Module, given: Given, training: bool) -> float:
    """Return the products of dense maps over those of their distinct windows.

    The engine multiplies less where rows are fewer before a convolution than after it.
    """
    dense = rows = 0.0

    def add(layer: Layer, args: tuple[Any, ...], result: Any) -> None:
        """Add the products of a layer."""
        nonlocal dense, rows
        products = products_of(layer, result)
        dense += products
        places = getattr(result, "places", None)
        rows += products * (places.rows / places.images / math.prod(places.shape) if places else 1.0)

    with torch.no_grad():
        copy_of(net, training=training).watch(given, add)
    return dense / rows


def automatic(images: SparseImages) -> Iterator[Timing]:
    """Yield rows of the sparse engine, which must not be slower than dense by over 5 % where auto takes it."""
    for name, net, given in networks(images):
        dense = given if isinstance(given, torch.Tensor) else to_tensor(given)
        for call, training in ((forward, False), (step, True)):
            net.train(training)
            choice = choose("auto", net, given, training=training)
            windows = distinct(net, given, training)
            least = 0.7 * windows if training and name in SAMPLES and windows >= 2 else 0.95
            yield row(
                f"{call.__name__}, {name}, {choice.saving:.1f}x fewer products ({windows:.1f}x by distinct windows), "
                f"auto: {choice.engine}",
                "dense fp32",
                partial(call, sparse(net), given),
                partial(call, net, dense),
                least if choice.engine == "sparse" else 0.0,
            )


def attributions(images: SparseImages) -> Iterator[Timing]:
    """Time attribution maps of one image; integrated gradients of four gradients, some in float64."""
    net = mpid().eval()
    fast, given = sparse(net), to_tensor(images.take([0]))
    methods = build(["input_x_gradient", "grad_cam", "integrated_gradients"], n_steps=4)
    for method in methods:
        maps = [partial(method, one, given, Target(1)) for one in (fast, net)]
        yield row(f"MPID {method.title}, one sample image", "dense", *maps, target=1.0)


def one_step(engine: str) -> None:
    """Take one training step of MPID on 16 images."""
    images, net = typical(sample(64), 16), mpid()
    if engine == "sparse":
        step(sparse(net), images)
    else:
        step(net, to_tensor(images))


def rows(electron: Path | None) -> list[Timing]:
    """Return all rows of the engine; those of ROOT files only if electron.root is given."""
    images = typical(sample(64))
    parts = passes(images, electron), steps(images), automatic(images), attributions(images)
    return [plan(images), *(timing for part in parts for timing in part)]


if __name__ == "__main__":
    one_step(sys.argv[1])
