"""Checkpoints of dmcnn: weights with the card that says how they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dmcnn._common.files import replacing


def save(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        torch.save(content, temporary)
