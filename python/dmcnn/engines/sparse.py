"""Sparse network: distinct windows of its maps are evaluated once; the dense numbers at the price of the charge."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines.fusion import fuse
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.rules import OF_IMAGES, RESHAPES, RULES
from dmcnn.images.sparse import SparseImages
from dmcnn.layers import Layer, evaluate, outputs, trace

log = logging.getLogger("dmcnn")

Observer = Callable[[Layer, tuple[Any, ...], Any], None]
"""Called after a layer with its arguments and its output."""


class SparseNet(nn.Module):
    """A network evaluated on the rows of its feature maps; parameters, buffers and modules are those of ``dense``.

    Outputs and gradients of parameters are those of the dense network but for the order of float sums; so are the
    random numbers of dropout. From the first layer that rows cannot follow the network goes on dense, and one line
    names that layer. It is dense altogether, and one line says why, where torch.fx cannot trace it, where it keeps
    values of its forward pass, where a module carries a hook (which expects dense maps), and where the images need a
    gradient (which rows have at active pixels alone).

    Args:
        dense: the network; changes of either, such as a training step or ``.eval()``, are changes of both.
        say: called once with every such line.
    """

    def __init__(self, dense: nn.Module, say: Callable[[str], None] = log.info) -> None:
        super().__init__()
        # one set of names, so that a checkpoint of either fits both
        self.__dict__["dense"] = dense
        for own in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[own] = dense.__dict__[own]
        self.__dict__["_traced"] = {}
        self.__dict__["_said"], self.__dict__["_log"] = set(), say
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
        if reason := self.obstacle(images):
            self._say(f"sparse engine: dense, for {reason}")
            return self.dense(self._images(images).dense())
        return self._run(self._images(images))

    def watch(self, images: torch.Tensor | SparseImages, observe: Observer) -> bool:
        """Evaluate images and call ``observe`` after every layer.

        Return False, without any call, where the network runs dense.
        """
        reason = self.obstacle(images)
        if not reason:
            self._run(self._images(images), observe)
        return not reason

    def obstacle(self, images: torch.Tensor | SparseImages) -> str:
        """Return why the network is dense altogether, as words after "for"; "" where rows serve."""
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
        layers = self._layers()
        return layers if isinstance(layers, str) else ""

    def _images(self, images: torch.Tensor | SparseImages) -> Images:
        if isinstance(images, torch.Tensor):
            return Images(images, tuple(images.shape[1:]), images.dtype, images.device)
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(0))
        return Images(images, images.shape, like.dtype, like.device)

    def _layers(self) -> list[Layer] | str:
        """Return the fused layers of the network in its present mode, or why it cannot be traced."""
        mode = self.dense.training
        if mode not in self._traced:
            try:
                with _unchanged(self.dense):
                    self._traced[mode] = fuse(trace(self.dense), training=mode)
            except InputError as error:
                self._traced[mode] = str(error)
        layers: list[Layer] | str = self._traced[mode]
        return layers

    def _run(self, images: Images, observe: Observer | None = None) -> Any:
        def call(layer: Layer, args: Any, kwargs: Any) -> Any:
            if _key(layer) not in OF_IMAGES:
                args, kwargs = fx.node.map_aggregate(
                    (args, kwargs), lambda x: x.maps if isinstance(x, Images) else x
                )
            output = self._call(layer, args, kwargs)
            if observe:
                observe(layer, args, output)
            return output

        layers, result = self._layers(), images
        assert not isinstance(layers, str)
        for _, output in outputs(layers, images, call):
            result = output
        return _dense(result)

    def _call(self, layer: Layer, args: Any, kwargs: Any) -> Any:
        """Return the output of a layer, as rows where a rule has them."""
        sparse: list[Any] = []
        fx.node.map_aggregate(
            (args, kwargs), lambda x: sparse.append(x) if isinstance(x, Maps | Images) else None
        )
        key = _key(layer)
        if sparse and key in RULES:
            output = RULES[key](layer.module, *args, **kwargs)
            if output is not NotImplemented:
                return output
        if sparse and key not in RESHAPES:
            kind = type(layer.call).__name__ if layer.module else "function"
            self._say(f"sparse engine: dense from {layer.name} ({kind}) on, which rows cannot follow")
        args, kwargs = fx.node.map_aggregate((args, kwargs), _dense)
        more = {name: value for name, value in kwargs.items() if name != "positive"}
        output = evaluate(layer, args, more)
        return output.relu() if "positive" in kwargs else output

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(line)


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def _unchanged(net: nn.Module) -> Iterator[None]:
    """Restore the attributes of all modules after the block; raise InputError if it changed one.

    A network that keeps values of its forward pass, for a penalty perhaps, would find there what tracing left.
    """
    before = [(name, module, dict(vars(module))) for name, module in net.named_modules()]
    sizes = {id(value): len(value) for *_, old in before for value in old.values() if isinstance(value, list)}
    changed: list[str] = []
    try:
        yield
    finally:
        for name, module, old in before:
            now = vars(module)
            for key, value in list(now.items()):
                if key in old and old[key] is value:
                    if isinstance(value, list) and len(value) != sizes[id(value)]:
                        del value[sizes[id(value)] :]
                        changed.append(f"{name}.{key}")
                elif not key.startswith("_tensor_constant"):  # of torch.fx, for numbers in the forward pass
                    del now[key]
                    now.update({key: old[key]} if key in old else {})
                    changed.append(f"{name}.{key}")
    if changed:
        raise InputError(f"{type(net).__name__} keeps values of its forward pass in {changed[0].lstrip('.')}")


def _key(layer: Layer) -> Any:
    return type(layer.call) if isinstance(layer.call, nn.Module) else layer.call


def _dense(x: Any) -> Any:
    return x.dense() if isinstance(x, Maps | Images) else x


def sparse(net: nn.Module) -> SparseNet:
    """Return the sparse engine of ``net``, over the same parameters."""
    return net if isinstance(net, SparseNet) else SparseNet(net)
