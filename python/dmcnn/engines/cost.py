"""Cost of a network dense and sparse, predicted for given images.

The work of both is counted: products of numbers, and numbers that are read or written. How long each takes is
measured once per processor, number of threads and versions of dmcnn and torch, and kept in the cache.
"""

from __future__ import annotations

import copy
import json
import math
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import dmcnn
from dmcnn._common import environment
from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file, cache_folder, output_folder
from dmcnn.engines.channels_last import channels_last
from dmcnn.engines.convolution import multiplies_first
from dmcnn.engines.hardware import bf16_is_fast
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.places import input_places
from dmcnn.engines.rows import gather
from dmcnn.engines.sparse import SparseNet, dense_network, sparse
from dmcnn.engines.variants import Variants
from dmcnn.images.sparse import SparseImages
from dmcnn.layers import Layer

BACKWARD = 3
"""A training step multiplies, reads and writes three times as much as a forward pass."""

START = 3
"""To make rows of images takes as long as so many steps on few rows."""


@dataclass
class Work:
    """Work of one forward pass of a batch.

    Attributes:
        dense_products, products: of two numbers, dense and sparse.
        dense_numbers, numbers: read or written by what is not a product.
        common_products, common_numbers: of both engines, in layers that are dense in either.
        spread: numbers of dense maps that are made of rows.
        places: of the maps whose windows are matched.
        steps: taken by rows, however few; START for those that are made of images.
    """

    dense_products: float = 0.0
    products: float = 0.0
    dense_numbers: float = 0.0
    numbers: float = 0.0
    common_products: float = 0.0
    common_numbers: float = 0.0
    spread: float = 0.0
    places: float = 0.0
    steps: int = 0

    @property
    def saving(self) -> float:
        """Dense products over products on rows."""
        return self.dense_products / max(self.products, 1.0)

    def times(self, factor: float) -> Work:
        """Return the work of so many times as many images, in as many steps."""
        more = {name: factor * number for name, number in vars(self).items() if name != "steps"}
        return replace(self, **more)


@dataclass(frozen=True)
class Rates:
    """CPU seconds of each kind of work.

    Attributes:
        convolution, matrix: a product in a dense convolution, and of matrices.
        number, row_number: reading or writing a number of a dense map, and of rows.
        spread: writing a number of a dense map that is made of rows.
        place: matching a window.
        step: what a step costs beside its numbers.
    """

    convolution: float
    matrix: float
    number: float
    row_number: float
    spread: float
    place: float
    step: float


def copy_of(net: nn.Module, *, training: bool) -> SparseNet:
    """Return the rows of a copy of a network on the CPU in float32, which logs nothing.

    On the copy, work is counted: statistics, random numbers and gradients of ``net`` stay as they are.
    """
    dense = copy.deepcopy(dense_network(net))
    return SparseNet(dense.cpu().float().train(training), say=lambda _: None)


def work_of(
    rows: SparseNet, images: torch.Tensor | SparseImages | Images, *, may_end: bool = True
) -> Work | None:
    """Return the work of a forward pass, which changes running statistics; None where there are no rows.

    ``may_end`` says whether the pass goes on dense from crowded maps on.
    """
    work = Work(steps=START)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        traced = rows.watch(images, lambda *layer: _add(work, *layer), may_end=may_end)
    return work if traced else None


def products_of(layer: Layer, result: Maps | torch.Tensor) -> float:
    """Return the products of a layer for the dense map that its result is, or stands for."""
    if not isinstance(layer.call, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return 0.0
    return math.prod(result.shape) * float(layer.call.weight[0].numel())


def _add(work: Work, layer: Layer, args: tuple[Any, ...], result: Any) -> None:
    """Add the work of a layer to ``work``; its arguments and result may be maps, tensors or neither."""
    before = args[0] if args else None
    if not isinstance(before, Maps | torch.Tensor) or not isinstance(result, Maps | torch.Tensor):
        return
    numbers = math.prod(before.shape) + math.prod(result.shape)
    products = products_of(layer, result)
    if products:
        numbers += layer.module.weight.numel()
    work.dense_products += products
    work.dense_numbers += numbers
    if not isinstance(before, Maps) or not isinstance(result, Maps):
        work.products += products
        work.numbers += numbers
        work.common_products += products
        work.common_numbers += numbers
        if isinstance(before, Maps) and math.prod(result.shape) >= _places(before):
            work.spread += math.prod(before.shape)
        return
    work.steps += 1
    work.numbers += before.rows.numel() + result.rows.numel()
    if before.places is result.places:
        work.products += products * result.places.rows / _places(result)
        return
    if isinstance(before.places, Variants):  # whose windows follow from those of the image
        rows = result.places.rows
        work.products += products * rows / _places(result)
        if products:
            work.numbers += rows * layer.module.weight[0].numel()
        return
    links = before.places.links_to(result.places)
    work.places += _places(result)
    if products and links is not None:
        first = multiplies_first(links, before.shape[1], result.shape[1], 4)
        rows = before.places.rows if first else result.places.rows
        work.products += products * rows / _places(result)
        width = result.shape[1] if first else before.shape[1]
        work.numbers += (links.index.size + rows * links.index.shape[1]) * width


def _places(maps: Maps) -> int:
    return maps.places.images * math.prod(maps.places.shape)


def predict(work: Work, rates: Rates, *, training: bool) -> tuple[float, float]:
    """Predict the CPU seconds of a step, dense and sparse."""
    times = BACKWARD if training else 1
    dense = work.dense_products * rates.convolution + work.dense_numbers * rates.number
    common = work.common_products * rates.convolution + work.common_numbers * rates.number
    multiplied = (work.products - work.common_products) * rates.matrix
    moved = (work.numbers - work.common_numbers) * rates.row_number + work.spread * rates.spread
    rows = common + multiplied + moved + work.steps * rates.step
    return times * dense, times * rows + work.places * rates.place


def rates(precision: str = "32") -> Rates:
    """Return the rates of this processor, measured in about a second if the cache has none.

    Args:
        precision: "32", "bf16", or "bf16-inference", where dense maps are those of dmcnn.engines.channels_last.
    """
    versions = f"dmcnn-{dmcnn.__version__}", f"torch-{torch.__version__}"  # the kernels of both
    words = (environment.processor(), *versions, f"{torch.get_num_threads()}-threads", precision)
    path = cache_folder() / f"rates-{re.sub('[^A-Za-z0-9.]+', '-', '-'.join(words))}.json"
    try:
        text, _, check = path.read_text(encoding="utf-8").rpartition("\n")
        if int(check, 16) != zlib.crc32(text.encode()):
            raise ValueError("damaged")
        stored = json.loads(text)
        return Rates(**{name: float(stored[name]) for name in Rates.__dataclass_fields__})
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ):  # absent, damaged, or of another version: measured again
        measured = measure(precision)
    try:
        output_folder(path.parent)
        with atomic_file(path, is_output=False) as temporary:
            text = json.dumps(asdict(measured))
            temporary.write_text(f"{text}\n{zlib.crc32(text.encode()):08x}", encoding="utf-8")
    except (InputError, OSError):  # a cache that cannot be written costs a second in every run, no more
        pass
    return measured


@torch.no_grad()
def measure(precision: str = "32") -> Rates:
    """Measure the time of each kind of work on maps and rows of the size of MPID's third stage."""
    with torch.random.fork_rng(devices=[]):
        return _measure(torch.float32 if precision == "32" else torch.bfloat16, precision == "bf16-inference")


def _measure(dtype: torch.dtype, inner: bool) -> Rates:
    channels, side, rows = 128, 64, 2048
    maps, kernel = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3)
    large, bias = torch.randn(1, channels, 2 * side, 2 * side), torch.randn(channels)
    own = dtype if bf16_is_fast(torch.device("cpu")) else torch.float32  # of the matrices, see matrix_dtype
    left, right = torch.randn(rows, channels).to(own), torch.randn(channels, 9 * channels).to(own)
    index = np.random.default_rng(0).integers(0, rows, (rows, 9)).astype(np.int32)
    source, out = torch.randn(rows, 9, channels), torch.empty(rows, channels)
    given, weight = maps.to(dtype), kernel.to(dtype)
    given = channels_last(given) if inner else given
    more = nn.Conv2d(1, 1, 3, padding=1), nn.GroupNorm(1, 1), nn.Sigmoid(), nn.AvgPool2d(2)
    small, large_map, long = _pass(8), _pass(256), _pass(8, *more)
    active = (torch.rand(8, 2 * side, 2 * side) < 0.02).numpy()
    places, _ = input_places(active, blank=False)
    made = Maps(torch.randn(places.rows, channels), places)
    convolution = _seconds(lambda: F.conv2d(given, weight, bias.to(dtype), padding=1))
    return Rates(
        convolution=convolution / (given.numel() * 9 * channels),
        matrix=_seconds(lambda: torch.mm(left, right)) / (rows * 9 * channels * channels),
        number=_seconds(lambda: F.group_norm(large, channels).relu()) / (4 * large.numel()),
        spread=_seconds(made.dense) / math.prod(made.shape),
        row_number=_seconds(lambda: gather(source, index, out=out)) / (source.numel() + out.numel()),
        place=max(0.0, large_map - small) / (2 * 256 * 256),
        step=max(0.0, long - small) / len(more),
    )


def _pass(side: int, *more: nn.Module) -> float:
    """Return the time of two convolutions, and more layers, on the rows of an image of one pixel."""
    image = SparseImages(
        np.array([0, 1]), np.array([0], np.int32), np.ones(1, np.float32), (1, side, side),
        np.zeros(1, np.int64), np.zeros((1, 1)),
    )  # fmt: skip
    net = sparse(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3), *more))
    return _seconds(lambda: net(image))


def _seconds(call: Callable[[], Any], rounds: int = 7) -> float:
    """Return the least CPU time of a call, which other load disturbs little, after one call that is not timed."""
    call()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)
