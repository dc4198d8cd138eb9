"""Active pixels of a batch, which travel to a GPU instead of dense images: 3 % of the bytes of a LArTPC image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from dmcnn.images.scaling import scale_


@dataclass(frozen=True, eq=False)
class ActivePixels:
    """Pixels of the B images of a batch, which become dense on a device; a slice has those of some images.

    Attributes:
        offsets: (B + 1,) int64. Image i owns ``index[offsets[i]:offsets[i+1]]`` and the same slice of value.
        index: (nnz,) int32 flat pixel numbers in ``shape``, in any order, each once in an image.
        value: (nnz,) float32 charges.
        shape: (C, H, W) of every image.
        scaling: one of dmcnn.images.scaling.SCALINGS.
    """

    offsets: NDArray[np.int64]
    index: NDArray[np.int32]
    value: NDArray[np.float32]
    shape: tuple[int, int, int]
    scaling: str = "none"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, part: slice) -> ActivePixels:
        """Return the pixels of some images in a row."""
        start, stop, _ = part.indices(len(self))
        offsets = self.offsets[start : max(start, stop) + 1]
        pixels = slice(offsets[0], offsets[-1])
        return replace(self, offsets=offsets - offsets[0], index=self.index[pixels], value=self.value[pixels])

    def to(self, device: torch.device, *, non_blocking: bool = False) -> torch.Tensor:
        """Return the (B, C, H, W) float32 images on a device."""
        size = prod(self.shape)
        first = np.repeat(np.arange(len(self), dtype=np.int64) * size, np.diff(self.offsets))
        places = torch.from_numpy(first + self.index).to(device, non_blocking=non_blocking)
        values = torch.from_numpy(np.array(self.value)).to(device, non_blocking=non_blocking)
        dense = torch.zeros(len(self) * size, device=device)
        dense[places] = values
        return scale_(dense.view(len(self), *self.shape), self.scaling)
