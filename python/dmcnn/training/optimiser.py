"""How weights are moved: optimiser, step size, limits and penalties."""

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
    """Return the optimiser class without the wrappers that keep torch's compiler out of its methods.

    Their first call imports that compiler, which takes more CPU time than torch itself.
    """
    wrapped = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
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
"""Name -> what makes an optimiser of the parameters with the step size ``lr``, as ``torch.optim:AdamW`` does."""

SCHEDULES = ("constant", "cosine")
"""``cosine``: from the full step size to none (arXiv:1608.03983, without restarts)."""

HIDDEN = (nn.ReLU, nn.ELU, nn.Hardtanh, QuantisedTanh)
"""Activations, whose inputs are the activities of the hidden layers."""


@dataclass(frozen=True)
class Recipe:
    """What every step does to the weights beside following the loss.

    Attributes:
        learning_rate: step size at the beginning.
        optimizer: one of OPTIMIZERS, an entry point of the group dmcnn.optimizers, or ``module:Name``.
        schedule: one of SCHEDULES.
        total: steps of the whole training, at whose end ``cosine`` arrives.
        hold: steps before it begins to fall: what constraints force on the weights takes full steps.
        weight_limit: weights and biases are kept within plus and minus this; None = free.
        gradient_limit: longer gradients are shortened to this norm; None = as they are.
        l1: penalty per absolute weight of the kernels.
        l2: penalty per squared weight of the kernels.
        activity_l2: penalty per squared input of the hidden activations, summed over a frame and averaged over the
            batch.

    Raises:
        ValueError: an optimiser or schedule that is none of them.
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
                f"optimizer {self.optimizer!r} of {(*OPTIMIZERS,)}, schedule {self.schedule!r} of {SCHEDULES}"
            )

    def optimizer_of(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return a new optimiser of the weights of ``net``; InputError if one of one's own cannot be made."""
        maker = plugins.find(self.optimizer, OPTIMIZERS, "dmcnn.optimizers")
        assert maker is not None
        try:
            made = maker(net.parameters(), lr=self.learning_rate)
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer {self.optimizer}: {error}") from None
        if not isinstance(made, torch.optim.Optimizer):
            raise InputError(
                f"optimizer {self.optimizer}: gives a {type(made).__name__}, expected an optimiser of torch"
            )
        return made

    def rate(self, step: int) -> float:
        """Step size of a step, a function of its number alone."""
        if self.schedule == "constant":
            return self.learning_rate
        done = max(0, step - self.hold) / max(1, self.total - self.hold)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def penalty(self, net: nn.Module) -> torch.Tensor | float:
        """Of the weights; biases are free."""
        if not (self.l1 or self.l2):
            return 0.0
        kernels = [weight for weight in net.parameters() if weight.ndim > 1]
        found = self.l1 * sum(weight.abs().sum() for weight in kernels)
        return found + self.l2 * sum(weight.square().sum() for weight in kernels)

    @torch.no_grad()
    def limit_(self, net: nn.Module) -> None:
        """Move weights back that left their limits."""
        if self.weight_limit is not None:
            for weight in net.parameters():
                weight.clamp_(-self.weight_limit, self.weight_limit)


@dataclass
class Activity:
    """The penalty on the activities of the forward passes since it was last taken."""

    strength: float
    found: list[torch.Tensor] = field(default_factory=list)

    def take(self) -> torch.Tensor | float:
        """The penalty; what was seen is forgotten."""
        found, self.found = self.found, []
        return self.strength * torch.stack(found).sum() if found else 0.0

    def _see(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled():
            self.found.append(inputs[0].square().sum() / len(inputs[0]))


@contextmanager
def activity(net: nn.Module, strength: float) -> Iterator[Activity]:
    """Watch the inputs of the hidden activations of ``net``; of a strength of 0, nothing."""
    seen = Activity(strength)
    hooks = [
        module.register_forward_pre_hook(seen._see)
        for module in net.modules()
        if strength and isinstance(module, HIDDEN)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
