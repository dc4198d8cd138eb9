"""Models: neural networks by name, with arguments ``num_class, channels, height, width`` and mostly ``drop_out``.

A user's own model, ``my_module:MyNet`` or an entry point of the group ``dmcnn.models``, is a class or a function that
takes the first four arguments by name and returns a module: (B, channels, height, width) float32 -> (B, num_class)
logits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest
from dmcnn.models.calorimeter_resnet import CalorimeterResNet
from dmcnn.models.cnn3d import CNN3D
from dmcnn.models.lariat import LArIAT
from dmcnn.models.mpid import MPID
from dmcnn.models.resnet import ResNet18, ResNet34
from dmcnn.models.smartpixel import SmartPixel

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mpid": MPID,
    "lariat": LArIAT,
    "cnn3d": CNN3D,
    "calorimeter_resnet": CalorimeterResNet,
    "smartpixel": SmartPixel,
    "resnet18": ResNet18,
    "resnet34": ResNet34,
}

Maker = Callable[..., nn.Module]
"""Class or function that makes a network."""

GROUP = "dmcnn.models"
"""Group of the entry points by which other packages add models."""

REQUIRED = ("num_class", "channels", "height", "width")
"""Arguments that every model must take."""


def find_model(word: str) -> Maker:
    """Return the class or function of a model, importing it if it is the user's own.

    Args:
        word: name in MODELS, ``module:Name``, or an entry point of the group GROUP.

    Raises:
        InputError: an unknown model, or a user's own that cannot be imported or does not take the arguments of
            REQUIRED.
    """
    maker: Maker | None = plugins.find(word, MODELS, GROUP)
    if maker is None:
        known = [*MODELS, *plugins.names(GROUP)]
        raise InputError(f"unknown model {word!r}{nearest(word, known)}; known: {', '.join(known)}")
    if missing := [name for name in REQUIRED if not accepts(maker, name)]:
        listed = ", ".join(f"{name}=" for name in REQUIRED)
        raise InputError(f"model {word}: takes no {', '.join(missing)}; a model must take {listed}")
    return maker


def accepts(maker: Maker, argument: str) -> bool:
    """Return whether a model takes an argument of this name."""
    parameters = inspect.signature(maker).parameters
    return argument in parameters or any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())
