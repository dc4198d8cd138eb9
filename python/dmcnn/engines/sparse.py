"""Sparse network: distinct windows of its maps are evaluated once; the dense numbers at the price of the charge."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines.fusion import fuse
from dmcnn.engines.maps import Images, Maps
from dmcnn.engines.rules import OF_IMAGES, RESHAPES, RULES
from dmcnn.engines.variants import PixelChanges, Variants, VariedImages
from dmcnn.images.sparse import SparseImages
from dmcnn.layers import Layer, evaluate, outputs, trace

log = logging.getLogger("dmcnn")

Observer = Callable[[Layer, tuple[Any, ...], Any], None]
"""Called after a layer with its arguments and its output."""

Rule = Callable[[Layer, Any, Any], Any]
"""Called with a layer, its arguments and keywords; returns its output, or NotImplemented."""


@dataclass(eq=False)
class Cut:
    """A module at which the graph of a forward pass begins, so that gradients end at the rows of its maps.

    Attributes:
        module: name of the module.
        maps: what came out of its last call, with rows that are leaves of the graph; None where that was dense.
    """

    module: str
    maps: Maps | None = None

    def take(self, output: Any) -> Any:
        """Return the output of the module with which the network goes on."""
        self.maps = None
        if isinstance(output, Maps):
            self.maps = output = replace(output, rows=output.rows.detach().requires_grad_())
        return output


class SparseNet(nn.Module):
    """A network evaluated on the rows of its feature maps; parameters, buffers and modules are those of ``dense``.

    Outputs and gradients of parameters are those of the dense network but for the order of float sums; so are the
    random numbers of dropout. From maps on in which nearly every place has a row of its own the network goes on
    dense, which is faster there. It does so, too, from the first layer that rows cannot follow, and one line names
    that layer. It is dense altogether, and one line says why, where torch.fx cannot trace it, where it keeps values
    of its forward pass, where a module inside it carries a hook (which expects dense maps; hooks of the network
    itself are those of ``dense``), and where images need a gradient, unless the caller says at which pixels.

    Args:
        dense: the network; changes of either, such as a training step or ``.eval()``, are changes of both.
        say: called once with every such line.
    """

    def __init__(self, dense: nn.Module, say: Callable[[str], None] = log.info) -> None:
        super().__init__()
        # one set of names and hooks, so that a checkpoint of either fits both, and both are called alike
        self.__dict__["dense"] = dense
        for own in (*_NAMES, *_HOOKS, *_HOOKS_OF):
            self.__dict__[own] = dense.__dict__[own]
        for own in _STATE:
            del self.__dict__[own]
        self.__dict__["_traced"] = {}
        self.__dict__["_said"], self.__dict__["_log"] = set(), say

    def train(self, mode: bool = True) -> SparseNet:
        """Set both networks to training or evaluation mode."""
        self.dense.train(mode)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; both networks have one mode."""
        if name in _STATE and "dense" in self.__dict__:
            setattr(self.dense, name, value)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Return a parameter, buffer or module, else an attribute of the dense network, such as a penalty."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["dense"], name)

    def forward(
        self,
        images: torch.Tensor | SparseImages,
        *,
        where: torch.Tensor | None = None,
        cut: Cut | None = None,
    ) -> Any:
        """Return the outputs of the dense network for (B, C, *map) images, or for sparse ones.

        Args:
            images: of the dtype of the network.
            where: bool, broadcasting to dense images: pixels whose gradients are needed. They have rows of their own,
                and the gradient is that of the dense network; at all other pixels it is 0.
            cut: module at which the graph begins, if the network is sparse there.
        """
        if where is not None and isinstance(images, torch.Tensor):
            where = where.expand(images.shape)
            images = torch.where(where, images, images.detach())
        if reason := self.obstacle(images, where):
            self._say(f"sparse engine: dense, for {reason}")
            return self.dense.forward(self.images(images).dense())
        return self.run(self.images(images, where), cut=cut, may_end=cut is None)

    def vary(self, image: Images, changes: PixelChanges, *, whole: bool) -> torch.Tensor:
        """Return the (m, …) outputs for variants of one image.

        Args:
            image: the image, from ``images``.
            changes: what differs in each variant, at pixels with rows of their own.
            whole: whether all rows of every variant are evaluated; else only those that a changed pixel reaches, up
                to the first step that looks at all of them.
        """
        outputs: torch.Tensor = self.run(VariedImages.make(image, changes, whole=whole), may_end=whole)
        return outputs[-len(changes) :]

    def global_layer(self, image: Images) -> str:
        """Return the name and kind of the first layer that needs all places of an image; "" if there is none.

        Up to there a variant of the image differs in the rows that a changed pixel reaches alone.
        """
        found: list[str] = []

        def observe(layer: Layer, args: tuple[Any, ...], output: Any) -> None:
            """Note layers that made all rows of some."""
            is_partial = any(isinstance(x, Maps) and isinstance(x.places, Variants) for x in args)
            if is_partial and isinstance(output, Maps | torch.Tensor) and output.shape[:1] == (1,):
                found.append(f"{layer.name} ({type(layer.call).__name__})")

        nothing = PixelChanges(np.zeros(2, np.int64), np.zeros(0, np.int64), torch.zeros(0))
        self.run(VariedImages.make(image, nothing, whole=False), observe)
        return found[0] if found else ""

    def watch(
        self, images: torch.Tensor | SparseImages | Images, observe: Observer, *, may_end: bool = True
    ) -> bool:
        """Evaluate images and call ``observe`` after every layer; ``may_end`` as of ``run``.

        Return False, without any call, where the network runs dense.
        """
        given = images if isinstance(images, Images) else self.images(images)
        reason = self.obstacle(given.given, given.where)
        if not reason:
            self.run(given, observe, may_end=may_end)
        return not reason

    def obstacle(self, images: torch.Tensor | SparseImages, where: torch.Tensor | None = None) -> str:
        """Return why the network is dense altogether, as words after "for"; "" where rows serve."""
        if isinstance(images, torch.Tensor):
            if images.requires_grad and where is None:
                return "the images need a gradient"
            if images.dtype not in (torch.float32, torch.float64):
                return f"the images are {images.dtype}"
            if images.ndim < 3 or images.ndim > 5 or 0 in images.shape:
                return f"the images are of shape {tuple(images.shape)}"
        for name, module in self.dense.named_modules():
            if name and any(module.__dict__.get(kind) for kind in _HOOKS):
                return f"{name} carries a hook"
        layers = self._layers()
        return layers if isinstance(layers, str) else ""

    def images(self, images: torch.Tensor | SparseImages, where: torch.Tensor | None = None) -> Images:
        """Return images as the network takes them; pixels ``where`` have rows of their own."""
        if isinstance(images, torch.Tensor):
            return Images(images, tuple(images.shape[1:]), images.dtype, images.device, where)
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(0))
        return Images(images, images.shape, like.dtype, like.device)

    @property
    def has_hooks(self) -> bool:
        """Whether the network itself carries hooks, which calls of it run, and ``run`` and ``vary`` do not."""
        return any(self.__dict__.get(kind) for kind in _HOOKS)

    def layers(self, apart: str = "") -> list[Layer]:
        """Return the fused layers of the network in its present mode; the output of module ``apart`` is a layer's.

        Raises:
            InputError: the network cannot be traced.
        """
        layers = self._layers(apart)
        if isinstance(layers, str):
            raise InputError(layers)
        return layers

    def _layers(self, apart: str = "") -> list[Layer] | str:
        """Return the layers, or why the network cannot be traced."""
        key = self.dense.training, apart
        if key not in self._traced:
            try:
                with _unchanged(self.dense):
                    self._traced[key] = fuse(trace(self.dense), training=key[0], apart=apart)
            except InputError as error:
                self._traced[key] = str(error)
        layers: list[Layer] | str = self._traced[key]
        return layers

    def run(
        self,
        images: Images,
        observe: Observer | None = None,
        cut: Cut | None = None,
        rule: Rule | None = None,
        until: str = "",
        may_end: bool = False,
    ) -> Any:
        """Return the output of the network, or of the layer ``until``, which may be maps.

        Args:
            images: from ``images``, of a network without obstacle.
            observe: called after every layer.
            cut: see ``forward``.
            rule: takes a layer, its arguments and keywords, and returns its output or NotImplemented.
            until: name of a layer.
            may_end: whether the network goes on dense from crowded maps on, see ``Maps.is_crowded``. Which these are
                depends on the images alone, so that a training that resumes repeats it.
        """

        def as_maps(x: Any) -> Any:
            """Return maps as rows, or dense where they are crowded."""
            x = x.maps if isinstance(x, Images) else x
            return x.dense() if may_end and isinstance(x, Maps) and x.is_crowded else x

        def call(layer: Layer, args: Any, kwargs: Any) -> Any:
            if _key(layer) not in OF_IMAGES:
                args, kwargs = fx.node.map_aggregate((args, kwargs), as_maps)
            output = rule(layer, args, kwargs) if rule else NotImplemented
            if output is NotImplemented:
                output = as_maps(self.call(layer, args, kwargs))
            if observe:
                observe(layer, args, output)
            return cut.take(output) if cut and cut.module in layer.ends else output

        result: Any = images
        for layer, output in outputs(self.layers(cut.module if cut else ""), images, call):
            result = output
            if layer.name == until:
                return result
        return _dense(result)

    def call(self, layer: Layer, args: Any, kwargs: Any) -> Any:
        """Return the output of a layer, as rows where a rule has them."""
        given: list[Any] = []
        fx.node.map_aggregate((args, kwargs), given.append)
        sparse = [x for x in given if isinstance(x, Maps | Images)]
        # beside dense maps of their size rows are of no more use
        sizes = [x.shape[2:] for x in given if isinstance(x, torch.Tensor)]
        ended = any(x.shape[2:] in sizes for x in sparse)
        key = _key(layer)
        if sparse and not ended and key in RULES:
            output = RULES[key](layer.module, *args, **kwargs)
            if output is not NotImplemented:
                return output
        if sparse and not ended and key not in RESHAPES:
            kind = type(layer.call).__name__ if layer.module else "function"
            self._say(f"sparse engine: dense from {layer.name} ({kind}) on, which rows cannot follow")
        args, kwargs = fx.node.map_aggregate((args, kwargs), _dense)
        more = {name: value for name, value in kwargs.items() if name != "positive"}
        output = _widened(evaluate(layer, args, more))
        return output.relu() if "positive" in kwargs else output

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(line)


_NAMES = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_HOOKS_OF = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_STATE = ("training", "_is_full_backward_hook")
"""Attributes of torch's modules that both networks share: dictionaries of names and hooks, and single values."""


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


def _widened(output: Any) -> Any:
    """Return what torch.autocast rounded as float32, in which all goes on but products."""
    is_rounded = isinstance(output, torch.Tensor) and output.dtype in (torch.bfloat16, torch.float16)
    return output.float() if is_rounded else output


def dense_network(net: nn.Module) -> nn.Module:
    """Return the network itself, of a sparse one the dense network with its parameters."""
    return net.dense if isinstance(net, SparseNet) else net


def sparse(net: nn.Module) -> SparseNet:
    """Return the sparse engine of ``net``, over the same parameters."""
    return net if isinstance(net, SparseNet) else SparseNet(net)
