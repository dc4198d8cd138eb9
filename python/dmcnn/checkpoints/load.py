"""Loading of weight files of all kinds: checkpoints of dmcnn, ``.pwf`` of DM-CNN, files of Keras, safetensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card, Own
from dmcnn.checkpoints.keras3_file import is_archive
from dmcnn.checkpoints.keras_cards import load_keras
from dmcnn.checkpoints.pwf import Hints
from dmcnn.checkpoints.safetensors_file import HEAD as SAFETENSORS_HEAD
from dmcnn.checkpoints.safetensors_file import is_safetensors, load_safetensors
from dmcnn.checkpoints.torch_file import load_torch
from dmcnn.formats.hdf5 import is_hdf5
from dmcnn.formats.source import existing_file
from dmcnn.models import MODELS

Loader = Callable[[Path, Own, Hints], tuple[nn.Module, Card]]

NO_HINTS = Hints()

LOADERS: dict[str, Loader] = {
    "torch": load_torch,
    "keras": lambda path, own, hints: load_keras(path, own),
    "safetensors": load_safetensors,
}
"""Kind of a weight file -> what gives its network and its card."""


def load(path: str | Path, own: Own = None, hints: Hints = NO_HINTS) -> tuple[nn.Module, Card]:
    """Return the network of a weight file in evaluation mode on the CPU, and its card.

    Args:
        path: path of the file.
        own: user's own model, see ``Card.build``; or the name of a model of dmcnn, which the network must be of.
        hints: what the user says of the network.

    Raises:
        InputError: not a weight file, its network cannot be made, or it is another than the user says.
    """
    path = existing_file(path)
    net, card = LOADERS[_kind(path)](path, own, hints)
    words = [own] if isinstance(own, str) else [] if callable(own) else own or ()
    names = [word for word in words if word in MODELS]
    if names and card.model not in names:
        raise InputError(f"{path}: its network is {card.model}, but model = {names[0]!r}")
    taken = inspect.signature(MODELS[card.model]).parameters if card.model in MODELS else {}
    stated = set() if hints.any_norm else taken.keys() & {"norm", "gn_groups"}
    for name in stated:
        given, actual = getattr(hints, name), card.arguments.get(name, taken[name].default)
        if given not in (None, actual):
            raise InputError(
                f"{path}: {name} of its network ({card.model}) is {actual}, but {given} is given"
            )
    return net, card


def _kind(path: Path) -> str:
    """Return the kind of a weight file by its content: "keras" of an HDF5 file and of a zip file of Keras."""
    if is_archive(path) or is_hdf5(path):
        return "keras"
    with path.open("rb") as file:
        head = file.read(SAFETENSORS_HEAD)
    return "safetensors" if is_safetensors(head) else "torch"
