"""Loading of weight files of all kinds: checkpoints of dmcnn, ``.pwf`` of DM-CNN, ``.h5`` of Keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from dmcnn.checkpoints.card import Card, Own
from dmcnn.checkpoints.keras_cards import load_keras
from dmcnn.checkpoints.torch_file import load_torch
from dmcnn.formats.hdf5 import is_hdf5

Loader = Callable[[Path, Own], tuple[nn.Module, Card]]

LOADERS: dict[str, Loader] = {"torch": load_torch, "hdf5": load_keras}
"""Kind of a weight file -> what gives its network and its card."""


def load(path: str | Path, own: Own = None) -> tuple[nn.Module, Card]:
    """Return the network of a weight file in evaluation mode on the CPU, and its card.

    Args:
        path: path of the file.
        own: user's own model, see ``Card.build``.

    Raises:
        InputError: not a weight file, or its network cannot be made.
    """
    path = Path(path)
    return LOADERS["hdf5" if path.is_file() and is_hdf5(path) else "torch"](path, own)
