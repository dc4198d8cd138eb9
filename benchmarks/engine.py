"""Timings of the sparse engine against the dense network, from sparse images to logits and gradients.

The images are those of the built-in sample with the median number of active pixels; the rows that read ROOT files
take all their events. The plan is part of every row. The ratio is taken round by round, for small machines are noisy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from batches import ADC_HI, ADC_LO, sample
from timing import Timing, paired
from torch import nn
from torch.nn import functional as F

from dmcnn.engines.sparse import sparse
from dmcnn.engines.dense import to_tensor
from dmcnn.images.sparse import SparseImages
from dmcnn.models import MODELS
from dmcnn.readers import open_images

BATCH = 4


def typical(images: SparseImages, n: int = BATCH) -> SparseImages:
    """The n images nearest to the median number of active pixels."""
    apart = np.abs(images.n_pixels - np.median(images.n_pixels))
    return images.take(np.sort(np.argsort(apart, kind="stable")[:n]))


def forward(net: nn.Module, given: SparseImages | torch.Tensor) -> None:
    """Logits alone."""
    with torch.inference_mode():
        net(given)


def step(net: nn.Module, given: SparseImages | torch.Tensor, precision: torch.dtype | None = None) -> None:
    """Logits, loss and gradients."""
    net.zero_grad()
    with nullcontext() if precision is None else torch.autocast("cpu", precision):
        logits = net(given)
    F.cross_entropy(logits.float(), torch.zeros(len(given), dtype=torch.long)).backward()


def rows(electron: Path | None) -> list[Timing]:
    """Forward passes and training steps of MPID on images of 512 x 512."""
    torch.manual_seed(0)
    net, images = MODELS["mpid"](drop_out=0.2), typical(sample(64))
    fast, dense = sparse(net), to_tensor(images)

    def row(
        name: str, baseline: str, ours: Callable[[], None], other: Callable[[], None], target: float
    ) -> Timing:
        return paired(name, baseline, ours, other, target=target, rounds=7)

    net.eval()
    found = [
        row(
            "engine: forward, fp32",
            "dense fp32",
            lambda: forward(fast, images),
            lambda: forward(net, dense),
            4.5,
        )
    ]
    if electron is not None:
        for file, target in (("electron.root", 8.0), ("proton.root", 25.0)):
            path = electron.with_name(file)
            if path.exists():
                reader = open_images(path, plane=0, xdim=512, ydim=512, adc_lo=ADC_LO, adc_hi=ADC_HI)
                events = reader.read(0, 10)
                maps = to_tensor(events)
                found.append(
                    row(f"engine: forward, {file}", "dense fp32", lambda e=events: forward(fast, e),
                        lambda m=maps: forward(net, m), target)
                )  # fmt: skip
    net.train()
    found.append(
        row(
            "engine: training step, fp32",
            "dense fp32",
            lambda: step(fast, images),
            lambda: step(net, dense),
            4.5,
        )
    )
    half = torch.bfloat16
    found.append(
        row(
            "engine: training step, bf16",
            "dense fp32",
            lambda: step(fast, images, half),
            lambda: step(net, dense),
            8.0,
        )
    )
    inner = dense.contiguous(memory_format=torch.channels_last)
    found.append(
        row(
            "engine: training step, bf16",
            "dense bf16",
            lambda: step(fast, images, half),
            lambda: step(net, inner, half),
            4.0,
        )
    )
    return found
