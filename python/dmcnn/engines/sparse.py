"""Sparse network: distinct windows of its maps are evaluated once; the dense numbers at the price of the charge."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.rules import OF_IMAGES, RESHAPES, RULES
from dmcnn.engines.trace import Program, Step, Value, trace
from dmcnn.images.sparse import SparseImages

log = logging.getLogger("dmcnn")

Observer = Callable[[Step, tuple[Any, ...], Any], None]
"""Called after a step with its arguments and its result."""


class SparseNet(nn.Module):
    """A network evaluated on the rows of its feature maps; parameters, buffers and modules are those of ``dense``.

    Outputs and gradients of parameters are those of the dense network but for the order of float sums; so are the
    random numbers of dropout. From the first step that rows cannot follow the network goes on dense, and one line
    names that step. It is dense altogether, and one line says why, where torch.fx cannot trace it, where a module
    carries a hook (which expects dense maps), and where the images need a gradient (which rows have at active pixels
    alone).

    Args:
        dense: the network; changes of either, such as a training step or ``.eval()``, are changes of both.
    """

    def __init__(self, dense: nn.Module) -> None:
        super().__init__()
        # one set of names, so that a checkpoint of either fits both
        self.__dict__["dense"] = dense
        for own in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[own] = dense.__dict__[own]
        self.__dict__["_programs"] = {}
        self.__dict__["_said"] = set()
        self.training = dense.training

    def train(self, mode: bool = True) -> SparseNet:
        """Set both networks to training or evaluation mode."""
        self.dense.train(mode)
        self.training = mode
        return self

    def __getattr__(self, name: str) -> Any:
        """Return a parameter, buffer or module, else an attribute of the dense network, such as a penalty."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["dense"], name)

    def forward(self, images: torch.Tensor | SparseImages) -> Any:
        """Return the outputs of the dense network for (B, C, *map) images, or for sparse ones."""
        given = self._images(images)
        reason = self._reason_for_dense(images)
        if reason:
            self._say(f"sparse engine: dense, for {reason}")
            return self.dense(given.dense())
        program = self._program()
        return self.dense(given.dense()) if program is None else self._run(program, given)

    def watch(self, images: SparseImages, observe: Observer) -> bool:
        """Evaluate sparse images and call ``observe`` after every step.

        Return False, without any call, where the network runs dense.
        """
        program = None if self._reason_for_dense(images) else self._program()
        if program is not None:
            self._run(program, self._images(images), observe)
        return program is not None

    def _images(self, images: torch.Tensor | SparseImages) -> Images:
        if isinstance(images, torch.Tensor):
            return Images(images, tuple(images.shape[1:]), images.dtype, images.device)
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(0))
        return Images(images, images.shape, like.dtype, like.device)

    def _reason_for_dense(self, images: torch.Tensor | SparseImages) -> str:
        if isinstance(images, torch.Tensor):
            if images.requires_grad:
                return "the images need a gradient"
            if images.dtype not in (torch.float32, torch.float64):
                return f"the images are {images.dtype}"
            if images.ndim < 3 or images.ndim > 5 or 0 in images.shape:
                return f"the images are of shape {tuple(images.shape)}"
        if any(module.__dict__.get(kind) for module in self.dense.modules() for kind in _HOOKS):
            named = {module: name for name, module in self.dense.named_modules()}
            first = next(m for m in named if any(m.__dict__.get(kind) for kind in _HOOKS))
            return f"{named[first] or type(first).__name__} carries a hook"
        return ""

    def _program(self) -> Program | None:
        mode = self.dense.training
        if mode not in self._programs:
            try:
                self._programs[mode] = trace(self.dense)
            except InputError as error:
                self._say(f"sparse engine: dense, for {error}")
                self._programs[mode] = None
        program: Program | None = self._programs[mode]
        return program

    def _run(self, program: Program, images: Images, observe: Observer | None = None) -> Any:
        values: dict[int, Any] = {0: images}
        as_maps: Maps | None = None

        def look_up(x: Any) -> Any:
            return values[x.number] if isinstance(x, Value) else x

        def to_maps(x: Any) -> Any:
            nonlocal as_maps
            if not isinstance(x, Images):
                return x
            if x is not images:
                return x.maps()
            as_maps = x.maps() if as_maps is None else as_maps
            return as_maps

        for step in program.steps:
            args, kwargs = fx.node.map_aggregate((step.args, step.kwargs), look_up)
            if _key(step) not in OF_IMAGES:
                args, kwargs = fx.node.map_aggregate((args, kwargs), to_maps)
            values[step.result] = self._call(step, args, kwargs)
            if observe:
                observe(step, args, values[step.result])
            for number in step.done:
                values.pop(number, None)
        return fx.node.map_aggregate(fx.node.map_aggregate(program.output, look_up), _dense)

    def _call(self, step: Step, args: Any, kwargs: Any) -> Any:
        sparse: list[Any] = []
        fx.node.map_aggregate(
            (args, kwargs), lambda x: sparse.append(x) if isinstance(x, Maps | Images) else None
        )
        result = NotImplemented
        key = _key(step)
        if sparse and key in RULES:
            module = step.call if isinstance(step.call, nn.Module) else None
            more = {"positive": True} if step.positive else {}
            result = RULES[key](module, *args, **kwargs, **more)
        if result is not NotImplemented:
            return result
        if sparse and key not in RESHAPES:
            kind = type(step.call).__name__ if isinstance(step.call, nn.Module) else "function"
            self._say(f"sparse engine: dense from {step.name} ({kind}) on, which rows cannot follow")
        args, kwargs = fx.node.map_aggregate((args, kwargs), _dense)
        if isinstance(step.call, str):
            result = getattr(args[0], step.call)(*args[1:], **kwargs)
        else:
            result = step.call(*args, **kwargs)
        return result.relu() if step.positive else result

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            log.info(line)


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _key(step: Step) -> Any:
    return type(step.call) if isinstance(step.call, nn.Module) else step.call


def _dense(x: Any) -> Any:
    return x.dense() if isinstance(x, Maps | Images) else x


def sparse(net: nn.Module) -> SparseNet:
    """Return the sparse engine of ``net``, over the same parameters."""
    return net if isinstance(net, SparseNet) else SparseNet(net)
