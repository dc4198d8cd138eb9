"""One forward pass for every window that holds charge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn.scoring import forward


def centres(
    image: NDArray[np.float32], half: int, border: str = "clip"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) rows and (n,) columns of the pixels with charge in any channel of a (C, H, W) image, row by row.

    With ``border = "skip"`` those whose (2 half + 1)^2 window crosses the border are left out, as in DM-CNN.
    """
    charged = (image != 0).any(axis=0)
    if border == "skip":
        inside = np.zeros_like(charged)
        height, width = charged.shape
        inside[half : height - half, half : width - half] = True
        charged &= inside
    rows, columns = np.nonzero(charged)
    return rows.astype(np.int64), columns.astype(np.int64)


def scan(
    net: nn.Module,
    image: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    half: int,
    *,
    batch_size: int,
    precision: str = "32",
) -> Iterator[NDArray[np.float64]]:
    """(m, classes) logits, batch by batch, of the image with the window around each centre set to zero.

    Args:
        net: in evaluation mode, on its device.
        image: (C, H, W).
        rows, columns: (n,) centres; a window reaches ``half`` pixels to every side and is clipped to the image.
        batch_size: windows per forward pass.
    """
    rows, columns = np.ascontiguousarray(rows), np.ascontiguousarray(columns)
    for start in range(0, len(rows), batch_size):
        which = slice(start, start + batch_size)
        occluded = torch.empty((len(rows[which]), *image.shape))
        _core.occlude(image, rows[which], columns[which], half, occluded.numpy())
        yield forward(net, occluded, precision)


def score_map(
    shape: tuple[int, int],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    scores: NDArray[np.float64],
    base: float,
) -> NDArray[np.float64]:
    """(H, W) map of the (n,) scores at their centres; everything else keeps ``base``, the untouched score."""
    drawn = np.full(shape, base)
    drawn[rows, columns] = scores
    return drawn
