"""Saving of checkpoints: weights with the card of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dmcnn._common import checksum
from dmcnn._common.files import atomic_file

CHECKSUM = "checksum"
"""Key of a checkpoint that ends with a checksum, see dmcnn._common.checksum."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint with torch, whole or not at all, with a checksum.

    torch gets an open file: it would write the temporary name into the checkpoint, and hide why a write fails.
    """
    with atomic_file(path) as temporary:
        with temporary.open("wb") as file:
            torch.save({**content, CHECKSUM: "xxh3"}, file)
        checksum.seal(temporary)
