"""Active pixels of a batch, which travel to a GPU instead of dense images: 1 % of the bytes of a LArTPC image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch

from dmcnn.images.scaling import scale_
from dmcnn.images.sparse import SparseImages


@dataclass(frozen=True)
class ActivePixels:
    """Images of a batch that become dense on the device; a slice has some of them.

    Attributes:
        images: images of the batch.
        scaling: one of dmcnn.images.scaling.SCALINGS.
    """

    images: SparseImages
    scaling: str = "none"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> ActivePixels:
        """Return some of the images."""
        return replace(self, images=self.images.take(part))

    def to(self, device: torch.device, *, non_blocking: bool = False) -> torch.Tensor:
        """Return the (B, C, H, W) float32 images on a device, as ``dmcnn.engines.dense.prepare`` makes them."""
        images, size = self.images, prod(self.images.shape)
        first = np.repeat(np.arange(len(images), dtype=np.int64) * size, images.n_pixels)
        places = torch.from_numpy(first + images.index).to(device, non_blocking=non_blocking)
        values = torch.from_numpy(np.asarray(images.value, np.float32)).to(device, non_blocking=non_blocking)
        dense = torch.zeros(len(images) * size, device=device)
        dense[places] = values  # every place occurs once
        return scale_(dense.view(len(images), *images.shape), self.scaling)
