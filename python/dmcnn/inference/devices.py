"""Which device a GPUID names, and what it can do."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

import torch

from dmcnn._common.errors import InputError

log = logging.getLogger("dmcnn")


def device(gpuid: str) -> torch.device:
    """The device of ``"0"`` (a GPU number) or ``"cpu"``; of ``""`` the first GPU, or the CPU where there is none.

    A GPU that is asked for on a machine without any gives the CPU and one warning, as in DM-CNN; on a machine
    with GPUs, one that does not exist is an InputError.
    """
    count = torch.cuda.device_count()
    text = gpuid.strip().lower()
    if text in ("cpu", "-1") or not (text or count):
        return torch.device("cpu")
    if text and not text.isdecimal():
        raise InputError(f'GPUID = {gpuid!r} must be the number of one GPU, like "0", or "cpu"')
    if not count:
        log.warning("warning: GPUID = %r, but there is no CUDA device here: using the CPU", gpuid)
        return torch.device("cpu")
    number = int(text or 0)
    if number >= count:
        raise InputError(f"GPUID = {gpuid!r}: this machine has GPUs {', '.join(map(str, range(count)))}")
    return torch.device("cuda", number)


def bf16_is_fast(on: torch.device) -> bool:
    """Whether the hardware has bfloat16 arithmetic, so that it is more than a slow emulation."""
    if on.type == "cuda":
        return bool(torch.cuda.get_device_capability(on) >= (8, 0))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers that glibc's mallopt takes, see malloc.h."""


def use_whole_cpu() -> None:
    """Let torch use every core that this process may run on, and keep freed memory for the next layer.

    glibc returns blocks above 32 MB to the system when they are freed, and the page faults of taking them again
    cost batches of 512 x 512 images a third of their time. Elsewhere, or with an older glibc, nothing happens.
    """
    if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
