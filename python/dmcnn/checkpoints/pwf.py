"""Weight files of DM-CNN (``.pwf``): bare state dicts, without a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import LARGEST, Card
from dmcnn.detectors.lartpc import CLASSES, DM_CNN_READING
from dmcnn.models.mpid import FILTERS


def card_of(state: Mapping[str, torch.Tensor], path: str | Path) -> Card:
    """Return the card of the MPID network of a bare state dict, from the shapes of its tensors.

    Raises:
        InputError: the tensors are not those of MPID.
    """
    try:
        num_class = state["classifier.4.weight"].shape[0]
        channels = state["features.0.weight"].shape[1]
        maps = state["classifier.1.weight"].shape[1] // FILTERS[-1]
    except (KeyError, IndexError):
        raise InputError(f"{path}: not weights of MPID: it holds {', '.join(list(state)[:3])}, …") from None
    if max(num_class, maps) > LARGEST:
        raise InputError(f"{path}: {num_class} classes and {maps} maps, damaged file")
    side = 64 * round(maps**0.5)
    classes = list(CLASSES) if num_class == 2 else [f"class{i}" for i in range(num_class)]
    return Card(
        model="mpid",
        arguments={"num_class": num_class, "channels": channels, "height": side, "width": side},
        classes=classes,
        signal="signal" if num_class == 2 else None,
        activation="sigmoid",
        reading={**DM_CNN_READING, "xdim": side, "ydim": side},
    )
