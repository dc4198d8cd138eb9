"""Hardware: arithmetic that a device has."""

from __future__ import annotations

import logging
from functools import cache

import torch

log = logging.getLogger("dmcnn")


def bf16_is_fast(device: torch.device) -> bool:
    """Return whether the hardware has bfloat16 arithmetic, without which bfloat16 is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@cache
def warn_of_emulation(precision: str, device: torch.device) -> None:
    """Warn, once, where a device has no arithmetic of a precision, so that it costs time instead of saving it."""
    if precision == "bf16" and not bf16_is_fast(device):
        log.warning("warning: precision = bf16 is emulated on this processor, and slower than precision = 32")
