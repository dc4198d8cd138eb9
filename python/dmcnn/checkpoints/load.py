"""Loading of weight files of all kinds: checkpoints of dmcnn, ``.pwf`` of DM-CNN, files of Keras, safetensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from dmcnn.checkpoints.card import Card, Own
from dmcnn.checkpoints.keras3_file import is_archive
from dmcnn.checkpoints.keras_cards import load_keras
from dmcnn.checkpoints.safetensors_file import HEAD as SAFETENSORS_HEAD
from dmcnn.checkpoints.safetensors_file import is_safetensors, load_safetensors
from dmcnn.checkpoints.torch_file import load_torch
from dmcnn.formats.hdf5 import is_hdf5
from dmcnn.formats.source import existing_file

Loader = Callable[[Path, Own], tuple[nn.Module, Card]]

LOADERS: dict[str, Loader] = {"torch": load_torch, "keras": load_keras, "safetensors": load_safetensors}
"""Kind of a weight file -> what gives its network and its card."""


def load(path: str | Path, own: Own = None) -> tuple[nn.Module, Card]:
    """Return the network of a weight file in evaluation mode on the CPU, and its card.

    Args:
        path: path of the file.
        own: user's own model, see ``Card.build``.

    Raises:
        InputError: not a weight file, or its network cannot be made.
    """
    path = existing_file(path)
    return LOADERS[_kind(path)](path, own)


def _kind(path: Path) -> str:
    """Return the kind of a weight file by its content: "keras" of an HDF5 file and of a zip file of Keras."""
    if is_archive(path) or is_hdf5(path):
        return "keras"
    with path.open("rb") as file:
        head = file.read(SAFETENSORS_HEAD)
    return "safetensors" if is_safetensors(head) else "torch"
