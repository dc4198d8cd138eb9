"""Weight files of torch: checkpoints of dmcnn, and state dicts of DM-CNN (``.pwf``) and of other programs."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dmcnn._common import checksum
from dmcnn._common.errors import InputError, nearest, system_error
from dmcnn.checkpoints import pwf
from dmcnn.checkpoints.card import KEY, Card, Own
from dmcnn.checkpoints.pwf import Hints
from dmcnn.checkpoints.save import CHECKSUM
from dmcnn.formats.source import existing_file
from dmcnn.models import MODELS

STATES = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which programs store a state dict; the first is dmcnn's own, and Lightning's."""

WRAPPERS = re.compile(r"^(?:(?:module|model|net)\.)+")
"""Names that DataParallel, Lightning and others put before those of the tensors."""


def load_torch(path: Path, own: Own, hints: Hints) -> tuple[nn.Module, Card]:
    """Return the network of a file of torch in evaluation mode on the CPU, and its card.

    The file is a checkpoint of dmcnn, or a ``.pwf`` of DM-CNN, which is a bare state dict of MPID or of a residual
    network, perhaps in the wrapping of another program. Nothing in the file is executed (``weights_only``).

    Raises:
        InputError: the file is neither.
    """
    content = read(path)
    state = state_of(content, path)
    if KEY in content:
        card = read_card(content[KEY], path)
    else:
        card, state = pwf.recognise(unwrap(state, path), path, hints)
    return make(card, state, path, own), card


def make(card: Card, state: Mapping[str, torch.Tensor], path: str | Path, own: Own) -> nn.Module:
    """Return the network of a card with the tensors of a state dict, in evaluation mode on the CPU.

    Raises:
        InputError: the network cannot be made, or the tensors are not its own.
    """
    try:
        card.check_reader(own)
        if card.model in MODELS:  # a damaged card may ask for more memory than there is
            with torch.device("meta"):
                expected = card.build(own)
            state = state_for(expected, state, path)
        net = card.build(own)
    except InputError as error:
        raise InputError(*(f"{path}: {fault.removeprefix(f'{path}: ')}" for fault in error.faults)) from None
    net.load_state_dict(state_for(net, state, path) if card.model not in MODELS else dict(state))
    return net.eval()


def read(path: str | Path) -> dict[str, Any]:
    """Read the dict in a file of torch, tensors on the CPU; NumPy's scalars become those of Python.

    Raises:
        InputError: no such file, damaged, holding other objects than weights, or not a dict.
    """
    path = existing_file(path)
    try:
        has_checksum = checksum.check(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(NUMPY_SCALARS):
            warnings.simplefilter(
                "ignore"
            )  # torch warns of the pickle protocol of files that are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)|class ([\w.]+)", str(error))
        reason = f" ({found[1] or found[2]})" if found else ""
        text = f": it holds other objects than weights{reason}, which would execute code" if found else ""
        raise InputError(f"{path}: refused as a weight file{text}") from None
    except Exception as error:  # damaged bytes raise a dozen unrelated types
        if system_error(error) is not None:
            raise
        raise InputError(f"{path}: not a weight file, or truncated") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    if content.pop(CHECKSUM, None) is not None and not has_checksum:
        raise InputError(f"{path}: damaged: its checksum is missing")
    return content


def read_card(content: Any, path: str | Path) -> Card:
    """Return the card of a checkpoint; InputError if its fields do not fit."""
    try:
        return Card.from_dict(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def state_of(content: Mapping[Any, Any], path: str | Path) -> dict[str, torch.Tensor]:
    """Return the state dict of a file, also one that a script wrapped in ``state_dict`` or ``model_state_dict``.

    Args:
        content: dict in the file.
        path: path of the file, for errors.

    Raises:
        InputError: not a dict of tensors.
    """
    key = next((key for key in STATES if key in content), None)
    if key is None and KEY in content:
        raise InputError(f"{path}: has no {STATES[0]!r}")
    state = content if key is None else content[key]
    where = f"{path}: {key}" if key else str(path)
    if not isinstance(state, Mapping):
        raise InputError(f"{where}: expected a dict of tensors, found {type(state).__name__}")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor)):
            listed = ", ".join(map(str, list(state)[:4]))
            raise InputError(
                f"{where}: expected a dict of tensors, found {listed}; {name!r} is of type {type(value).__name__}"
            )
    if not state:
        raise InputError(f"{where}: expected a dict of tensors, found none")
    return dict(state)


def unwrap(state: Mapping[str, torch.Tensor], path: str | Path) -> dict[str, torch.Tensor]:
    """Return a state dict without what torch.compile, DataParallel or Lightning put before the names of tensors."""
    plain = {WRAPPERS.sub("", name.replace("_orig_mod.", "")): tensor for name, tensor in state.items()}
    if len(plain) != len(state):
        raise InputError(f"{path}: holds the tensors of several networks, expected those of one")
    return plain


def find_misfits(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    """Return what keeps the tensors of one state dict from those of another: names, shapes and kinds, a line each."""
    faults = [f"no tensor {name!r}" for name in expected if name not in state]
    faults += [f"unknown tensor {name!r}{nearest(name, expected)}" for name in state if name not in expected]
    shared = [(name, state[name], tensor) for name, tensor in expected.items() if name in state]
    faults += [
        f"{name} has shape {tuple(tensor.shape)}, expected {tuple(other.shape)}"
        for name, tensor, other in shared
        if tensor.shape != other.shape
    ]
    return faults + [
        f"{name} holds {_kind(tensor)}, expected {_kind(other)}"
        for name, tensor, other in shared
        if _kind(tensor) != _kind(other)
    ]


def _kind(tensor: torch.Tensor) -> str:
    """Return what a tensor holds, in words: one of another kind cannot become a parameter."""
    if tensor.is_quantized:
        return "quantised numbers"
    if tensor.layout != torch.strided:
        return "a sparse tensor"
    if tensor.is_complex():
        return "complex numbers"
    return "numbers with a point" if tensor.is_floating_point() else "whole numbers"


def state_for(net: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> dict[str, torch.Tensor]:
    """Return the state dict under the names of a network.

    Raises:
        InputError: a tensor is missing, unknown, of another shape or kind, or not finite.
    """
    expected = net.state_dict()
    state = dict(state) if state.keys() == expected.keys() else unwrap(state, path)
    faults = find_misfits(state, expected) or [
        f"{name} holds NaN or Inf" for name, tensor in state.items() if not tensor.isfinite().all()
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{path}: does not fit {type(net).__name__}: {faults[0]}{more}")
    return state


class _Type:
    """Stand-in for numpy.dtype in a weight file: NumPy's own would trust what the file says of its memory."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code if code[:1] in "biuf" else ""
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _scalar(kind: _Type, data: bytes | str) -> float | int | bool:
    """Return the Python number of a NumPy scalar in a weight file."""
    raw = data.encode("latin-1") if isinstance(data, str) else data
    number: float | int | bool = np.frombuffer(raw, np.dtype(kind.order + kind.code), 1)[0].item()
    return number


NUMPY_SCALARS: list[Any] = [
    (_Type, "numpy.dtype"),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
"""Stand-ins for the objects of NumPy that make up its scalars, such as a best loss; names as in weight files."""
