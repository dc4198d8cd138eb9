"""Devices: the GPU or CPU that a GPUID names, its bfloat16 arithmetic, and the threads and memory of the CPU."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

import torch

from dmcnn._common.errors import InputError

log = logging.getLogger("dmcnn")


def device(gpuid: str) -> torch.device:
    """Return the device of a GPUID.

    Args:
        gpuid: number of a GPU such as "0", or "cpu"; "" = the first GPU, or the CPU on a machine without GPUs. On
            such a machine the number of a GPU also gives the CPU, with a warning, as in DM-CNN.

    Raises:
        InputError: another text, or a GPU that does not exist on a machine with GPUs.
    """
    count = torch.cuda.device_count()
    text = gpuid.strip().lower()
    if text in ("cpu", "-1") or not (text or count):
        return torch.device("cpu")
    if text and not text.isdecimal():
        raise InputError(f'GPUID = {gpuid!r} must be the number of one GPU, like "0", or "cpu"')
    if not count:
        log.warning("warning: GPUID = %r, but there is no CUDA device: the CPU is used", gpuid)
        return torch.device("cpu")
    number = int(text or 0)
    if number >= count:
        raise InputError(f"GPUID = {gpuid!r}: this machine has GPUs {', '.join(map(str, range(count)))}")
    return torch.device("cuda", number)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt, see malloc.h."""


def use_whole_cpu() -> None:
    """Let torch use all cores that this process may use, and keep freed memory for the next layer.

    glibc returns freed blocks above 32 MB to the system, and the page faults of new blocks take a third of the time
    of batches of 512 x 512 images. Without glibc the memory settings stay as they are.
    """
    if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
