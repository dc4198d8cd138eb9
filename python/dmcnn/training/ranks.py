"""Ranks of a training: processes, on any number of machines, that share every batch and every evaluation."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.shares import Share
from dmcnn._common.threads import threads

log = logging.getLogger("dmcnn")

Value = TypeVar("Value")

SIZE, NUMBER, LOCAL_SIZE, LOCAL_NUMBER = "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"
"""Variables of torchrun: number of processes and number of this one, on all machines and on this one."""

ENDED = "another process of this training has ended"
"""Beginning of the fault of a rank that has lost another."""


@dataclass(frozen=True)
class Ranks:
    """Process ``number`` of ``count`` processes of one training; alone by default.

    Every rank has the same weights, and makes the same steps and decisions. Of the B images of a step it evaluates a
    row of them (``rows``), and the loss is computed from the outputs of all B on every rank: so losses, weights of
    events and constraints that depend on the batch as a whole are those of one process. Gradients are averaged in one
    piece after the backward pass. DistributedDataParallel would average the losses of parts, which is wrong for parts
    of different sizes, and hook into the forward pass of a module, while the sparse engine evaluates a network layer
    by layer; what it gains, to send while the backward pass works, is little for a few million weights.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes, locks and logs."""
        return self.number == 0

    def rows(self, total: int, unit: int = 1) -> slice:
        """Return the rows of this rank of ``total`` rows, cut at multiples of ``unit``; they may be none."""
        return slice(*Share(self.number, self.count).span(total, unit))

    def parts(self, total: int, size: int | None = None) -> Iterator[tuple[slice, slice]]:
        """Yield the parts of at most ``size`` of ``total`` rows: all rows of a part, and those of this rank.

        A rank without rows in a part evaluates its first one, which does not count.
        """
        for start in range(0, total, size or total):
            stop = min(start + (size or total), total)
            own = self.rows(stop - start)
            first = start + own.start if own.start < own.stop else start
            yield slice(start, stop), slice(first, first + max(1, own.stop - own.start))

    def share(self, total: int) -> float:
        """Return the weight of this rank's mean over its rows in the mean of all ranks, 1 on the average."""
        rows = self.rows(total)
        weight: float = self.count * (rows.stop - rows.start) / total
        return weight

    def gather(self, part: torch.Tensor, total: int) -> torch.Tensor:
        """Return the (total, m) outputs of all ranks for a batch; this one gives the (b, m) outputs of its rows.

        The gradient flows to the part of this rank alone, times the number of ranks, so that the mean of the
        gradients over the ranks (``join_gradients``) is that of the loss, with whatever else depends on the weights.
        A rank without rows gives the outputs of one image, which do not count.
        """
        if self.count == 1:
            return part
        rows = self.rows(total)
        whole: torch.Tensor = _Gather.apply(part[: rows.stop - rows.start], self, rows, total)  # type: ignore[no-untyped-call]
        return whole

    def gather_array(self, part: NDArray[np.float64], rows: slice, total: int) -> NDArray[np.float64]:
        """Return the (total, m) rows of all ranks, see ``gather_rows``."""
        return part if self.count == 1 else self.gather_rows(torch.from_numpy(part), rows, total).numpy()

    def gather_rows(self, part: torch.Tensor, rows: slice, total: int) -> torch.Tensor:
        """Return the (total, m) rows of all ranks; this one gives its ``part``."""
        whole = part.new_zeros(total, *part.shape[1:])
        whole[rows] = part  # the other ranks are 0 there, so that the sum is exact
        self._sum_(whole)
        return whole

    def join_gradients(self, net: nn.Module, total: int) -> None:
        """Replace gradients and running statistics of ``net`` by their means over the ranks, in place.

        Each rank has the statistics of its own rows of the batch of ``total`` images, as is usual in data-parallel
        trainings; networks without any (GroupNorm) train as in one process.
        """
        if self.count == 1:
            return
        gradients = [weight.grad for weight in net.parameters() if weight.grad is not None]
        buffers = [buffer for buffer in net.buffers() if buffer.is_floating_point()]
        for buffer in buffers:
            buffer.mul_(self.share(total))
        tensors = [*gradients, *buffers]
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._sum_(flat)
        parts = torch.split(flat.div_(self.count), [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def largest(self, number: int) -> int:
        """Return the largest number of all ranks; it travels on the host, so that no GPU is waited for."""
        if self.count == 1:
            return number
        value = torch.tensor(number)
        with _peers():
            torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
        return int(value)

    def agree(self, value: Value) -> Value:
        """Return the value of the first rank."""
        if self.count == 1:
            return value
        values = [value]
        with _peers():
            torch.distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def _sum_(self, tensor: torch.Tensor) -> None:
        """Replace a tensor by its sum over the ranks."""
        with _peers():
            torch.distributed.all_reduce(tensor)


ALONE = Ranks()


class _Gather(torch.autograd.Function):
    """Rows of all ranks, with the gradient of those of this rank, see ``Ranks.gather``."""

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor, ranks: Ranks, rows: slice, total: int) -> torch.Tensor:
        """Return the rows of all ranks."""
        ctx.count, ctx.rows = ranks.count, rows
        return ranks.gather_rows(part, rows, total)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Return the gradient of the rows of this rank, times the number of ranks."""
        return gradient[ctx.rows] * ctx.count, None, None, None


@contextmanager
def connect(asked: str = "") -> Iterator[Ranks]:
    """Yield the ranks of a training that torchrun, or variables as it sets them, started; else this process alone.

    Args:
        asked: GPUID that the user names for all ranks.

    Raises:
        InputError: variables that are no numbers or incomplete, or other ranks that cannot be reached.
    """
    count, number = _variable(SIZE, 1), _variable(NUMBER, 0)
    if count == 1:
        yield ALONE
        return
    if missing := [name for name in (NUMBER, "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
        raise InputError(f"{SIZE} = {count}, but {missing[0]} is not set: torchrun sets it")
    if not torch.distributed.is_available():
        raise InputError(f"{SIZE} = {count}, but this build of torch has no torch.distributed")
    _share_machine()
    if number:
        log.setLevel(logging.ERROR)
    with _peers():
        torch.distributed.init_process_group(_backend(asked))
    ended = False
    try:
        yield Ranks(number, count)
        ended = True
    finally:
        if ended:  # else the end of this process tells the others at once
            with suppress(RuntimeError):
                torch.distributed.destroy_process_group()


def gpuid(asked: str) -> str:
    """Return the GPUID of this rank: its own GPU where the user names none."""
    gpus = torch.cuda.device_count()
    return str(_variable(LOCAL_NUMBER, 0) % gpus) if gpus and _variable(SIZE, 1) > 1 and not asked else asked


def _backend(asked: str) -> str:
    """Return the backend: NCCL if every rank of this machine has a GPU of its own, else gloo."""
    gpus, number = torch.cuda.device_count(), _variable(LOCAL_NUMBER, 0)
    if asked or not 0 < _variable(LOCAL_SIZE, 1) <= gpus:
        return "gloo"
    torch.cuda.set_device(number)
    return "cpu:gloo,cuda:nccl"


def _share_machine() -> None:
    """Leave the other ranks of this machine their cores, unless the user has given a number of threads."""
    cores = max(1, threads() // _variable(LOCAL_SIZE, 1))
    os.environ.setdefault("DMCNN_NUM_THREADS", str(cores))
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(cores)  # told to devices.use_whole_cpu
        torch.set_num_threads(cores)


def _variable(name: str, default: int) -> int:
    """Return the number in a variable of the environment."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"{name} = {text!r}, expected a whole number")
    return int(text)


@contextmanager
def _peers() -> Iterator[None]:
    """Raise InputError, one line, if another rank has ended or cannot be reached."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise InputError(
            f"{ENDED} or cannot be reached ({reason}); the same command goes on "
            "from the last checkpoint, with any number of processes"
        ) from None
