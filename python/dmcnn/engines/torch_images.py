"""Images for training loops in plain torch: a map-style dataset for any DataLoader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from dmcnn.engines.dense import to_tensor
from dmcnn.images.scaling import check_scaling, scale_
from dmcnn.images.sparse import SparseImages

Sample = tuple[torch.Tensor, torch.Tensor] | torch.Tensor


class TorchImages(Dataset[Sample]):
    """Sparse images in memory, each made dense when it is asked for; it can be pickled for worker processes.

    ``images[i]`` is a (C, H, W) float32 tensor, of labelled images with its label: an int64 class number, or (k,)
    float32 targets divided by their scales.

    Args:
        images: all of them.
        scaling: of every image, one of dmcnn.images.scaling.SCALINGS.
    """

    def __init__(self, images: SparseImages, scaling: str = "none") -> None:
        check_scaling(scaling)
        self.images, self.scaling = images, scaling

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Sample:
        if not -len(self) <= number < len(self):
            raise IndexError(f"image {number}, there are {len(self)}")
        return self.__getitems__([number % len(self)])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Sample]:
        """Return several samples at once, as a DataLoader asks for a batch."""
        which = np.asarray(numbers, np.int64)
        dense = scale_(to_tensor(self.images, which=which), self.scaling)
        if self.images.label is None:
            return list(dense)
        labels = torch.from_numpy(np.asarray(self.images.label[which]))
        return list(zip(dense, labels, strict=True))
