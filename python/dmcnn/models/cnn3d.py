"""3-D network that separates electrons from photons in calorimeter images with time as third axis."""

from __future__ import annotations

import torch
from torch import nn

from dmcnn._common.errors import nearest
from dmcnn.models import keras

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU}


class CNN3D(nn.Module):
    """Network of two blocks of 3-D convolution, dropout, normalisation and maximum pooling, then three dense layers.

    Layers, their order and their initialisation are those of the original e/gamma network in Keras: 715,074
    parameters for 21 frames of 32 x 32 crystals, if the 192 moving statistics are counted, as Keras does.

    Args:
        num_class: number of logits.
        drop_out: dropout probability after the convolutions.
        channels: time frames of the input image.
        height: rows of crystals.
        width: columns of crystals.
        filters_1, filters_2: feature maps of the convolutions.
        kernel_1, kernel_2: sides of their kernels [frames and pixels], the same along all axes; borders are padded.
        dense_1, dense_2: units of the hidden dense layers.
        activation: "relu" or "elu", after every convolution and hidden dense layer.
    """

    def __init__(
        self,
        num_class: int = 2,
        drop_out: float = 0.2,
        channels: int = 21,
        height: int = 32,
        width: int = 32,
        filters_1: int = 64,
        kernel_1: int = 3,
        filters_2: int = 32,
        kernel_2: int = 3,
        dense_1: int = 64,
        dense_2: int = 32,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            listed = " or ".join(map(repr, ACTIVATIONS))
            raise ValueError(
                f"activation = {activation!r}{nearest(activation, ACTIVATIONS)}, expected {listed}"
            )
        voxels = (channels // 4) * (height // 4) * (width // 4)
        if min(channels, height, width) < 4:
            raise ValueError(
                f"{channels} frames of {height} x {width} are too small: CNN3D needs 4 along every axis"
            )
        act = ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        for before, filters, kernel in ((1, filters_1, kernel_1), (filters_1, filters_2, kernel_2)):
            layers += [nn.Conv3d(before, filters, kernel, padding="same"), act(), nn.Dropout(drop_out)]
            layers += [nn.BatchNorm3d(filters, eps=keras.EPSILON), nn.MaxPool3d(2)]
        self.features = nn.Sequential(nn.Unflatten(1, (1, channels)), *layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(filters_2 * voxels, dense_1),
            act(),
            nn.Linear(dense_1, dense_2),
            act(),
            nn.Linear(dense_2, num_class),
        )
        keras.initialise(self)
        # With the channels innermost a training step on a CPU takes two thirds of the time.
        for layer in self.features:
            if isinstance(layer, nn.Conv3d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, num_class) logits of (B, channels, height, width) float energies per time frame."""
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits
