"""The networks by name; every one takes ``num_class, channels, height, width``, most of them ``drop_out``."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from dmcnn.models.calorimeter_resnet import CalorimeterResNet
from dmcnn.models.cnn3d import CNN3D
from dmcnn.models.lariat import LArIAT
from dmcnn.models.mpid import MPID
from dmcnn.models.smartpixel import SmartPixel

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mpid": MPID,
    "lariat": LArIAT,
    "cnn3d": CNN3D,
    "calorimeter_resnet": CalorimeterResNet,
    "smartpixel": SmartPixel,
}
