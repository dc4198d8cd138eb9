"""Saving of checkpoints: weights with the card of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dmcnn._common.files import atomic_file


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint with torch, whole or not at all."""
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
