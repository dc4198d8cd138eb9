"""Checkpoints of dmcnn: weights with the card that says how they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dmcnn._common.files import atomic_file


def save(path: Path, content: dict[str, Any]) -> None:
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
