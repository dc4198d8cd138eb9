"""Networks by name; every one takes ``num_class, channels, height, width``, most of them ``drop_out``.

A network of one's own, ``my_module:MyNet`` or an entry point of the group ``dmcnn.models``, is a class or a function
that takes these four by name and makes a module: (B, channels, height, width) float32 -> (B, num_class) logits.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from dmcnn._common import plugins
from dmcnn._common.errors import InputError
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

Maker = Callable[..., nn.Module]
GROUP = "dmcnn.models"
"""Of the entry points by which other packages add networks."""

NEEDED = ("num_class", "channels", "height", "width")


def find_model(word: str) -> Maker | None:
    """Return what makes the network of this word, which may import it; None if there is no such network.

    Raises:
        InputError: a network of one's own that cannot be imported, or does not take the arguments of NEEDED.
    """
    maker: Maker | None = plugins.find(word, MODELS, GROUP)
    missing = [] if maker is None else [name for name in NEEDED if not takes(maker, name)]
    if missing:
        listed = ", ".join(f"{name}=" for name in NEEDED)
        raise InputError(f"model {word}: takes no {', '.join(missing)}; networks are made with {listed}")
    return maker


def takes(maker: Maker, argument: str) -> bool:
    """Return whether a network takes an argument of this name."""
    taken = inspect.signature(maker).parameters
    return argument in taken or any(entry.kind is entry.VAR_KEYWORD for entry in taken.values())
