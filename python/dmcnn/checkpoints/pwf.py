"""Weight files of DM-CNN and its users (``.pwf``): bare state dicts of MPID and residual networks, without a card."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import LARGEST, Card
from dmcnn.detectors.lartpc import CLASSES, DM_CNN_READING
from dmcnn.models import MODELS
from dmcnn.models.mpid import FILTERS, map_size
from dmcnn.models.resnet import GROUPS, ResNet

log = logging.getLogger("dmcnn")

State = Mapping[str, torch.Tensor]
SIDE = 512
"""[pixels] Side of the images of DM-CNN."""

BLOCKS = {
    maker.BLOCKS: name
    for name, maker in MODELS.items()
    if isinstance(maker, type) and issubclass(maker, ResNet)
}
"""Residual blocks of each stage -> model."""

EXPECTED = f"of MPID, or of {' or '.join(BLOCKS.values())} with the names of torchvision"


@dataclass(frozen=True)
class Hints:
    """Statements of a user about a network, for files that do not make them.

    Attributes:
        norm: normalisation of a residual network, "batch" or "group".
        gn_groups: its number of groups, which no state dict holds.
        xdim, ydim: [pixels] size of the images.
        any_norm: whether a file that states its normalisation may have any, as weights to start from.
    """

    norm: str | None = None
    gn_groups: int | None = None
    xdim: int | None = None
    ydim: int | None = None
    any_norm: bool = False


def recognise(state: State, path: str | Path, hints: Hints) -> tuple[Card, dict[str, torch.Tensor]]:
    """Return the card of the network of a bare state dict, by names and shapes of its tensors, and the state dict.

    A linear layer behind dropout (``fc.1``) gets the name that it has without (``fc``).

    Raises:
        InputError: the tensors are of no network that dmcnn knows, or not of one that the hints allow.
    """
    named = {re.sub(r"^fc\.1\.", "fc.", name): tensor for name, tensor in state.items()}
    try:
        model, arguments = _resnet(named, hints) if "layer1.0.conv1.weight" in named else _mpid(named, hints)
    except (KeyError, IndexError):
        raise InputError(
            f"{path}: expected weights {EXPECTED}; it holds {', '.join(list(state)[:3])}, …"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    num_class, height, width = (arguments[name] for name in ("num_class", "height", "width"))
    if not 0 < num_class <= LARGEST:
        raise InputError(f"{path}: {num_class} classes, damaged file")
    card = Card(
        model=model,
        arguments=arguments,
        classes=list(CLASSES) if num_class == 2 else [f"class{i}" for i in range(num_class)],
        signal="signal" if num_class == 2 else None,
        activation="sigmoid",
        reading={**DM_CNN_READING, "xdim": width, "ydim": height},
    )
    listed = ", ".join(f"{name} = {value}" for name, value in arguments.items())
    log.info("%s: state dict of %s: %s", path, model, listed)
    return card, named


def _mpid(state: State, hints: Hints) -> tuple[str, dict[str, Any]]:
    """Return "mpid" and its arguments; ValueError if no image of the size of the hints, or square, fits."""
    maps = state["classifier.1.weight"].shape[1] // FILTERS[-1]
    side = 64 * round(maps**0.5) if maps <= LARGEST else 0
    height, width = hints.ydim or side, hints.xdim or side
    if side == 0 or map_size(height) * map_size(width) != maps:
        raise ValueError(f"MPID with {maps} maps before its linear layers, which is not that of images of {height} x "
                         f"{width} pixels: give the xdim and ydim of its training")  # fmt: skip
    return "mpid", {
        "num_class": state["classifier.4.weight"].shape[0],
        "channels": state["features.0.weight"].shape[1],
        "height": height,
        "width": width,
    }


def _resnet(state: State, hints: Hints) -> tuple[str, dict[str, Any]]:
    """Return the name of a residual network and its arguments.

    The number of groups is that of the hints, else GROUPS, which a log line says.

    Raises:
        ValueError: another number of blocks, or another normalisation than that of the hints.
    """
    stages = [{name.split(".")[1] for name in state if name.startswith(f"layer{i}.")} for i in range(1, 5)]
    blocks = tuple(map(len, stages))
    known = " or ".join(f"{', '.join(map(str, key))} ({name})" for key, name in BLOCKS.items())
    if blocks not in BLOCKS or "layer1.0.conv3.weight" in state:
        kind = "bottleneck blocks" if "layer1.0.conv3.weight" in state else "blocks"
        raise ValueError(f"residual network of {', '.join(map(str, blocks))} {kind}, expected {known}")
    norm = "batch" if "bn1.running_mean" in state else "group"
    if hints.norm not in (None, norm):
        raise ValueError(
            f"{BLOCKS[blocks]} with norm = {norm!r}, expected {hints.norm!r} as norm or resnet_norm says"
        )
    if norm == "group" and hints.gn_groups is None:
        log.warning("warning: a state dict does not hold the number of groups of a GroupNorm: gn_groups = %d is "
                    "assumed, and with another number in the training all scores are wrong", GROUPS)  # fmt: skip
    return BLOCKS[blocks], {
        "num_class": state["fc.weight"].shape[0],
        "channels": state["conv1.weight"].shape[1],
        "height": hints.ydim or SIDE,
        "width": hints.xdim or SIDE,
        "norm": norm,
        **({"gn_groups": hints.gn_groups or GROUPS} if norm == "group" else {}),
    }
