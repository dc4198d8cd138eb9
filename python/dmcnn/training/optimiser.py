"""Optimiser, step size, limits of the weights, and penalties."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn.quantisation.quantisers import QuantisedTanh


def _eager(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return the optimiser class without the wrappers that exclude its methods from torch's compiler.

    The first call of such a wrapper imports the compiler, which takes more CPU time than the import of torch.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def adam(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """Return torch's Adam (arXiv:1412.6980)."""
    return _eager(torch.optim.Adam)(parameters, lr=lr)


def nadam(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """Return Keras' Nadam (Dozat 2016) with its defaults, which are not torch's."""
    return _eager(torch.optim.NAdam)(parameters, lr=lr, betas=(0.9, 0.999), eps=1e-7, momentum_decay=1.0)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": adam,
    "nadam": nadam,
}
"""Name -> function of the parameters and the step size ``lr`` that returns an optimiser, as ``torch.optim:AdamW``."""


def constant(share: float) -> float:
    """Return 1: the step size stays."""
    return 1.0


def cosine(share: float) -> float:
    """Return half a period of a cosine from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine}
"""Name -> factor of the step size at a share (0 to 1) of the steps in which it falls; ``cosine`` as in
arXiv:1608.03983, without restarts."""

HIDDEN = (nn.ReLU, nn.ELU, nn.Hardtanh, QuantisedTanh)
"""Activations of hidden layers; their inputs are the activities that ``activity_l2`` penalises."""


@dataclass(frozen=True)
class Recipe:
    """Optimiser of a training with its step size, limits and penalties.

    Attributes:
        learning_rate: step size of the first step.
        optimizer: one of OPTIMIZERS, an entry point of the group dmcnn.optimizers, or ``module:Name``.
        schedule: one of SCHEDULES.
        total: number of steps of the whole training, after which ``cosine`` reaches 0.
        hold: number of steps before ``cosine`` begins to fall: constraints need full steps to take effect.
        weight_limit: largest absolute value of weights and biases; None = no limit.
        gradient_limit: largest norm of the gradient, to which longer gradients are scaled; None = no limit.
        l1: factor of the sum of the absolute values of the kernels.
        l2: factor of the sum of the squares of the kernels.
        activity_l2: factor of the sum of the squared inputs of hidden activations, averaged over the batch.

    Raises:
        ValueError: unknown optimiser or schedule.
    """

    learning_rate: float
    optimizer: str = "adam"
    schedule: str = "constant"
    total: int = 1
    hold: int = 0
    weight_limit: float | None = None
    gradient_limit: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    activity_l2: float = 0.0

    def __post_init__(self) -> None:
        known = plugins.find(self.optimizer, OPTIMIZERS, "dmcnn.optimizers") is not None
        if not known or self.schedule not in SCHEDULES:
            raise ValueError(
                f"optimizer {self.optimizer!r}, expected one of {', '.join(OPTIMIZERS)}, or module:Name; "
                f"schedule {self.schedule!r}, expected one of {', '.join(SCHEDULES)}"
            )

    def make_optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return a new optimiser of the parameters of ``net``.

        Raises:
            InputError: a plug-in that cannot be called with (parameters, lr), or returns something else.
        """
        maker = plugins.find(self.optimizer, OPTIMIZERS, "dmcnn.optimizers")
        assert maker is not None
        try:
            optimizer = maker(net.parameters(), lr=self.learning_rate)
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer {self.optimizer}: {error}") from None
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(
                f"optimizer {self.optimizer}: returns a {type(optimizer).__name__}, expected a torch optimiser"
            )
        return optimizer

    def rate(self, step: int) -> float:
        """Return the step size of the step with this number, from 0."""
        share = max(0, step - self.hold) / max(1, self.total - self.hold)
        return self.learning_rate * SCHEDULES[self.schedule](min(1.0, share))

    def penalty(self, net: nn.Module) -> torch.Tensor | float:
        """Return l1 sum|w| + l2 sum w^2 over the kernels; biases are free."""
        if not (self.l1 or self.l2):
            return 0.0
        kernels = [weight for weight in net.parameters() if weight.ndim > 1]
        absolute = self.l1 * sum(weight.abs().sum() for weight in kernels)
        return absolute + self.l2 * sum(weight.square().sum() for weight in kernels)

    @torch.no_grad()
    def limit_(self, net: nn.Module) -> None:
        """Clamp all weights and biases of ``net`` to the limit, in place."""
        if self.weight_limit is not None:
            for weight in net.parameters():
                weight.clamp_(-self.weight_limit, self.weight_limit)


@dataclass
class Activity:
    """Squared activities of the forward passes since the last call of ``penalty``.

    Attributes:
        strength: factor of the penalty.
        squares: sum of the squared inputs of each hidden activation, averaged over the batch.
    """

    strength: float
    squares: list[torch.Tensor] = field(default_factory=list)

    def penalty(self) -> torch.Tensor | float:
        """Return the scalar penalty, and drop the activities."""
        squares, self.squares = self.squares, []
        return self.strength * torch.stack(squares).sum() if squares else 0.0

    def _record(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Add the activities of one forward pass; a hook of the activations."""
        if torch.is_grad_enabled():
            self.squares.append(inputs[0].square().sum() / len(inputs[0]))


@contextmanager
def record_activity(net: nn.Module, strength: float) -> Iterator[Activity]:
    """Yield the activity of ``net``, which hooks record within the block unless ``strength`` is 0.

    Raises:
        InputError: a strength, but no module whose activity could be recorded.
    """
    activity = Activity(strength)
    hooks = [
        module.register_forward_pre_hook(activity._record)
        for module in net.modules()
        if strength and isinstance(module, HIDDEN)
    ]
    if strength and not hooks:
        listed = ", ".join(kind.__name__ for kind in HIDDEN)
        raise InputError(
            f"l2_activity = {strength:g}: {type(net).__name__} has no module of {listed}, whose inputs it is about"
        )
    try:
        yield activity
    finally:
        for hook in hooks:
            hook.remove()
