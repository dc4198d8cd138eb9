"""Timing of the quantised pixel network in fixed point, on one thread: ``python benchmarks/fixedpoint.py``.

Baselines of the same run are two ports to torch, in batches of 5000: a plain one with a grouped and a 1 x 1
convolution, and one with both as one kernel, on the pixels that reach the outputs, channels innermost. Times
of QKeras itself are in against_qkeras.py.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from timing import Timing, paired, table

from dmcnn.engines.dense import to_tensor
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.quantisation.fixedpoint import PARAMETERS, STEPS, Codes, FixedPoint

BATCH, ROWS, COLUMNS, POOL = 5000, 13, 21, 3
BITS = dict.fromkeys(STEPS, 8) | {"input": 4, "act_1": 4, "act_2": 4}


def clusters(count: int, slices: int, seed: int = 1) -> SparseImages:
    """Draw frames of standardised charge: tracks across about 12 pixels near the centre, which grow with time."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    middle = (
        random.uniform(-1.5, 1.5, (2, count, 1, 1)) + np.array([ROWS // 2, COLUMNS // 2])[:, None, None, None]
    )
    half = random.exponential(1.0, (count, 1, 1)) + 0.5
    near = np.hypot(y - middle[0], np.maximum(np.abs(x - middle[1]) - half, 0)) < 1.3
    first = random.integers(0, max(slices // 4, 1), near.shape)
    live = near[:, None] & (np.arange(slices)[:, None, None] >= first[:, None])
    return sparse(np.where(live, random.uniform(-1.2, 1.2, live.shape), 0).astype(np.float32))


def parameters(slices: int, seed: int = 2) -> dict[str, Codes]:
    """Draw random integers for every weight and bias."""
    random = np.random.default_rng(seed)
    inputs = 5 * ((ROWS - 2) // POOL) * ((COLUMNS - 2) // POOL)
    shapes = [(slices, 1, 3, 3), (5, slices, 1, 1), (5,), (5, 5, 1, 1), (5,)]
    shapes += [(16, inputs), (16,), (16, 16), (16,), (14, 16), (14,)]
    codes = {}
    for name, shape in zip(PARAMETERS, shapes, strict=True):
        bits = 8 if name.startswith(("dense", "output")) else 4
        codes[name] = Codes(random.integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), shape, np.int8), bits)
    return codes


def quantise(values: torch.Tensor, bits: int, symmetric: bool = False) -> torch.Tensor:
    """Round to multiples of 2^(1 - bits) in -1 .. 1."""
    scale = 2 ** (bits - 1)
    return torch.clamp(torch.round(values * scale), symmetric - scale, scale - 1) / scale


Weights = dict[str, tuple[torch.Tensor, int]]
"""Parameter -> float values and bits."""


def port(weights: Weights, frames: torch.Tensor, fused: bool) -> torch.Tensor:
    """Compute the (n, 14) outputs of (n, slices, 13, 21) frames in torch, with one or two first convolutions."""
    w = {name: quantise(*weight) for name, weight in weights.items()}
    if fused:
        read = frames[:, :, : ROWS - 2, : COLUMNS - 1].contiguous(memory_format=torch.channels_last)
        kernel = w["pointwise.weight"] * w["depthwise.weight"].transpose(0, 1)
        maps = F.conv2d(quantise(read, 4), kernel, w["pointwise.bias"])
    else:
        maps = F.conv2d(quantise(frames, 4), w["depthwise.weight"], groups=frames.shape[1])
        maps = F.conv2d(maps, w["pointwise.weight"], w["pointwise.bias"])
    maps = quantise(F.hardtanh(maps), 4, True)
    maps = quantise(F.hardtanh(F.conv2d(maps, w["conv.weight"], w["conv.bias"])), 4, True)
    values = quantise(F.avg_pool2d(maps, POOL), 8).flatten(1)
    for name in ("dense_1", "dense_2"):
        values = quantise(F.hardtanh(F.linear(values, w[f"{name}.weight"], w[f"{name}.bias"])), 8, True)
    return F.linear(values, w["output.weight"], w["output.bias"])


@torch.inference_mode()
def predict_port(
    weights: Weights, frames: SparseImages | NDArray[np.float32], fused: bool
) -> NDArray[np.float32]:
    """Compute ``port`` of all frames batch by batch, sparse ones made dense."""
    outputs = []
    for start in range(0, len(frames), BATCH):
        if isinstance(frames, SparseImages):
            batch = to_tensor(frames.take(slice(start, start + BATCH)))
        else:
            batch = torch.from_numpy(frames[start : start + BATCH])
        outputs.append(port(weights, batch, fused).numpy())
    return np.concatenate(outputs)


def predict(slices: int, count: int = BATCH, rounds: int = 7) -> list[Timing]:
    """Time sparse frames, dense frames, and, without target, frames without a zero, against two baselines each."""
    images, codes = clusters(count, slices), parameters(slices)
    full = np.random.default_rng(3).choice(np.array([-0.5, 0.25, 0.75], np.float32), (count, *images.shape))
    net = FixedPoint(codes, shape=images.shape, pool=POOL, bits=BITS)
    weights = {
        name: (torch.from_numpy(integers.astype(np.float32)) / 2 ** (bits - 1), bits)
        for name, (integers, bits) in codes.items()
    }
    timings = []
    kinds = (("sparse", images, 10), ("dense float32", images.dense(), 10), ("full float32", full, 0))
    for kind, frames, target in kinds:
        ours = partial(net, frames, n_threads=1)
        for fused, name in ((False, "plain port to torch"), (True, "port to torch, fused kernel")):
            other = partial(predict_port, weights, frames, fused)
            np.testing.assert_array_equal(ours(), other())
            what = f"fixed point, {count} {kind} frames 13x21, {slices} slices"
            timings.append(paired(what, name, ours, other, target=target, rounds=rounds))
    return timings


def rows() -> list[Timing]:
    """Time frames of 2 and of 20 slices."""
    return predict(2) + predict(20)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(table(rows()) + "\n")
