"""The layers of any network in the order of their evaluation, as torch.fx traces them."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import fx, nn

from dmcnn._common.errors import InputError

IMAGES = "images"
"""The name under which layers take the images."""

VIEWS = {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "chunk", "split",
         "detach", "getitem", "identity", "dropout"}  # fmt: skip
"""Kinds of layers whose output may share memory with their input."""


@dataclass(frozen=True)
class Output:
    """What a layer gives, or the images, as an argument of a later layer: by the layer's name."""

    layer: str


@dataclass(frozen=True)
class Layer:
    """One module or function of a network.

    Attributes:
        name: of the module in the network, or of the function; with ``#2`` where it is called for the second time.
        kind: name of torch's own class or function without axes and underscores, in lower case: conv, linear, relu,
            avgpool, groupnorm, add, cat, flatten; ``layer_kind`` of a class that has one; parameter.
        call: the module, the function, or the name of a method of the first argument.
        args, kwargs: what it takes, with an ``Output`` for what earlier layers give.
        shape: of its output for one image, with the axis of images (1, …), where that is known and it is a tensor.
    """

    name: str
    kind: str
    call: nn.Module | Callable[..., Any] | str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...] | None = None

    @property
    def module(self) -> Any:
        """The module; None for a function."""
        return self.call if isinstance(self.call, nn.Module) else None

    @property
    def path(self) -> str:
        """The name of the module, however often it is called."""
        return self.name.partition("#")[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the layers whose outputs it takes, in order."""
        found: list[str] = []
        fx.node.map_aggregate(
            (self.args, self.kwargs), lambda x: found.append(x.layer) if isinstance(x, Output) else None
        )
        return tuple(found)


def trace(net: nn.Module) -> list[Layer]:
    """Return the layers of a network in its present mode; the last one gives its output.

    One layer is a module of torch, of a class derived from one (but for containers), or of a class that says what it
    is in ``layer_kind``. Other modules are followed into what they call. What is changed in place is followed too:
    later layers take what was left there.

    Args:
        net: whose ``forward`` torch.fx can trace, or that has a method ``layers()``: a module of the same parameters,
            under the same names, whose ``forward`` it can.

    Raises:
        InputError: the layer that cannot be followed, and why.
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
    found = []

    def reference(x: Any) -> Any:
        return Output(names[x]) if isinstance(x, fx.Node) else x

    for node in nodes[:-1]:
        if node.op == "placeholder":
            names[node] = IMAGES
            continue
        path = _name(node)
        calls[path] += 1
        names[node] = path if calls[path] == 1 else f"{path}#{calls[path]}"
        args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), reference)
        found.append(Layer(names[node], *_call(node, chain), args, dict(kwargs)))
        if _is_in_place(node, found[-1].module):
            changed = node.args[0]
            if not isinstance(changed, fx.Node) or _is_shared(changed, chain):
                raise InputError(f"{kind}: {names[node]} changes memory that other layers share")
            names[changed] = names[node]
    return [*_needed(found, names[result])][::-1]


class _Tracer(fx.Tracer):
    """torch.fx' own, which also takes derived layers as one, and knows where it failed."""

    place = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return bool(_module_kind(m))

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.place = self.place or f"layer {self.path_of_module(m)!r} ({type(m).__name__})"
            raise


def _module_kind(module: nn.Module) -> str:
    """The kind of a module that counts as one layer, else nothing."""
    own = getattr(type(module), "layer_kind", "")
    if own or isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return str(own)
    bases = (base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules."))
    base = next(bases)
    return "" if base is nn.Module else _plain(base.__name__)


def _plain(name: str) -> str:
    return re.sub(r"[123]d$", "", name).replace("_", "").lower()


def _name(node: fx.Node) -> str:
    return (
        str(node.target)
        if isinstance(node.target, str)
        else str(getattr(node.target, "__name__", node.target))
    )


def _call(node: fx.Node, net: nn.Module) -> tuple[str, nn.Module | Callable[..., Any] | str]:
    """Kind and call of a layer."""
    name, target = _name(node), node.target
    if node.op == "call_module":
        module = net.get_submodule(name)
        return _module_kind(module), module
    if node.op == "get_attr":  # looked up when it is needed: an optimiser or ``.to`` may replace it
        return "parameter", partial(operator.attrgetter(name), net)
    return _plain(name), target


def _is_in_place(node: fx.Node, module: Any) -> bool:
    """Whether a layer changes its first argument."""
    if node.op == "call_module":
        return bool(getattr(module, "inplace", False))
    return _name(node).endswith("_") or bool(node.kwargs.get("inplace", False))


def _is_shared(node: fx.Node, net: nn.Module) -> bool:
    """Whether the value of a node is a parameter, the images, or in memory that other layers may look at."""
    if any(_call(user, net)[0] in VIEWS for user in node.users):
        return True
    while node.op not in ("get_attr", "placeholder") and _call(node, net)[0] in VIEWS:
        node = node.all_input_nodes[0]
        if len(node.users) > 1:
            return True
    return node.op in ("get_attr", "placeholder")


def _needed(layers: list[Layer], result: str) -> Iterator[Layer]:
    """Yield what the result depends on, from last to first."""
    wanted = {result}
    for layer in reversed(layers):
        if layer.name in wanted:
            wanted.update(layer.inputs)
            yield layer
