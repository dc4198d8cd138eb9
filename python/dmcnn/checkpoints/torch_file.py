"""Weight files of torch: checkpoints of dmcnn, and state dicts of DM-CNN (``.pwf``)."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.checkpoints import pwf
from dmcnn.checkpoints.card import KEY, Card, Own


def load_torch(path: Path, own: Own) -> tuple[nn.Module, Card]:
    """Return the network of a file of torch in evaluation mode on the CPU, and its card.

    The file is a checkpoint of dmcnn, or a ``.pwf`` of DM-CNN, which is a bare state dict of MPID. Nothing in the
    file is executed (``weights_only``).

    Raises:
        InputError: the file is neither.
    """
    content = read(path)
    if KEY in content:
        card = _card(content[KEY], path)
        state = {name.removeprefix("net."): tensor for name, tensor in content["state_dict"].items()}
    else:
        state = pwf.state_of(content, path)
        card = pwf.card_of(state, path)
    try:
        card.check_reader(own)
        net = card.build(own)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    _fill(net, state, path)
    return net.eval(), card


def read(path: str | Path) -> dict[str, Any]:
    """Read the dict in a file of torch, tensors on the CPU.

    Raises:
        InputError: no such file, damaged, holding other objects than weights, or not a dict.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch warns of the pickle protocol of files that are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        reason = (
            "it holds other objects than weights, which would execute code"
            if "Unsupported" in str(error)
            else ""
        )
        raise InputError(f"{path}: refused as a weight file{': ' + reason if reason else ''}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, IndexError, TypeError):
        raise InputError(f"{path}: not a weight file, or truncated") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    return content


def _card(content: Any, path: str | Path) -> Card:
    """Return the card of a checkpoint; InputError if its fields do not fit."""
    try:
        return Card(**content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except TypeError as error:
        raise InputError(f"{path}: its card does not fit this version of dmcnn ({error})") from None


def find_misfits(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    """Return what keeps the tensors of one state dict from those of another: names and shapes, a line each."""
    faults = [f"no tensor {name!r}" for name in expected if name not in state]
    faults += [f"unknown tensor {name!r}{nearest(name, expected)}" for name in state if name not in expected]
    return faults + [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]


def _fill(net: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Copy a state dict into a network.

    Raises:
        InputError: a tensor is missing, unknown, of another shape or not finite.
    """
    expected = net.state_dict()
    faults = find_misfits(state, expected)
    faults += [
        f"{name} holds NaN or Inf" for name in expected if name in state and not state[name].isfinite().all()
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{path}: does not fit {type(net).__name__}: {faults[0]}{more}")
    net.load_state_dict(dict(state))
