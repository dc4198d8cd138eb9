"""Tracing of a network into its layers in order of evaluation, with torch.fx."""

from __future__ import annotations

import operator
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.layers.functional import OPERATORS, arguments, module_of

IMAGES = "images"
"""Name of the images among the inputs of layers."""

VIEWS = {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "chunk", "split",
         "detach", "getitem", "identity", "dropout"}  # fmt: skip
"""Kinds of layers whose output may share memory with their input; an in-place layer after them is not safe."""


@dataclass(frozen=True)
class Output:
    """Output of an earlier layer, or the images, as an argument of a layer.

    Attributes:
        layer: name of the earlier layer, or IMAGES.
    """

    layer: str


@dataclass(frozen=True)
class Layer:
    """One call of a module or function in a network.

    Attributes:
        name: name of the module in the network, or of the function; with ``#2`` for its second call.
        kind: class or function of torch without axes and underscores, in lower case: conv, linear, relu, avgpool,
            groupnorm, add, cat, flatten; ``layer_kind`` of a class that has one; "parameter" for a parameter.
        call: the module, the function, or the name of a method of the first argument. Functional forms of
            activations, pools, dropouts and ``flatten`` are modules; of ``x.add_`` and ``+=`` it is ``add``.
        args, kwargs: arguments of the call, with an ``Output`` for each output of an earlier layer.
        shape: shape of the output for one image, (1, …); None if it is not known or no tensor.
        ends: names of the modules whose output this is, such as a block of which it is the last layer.
    """

    name: str
    kind: str
    call: nn.Module | Callable[..., Any] | str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...] | None = None
    ends: tuple[str, ...] = ()

    @property
    def module(self) -> Any:
        """Module of the layer; None for a function."""
        return self.call if isinstance(self.call, nn.Module) else None

    @property
    def path(self) -> str:
        """Name without the number of the call."""
        return self.name.partition("#")[0]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the layers whose outputs it takes, in order."""
        names: list[str] = []
        fx.node.map_aggregate(
            (self.args, self.kwargs), lambda x: names.append(x.layer) if isinstance(x, Output) else None
        )
        return tuple(names)


def trace(net: nn.Module) -> list[Layer]:
    """Return the layers of a network in its present mode; the output of the last one is that of the network.

    A layer is a module of a class of torch other than containers, of a class derived from one, or of a class with an
    attribute ``layer_kind``. Other modules are traced into the layers that they call. A value changed in place is,
    for later layers, the output of the layer that changed it.

    Args:
        net: network whose ``forward`` torch.fx can trace, or with a method ``layers()`` that returns such a module
            with the same parameters under the same names.

    Raises:
        InputError: a layer that cannot be traced, with the reason; or more than one input or output.
    """
    tracer, kind, layers = _Tracer(), type(net).__name__, getattr(type(net), "layers", None)
    if _module_kind(net):
        return [Layer("", _module_kind(net), net, (Output(IMAGES),), {})]
    try:
        chain = layers(net) if callable(layers) else net
        nodes = [*tracer.trace(chain).nodes]
    except Exception as error:
        reason, *_ = [*str(error).strip().splitlines(), repr(error)]
        raise InputError(f"{kind}: {tracer.place or 'forward'} cannot be traced: {reason}") from error
    result = nodes[-1].args[0]
    if sum(node.op == "placeholder" for node in nodes) != 1 or not isinstance(result, fx.Node):
        raise InputError(f"{kind} takes or gives more than one tensor")
    names: dict[fx.Node, str] = {}
    calls: Counter[str] = Counter()
    traced: list[Layer] = []

    def reference(x: Any) -> Any:
        """Replace a node by the output of its layer."""
        return Output(names[x]) if isinstance(x, fx.Node) else x

    for node in nodes[:-1]:
        if node.op == "placeholder":
            names[node] = IMAGES
            continue
        path = _name(node)
        calls[path] += 1
        names[node] = path if calls[path] == 1 else f"{path}#{calls[path]}"
        args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), reference)
        ends = tuple(tracer.ends[node])
        traced.append(Layer(names[node], _kind(node, chain), *_call(node, chain, args, kwargs), ends=ends))
        if _is_in_place(node, chain):
            changed = node.args[0]
            if not isinstance(changed, fx.Node) or _is_shared(changed, chain):
                raise InputError(f"{kind}: {names[node]} changes memory that other layers share")
            names[changed] = names[node]
    return [*_needed(traced, names[result])][::-1]


class _Tracer(fx.Tracer):
    """Tracer of torch.fx that takes derived layers as one and records the layer at which it failed."""

    place = ""

    def __init__(self) -> None:
        super().__init__()
        self.ends = defaultdict[fx.Node, list[str]](list)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one layer."""
        return bool(_module_kind(m))

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Trace a call of a module; on failure, record the innermost module."""
        try:
            output = super().call_module(m, forward, args, kwargs)
        except Exception:
            self.place = self.place or f"layer {self.path_of_module(m)!r} ({type(m).__name__})"
            raise
        if isinstance(output, fx.Proxy):
            self.ends[output.node].append(self.path_of_module(m))
        return output


def _module_kind(module: nn.Module) -> str:
    """Return the kind of a module that is one layer, else ""."""
    own = getattr(type(module), "layer_kind", "")
    if own or isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return str(own)
    bases = (base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules."))
    base = next(bases)
    return "" if base is nn.Module else _plain(base.__name__)


def _plain(name: str) -> str:
    """Return a name of torch without axes and underscores, in lower case."""
    return re.sub(r"[123]d$", "", name).replace("_", "").lower()


def _name(node: fx.Node) -> str:
    """Return the name of the module, function or method of a node."""
    return (
        str(node.target)
        if isinstance(node.target, str)
        else str(getattr(node.target, "__name__", node.target))
    )


def _kind(node: fx.Node, net: nn.Module) -> str:
    """Return the kind of a layer."""
    if node.op == "call_module":
        return _module_kind(net.get_submodule(_name(node)))
    if node.op == "get_attr":
        return "parameter"
    target = OPERATORS.get(node.target, node.target)
    return _plain(str(getattr(target, "__name__", target)))


def _call(
    node: fx.Node, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[nn.Module | Callable[..., Any] | str, tuple[Any, ...], dict[str, Any]]:
    """Return call, args and kwargs of a layer."""
    name, target = _name(node), node.target
    if node.op == "call_module":
        return net.get_submodule(name), args, dict(kwargs)
    if node.op == "get_attr":  # read at every evaluation: ``.to`` or an optimiser may replace the parameter
        return partial(operator.attrgetter(name), net), (), {}
    module = module_of(target, args, kwargs) if len(node.all_input_nodes) == 1 else None
    if module:
        return module, args[:1] or (kwargs["input"],), {}
    own = name.rstrip("_")  # later layers take its output, so that nothing has to be changed in place
    if node.op == "call_method" and hasattr(torch.Tensor, own):
        return own, args, dict(kwargs)
    return OPERATORS.get(target, target), args, dict(kwargs)


def _is_in_place(node: fx.Node, net: nn.Module) -> bool:
    """Return whether a layer changes its first argument."""
    if node.op == "call_module":
        return bool(getattr(net.get_submodule(_name(node)), "inplace", False))
    if getattr(node.target, "__module__", "") == "_operator":
        return node.target in OPERATORS
    named = arguments(node.target, node.args, node.kwargs)
    return _name(node).endswith("_") or bool(named.get("inplace", False))


def _is_shared(node: fx.Node, net: nn.Module) -> bool:
    """Return whether the value of a node is a parameter, the images, or in memory that other layers may read."""
    if any(_kind(user, net) in VIEWS for user in node.users):
        return True
    while node.op not in ("get_attr", "placeholder") and _kind(node, net) in VIEWS:
        node = node.all_input_nodes[0]
        if len(node.users) > 1:
            return True
    return node.op in ("get_attr", "placeholder")


def _needed(layers: list[Layer], result: str) -> Iterator[Layer]:
    """Yield the layers on which the result depends, from last to first."""
    names = {result}
    for layer in reversed(layers):
        if layer.name in names:
            names.update(layer.inputs)
            yield layer
