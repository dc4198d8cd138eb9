"""Hardware: arithmetic that a device has."""

from __future__ import annotations

import torch


def bf16_is_fast(device: torch.device) -> bool:
    """Return whether the hardware has bfloat16 arithmetic, without which bfloat16 is emulated and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
