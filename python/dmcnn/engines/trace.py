"""Steps of a network in the order of their evaluation, as torch.fx traces them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines.linear import PASSED, LinearChain, saves


@dataclass(frozen=True)
class Value:
    """The result of a step, or (number 0) the images, as argument of a later one."""

    number: int


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        name: of the module in the network, or of the function, for messages.
        call: a module, a function, or the name of a method of the first argument.
        args, kwargs: its arguments, with a ``Value`` for what earlier steps made.
        result: number of the value that it makes.
        done: numbers of values that no later step takes.
        positive: whether a ReLU follows that alone takes the result, and belongs to this step.
    """

    name: str
    call: nn.Module | Callable[..., Any] | str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: int
    done: tuple[int, ...] = ()
    positive: bool = False


@dataclass(frozen=True)
class Program:
    """Steps, and the value (or tuple, list, dictionary of values) that they return."""

    steps: tuple[Step, ...]
    output: Any


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

VIEWS = {
    "view",
    "reshape",
    "flatten",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "chunk",
    "split",
    "detach",
}
"""Functions and methods whose result may share memory with their argument."""


def trace(net: nn.Module) -> Program:
    """Trace the steps of ``net`` in its present mode.

    A module that changes its argument in place is followed: later steps take what it left there.

    Raises:
        InputError: torch.fx cannot follow the network; the message is one line.
    """
    try:
        graph = fx.Tracer().trace(net)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise InputError(
            f"{type(net).__name__}: torch.fx cannot trace it: {reason[0] if reason else error!r}"
        ) from error
    if sum(node.op == "placeholder" for node in graph.nodes) != 1:
        raise InputError(f"{type(net).__name__}: takes other arguments than images")
    modules = dict(net.named_modules())
    numbers: dict[fx.Node, int] = {}
    steps: list[Step] = []
    output: Any = None

    def value(node: fx.Node) -> Any:
        return Value(numbers[node])

    for number, node in enumerate(graph.nodes):
        numbers[node] = number
        if node.op == "placeholder":
            numbers[node] = 0
            continue
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), value)
        if node.op == "output":
            output = args[0]
        elif node.op == "get_attr":
            path = str(node.target)
            steps.append(Step(path, _Attribute(net, path), (), {}, number))
        else:
            call = modules[str(node.target)] if node.op == "call_module" else node.target
            steps.append(Step(_name(node), call, args, dict(kwargs), number))
        if changes_argument(node, modules):
            changed = node.args[0]
            if not isinstance(changed, fx.Node) or _shares_memory(changed):
                raise InputError(f"{type(net).__name__}: {_name(node)} changes memory that other steps share")
            numbers[changed] = number
    steps = _fuse(steps, output)
    if not net.training:
        steps = _chain(steps, output)
    return Program(tuple(_forget(steps, output)), output)


class _Attribute:
    """A parameter or buffer of a network, looked up when it is needed: an optimiser or ``.to`` may replace it."""

    def __init__(self, net: nn.Module, path: str) -> None:
        self.net, self.path = net, path

    def __call__(self) -> Any:
        return operator.attrgetter(self.path)(self.net)


def changes_argument(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Return whether a step works in place."""
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        in_operator = (
            getattr(operator, name, None) is node.target
            and name.startswith("i")
            and name[1:] in dir(operator)
        )
        return (
            bool(node.kwargs.get("inplace", False))
            or in_operator
            or (name.endswith("_") and name[-2:] != "__")
        )
    return False


def _shares_memory(node: fx.Node) -> bool:
    """Return whether the value of a node may share memory with another value, as a view of it or viewed by it."""

    def is_view(other: fx.Node) -> bool:
        name = other.target if other.op == "call_method" else getattr(other.target, "__name__", "")
        return name in VIEWS or name == "getitem"

    return (
        node.op in ("get_attr", "placeholder") or is_view(node) or any(is_view(user) for user in node.users)
    )


def _name(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    return str(getattr(node.target, "__name__", node.target))


def _arguments(step: Step) -> set[int]:
    found: set[int] = set()
    fx.node.map_aggregate(
        (step.args, step.kwargs), lambda x: found.add(x.number) if isinstance(x, Value) else None
    )
    return found


def _uses(steps: list[Step], output: Any) -> dict[int, int]:
    """Count the steps that take each value."""
    uses: dict[int, int] = {}
    for step in (*steps, Step("output", "", (output,), {}, -1)):
        for number in _arguments(step):
            uses[number] = uses.get(number, 0) + 1
    return uses


def _fuse(steps: list[Step], output: Any) -> list[Step]:
    """Merge a ReLU into the convolution whose result it alone takes."""
    uses = _uses(steps, output)
    made = {step.result: step for step in steps}
    fused: dict[int, Step] = {}
    for step in steps:
        if type(step.call) is nn.ReLU and step.args and isinstance(step.args[0], Value):
            before = made.get(step.args[0].number)
            if before is not None and type(before.call) in CONVOLUTIONS and uses[before.result] == 1:
                fused[before.result] = step
    relus = {step.result for step in fused.values()}
    return [
        Step(step.name, step.call, step.args, step.kwargs, fused[step.result].result, positive=True)
        if step.result in fused
        else step
        for step in steps
        if step.result not in relus
    ]


def _chain(steps: list[Step], output: Any) -> list[Step]:
    """Merge consecutive linear layers, whose intermediate results no other step takes, into one step."""
    uses, out = _uses(steps, output), list[Step]()
    at = 0
    while at < len(steps):
        end = at
        while (
            end < len(steps)
            and type(steps[end].call) in PASSED
            and (
                end == at
                or (steps[end].args == (Value(steps[end - 1].result),) and uses[steps[end - 1].result] == 1)
            )
        ):
            end += 1
        chain = steps[at:end]
        while chain and type(chain[-1].call) is not nn.Linear:
            chain.pop()
        modules = [step.call for step in chain if isinstance(step.call, nn.Module)]
        layers = [module for module in modules if isinstance(module, nn.Linear)]
        # what comes before the first layer may be a dropout of maps
        if layers and type(modules[0]) is nn.Linear and saves(layers):
            out.append(Step(chain[0].name, LinearChain(modules), chain[0].args, {}, chain[-1].result))
            at += len(chain)
        else:
            out.append(steps[at])
            at += 1
    return out


def _forget(steps: list[Step], output: Any) -> list[Step]:
    """List at each step the values that no later step needs, so that their memory can be used again."""
    needed = _arguments(Step("output", "", (output,), {}, -1))
    kept = []
    for step in reversed(steps):
        own = {*_arguments(step), step.result}
        done = tuple(sorted(own - needed))
        needed |= own
        kept.append(Step(step.name, step.call, step.args, step.kwargs, step.result, done, step.positive))
    return kept[::-1]
