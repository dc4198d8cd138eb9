"""Weight files in the format safetensors: tensors and texts, in which nothing can be executed; written and read."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import xxhash
from torch import nn

from dmcnn._common.errors import InputError, system_error
from dmcnn._common.extras import need
from dmcnn.checkpoints import pwf
from dmcnn.checkpoints.card import KEY, Card, Own
from dmcnn.checkpoints.pwf import Hints
from dmcnn.checkpoints.torch_file import make, read_card, state_of, unwrap

HEAD = 9
"""Bytes from which the format is known: the length of the header (u64), and its first brace."""

CHECKSUM = "xxh3"
"""Text with the checksum of all tensors and the card: the format has none."""


def is_safetensors(head: bytes) -> bool:
    """Return whether a file that begins with these HEAD bytes is of this format."""
    return head[8:HEAD] == b"{" and int.from_bytes(head[:8], "little") < 2**27


def load_safetensors(path: Path, own: Own, hints: Hints) -> tuple[nn.Module, Card]:
    """Return the network of a file in evaluation mode on the CPU, and its card.

    Of a file without a card of dmcnn it is made as that of a ``.pwf``.

    Raises:
        InputError: the file is damaged, or holds another network; or safetensors is not installed.
    """
    texts, state = read(path)
    if KEY in texts:
        try:
            content = json.loads(texts[KEY])
        except ValueError as error:
            raise InputError(f"{path}: its card is no JSON ({error}), damaged file") from None
        card = read_card(content, path)
    else:
        card, state = pwf.recognise(unwrap(state, path), path, hints)
    return make(card, state, path, own), card


def read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Read texts and tensors by name; InputError if the file is damaged."""
    safetensors = need("safetensors")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            texts, state = dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # damaged bytes
        if system_error(error) is not None:
            raise
        raise InputError(f"{path}: not a safetensors file, or damaged ({error!s:.100})") from None
    expected = texts.pop(CHECKSUM, None)
    if expected not in (None, _checksum(texts, state)) or (KEY in texts and expected is None):
        raise InputError(f"{path}: damaged: its checksum does not fit")
    return texts, state_of(state, path)


def write(path: Path, card: Card, state: dict[str, torch.Tensor]) -> None:
    """Write the tensors of a network with its card and a checksum."""
    save_file = need("safetensors.torch").save_file
    texts = {KEY: json.dumps(card.as_dict())}
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    save_file(plain, path, metadata={**texts, CHECKSUM: _checksum(texts, plain)})


def _checksum(texts: dict[str, str], state: dict[str, torch.Tensor]) -> str:
    """Return the digits of the xxh3 of texts and tensors, with their names, kinds and shapes."""
    whole = xxhash.xxh3_64(json.dumps(texts, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return whole.hexdigest()
