"""Optimiser, schedules of the step size, limits of the weights, and penalties."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


def _fused(
    kind: type[torch.optim.Optimizer], parameters: Iterable[Any], **options: Any
) -> torch.optim.Optimizer:
    """Return the optimiser with torch's fused kernels, where the parameters allow them.

    They read and write every weight and its moments once: a step of Adam takes a third of the time. A state that
    was stored without them goes on without them.
    """
    given = list(parameters)
    all_of = [p for one in given for p in (one["params"] if isinstance(one, dict) else [one])]
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in all_of)
    return _eager(kind)(given, fused=fused or None, **options)


def adam(parameters: Iterable[Any], lr: float) -> torch.optim.Optimizer:
    """Return torch's Adam (arXiv:1412.6980)."""
    return _fused(torch.optim.Adam, parameters, lr=lr)


def adamw(parameters: Iterable[Any], lr: float, weight_decay: float = 0.01) -> torch.optim.Optimizer:
    """Return torch's AdamW (arXiv:1711.05101): a step also takes lr * weight_decay of the kernels off."""
    return _fused(torch.optim.AdamW, parameters, lr=lr, weight_decay=weight_decay)


def nadam(parameters: Iterable[Any], lr: float) -> torch.optim.Optimizer:
    """Return Keras' Nadam (Dozat 2016) with its defaults, which are not torch's."""
    return _eager(torch.optim.NAdam)(parameters, lr=lr, betas=(0.9, 0.999), eps=1e-7, momentum_decay=1.0)


def sgd(parameters: Iterable[Any], lr: float, **options: Any) -> torch.optim.Optimizer:
    """Return torch's stochastic gradient descent; options momentum, nesterov and weight_decay."""
    return _fused(torch.optim.SGD, parameters, lr=lr, **options)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "nadam": nadam,
    "sgd": sgd,
}
"""Name -> function of the parameters (or groups of them), the step size ``lr`` and options that returns an optimiser,
as ``torch.optim:RMSprop``."""


def constant(recipe: Recipe, step: int, falls: int) -> float:
    """Return 1: the step size stays."""
    return 1.0


def cosine(recipe: Recipe, step: int, falls: int) -> float:
    """Return half a period of a cosine from 1 down to 0 (arXiv:1608.03983, without restarts)."""
    share = max(0, step - recipe.hold) / max(1, recipe.total - recipe.hold)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def fall_by_epochs(recipe: Recipe, step: int, falls: int) -> float:
    """Return the power of the factor with the number of falls up to an epoch."""
    epoch, at = step // recipe.per_epoch, recipe.schedule_epochs
    count = epoch // at if isinstance(at, int) else sum(epoch >= one for one in at)
    return float(recipe.schedule_factor**count)


def fall_by_evaluations(recipe: Recipe, step: int, falls: int) -> float:
    """Return the power of the factor with the number of falls so far, see ``plateaus``."""
    return float(recipe.schedule_factor**falls)


SCHEDULES: dict[str, Callable[[Recipe, int, int], float]] = {
    "constant": constant,
    "cosine": cosine,
    "step": fall_by_epochs,
    "plateau": fall_by_evaluations,
}
"""Name -> factor of the step size at a step, after a number of plateaus."""


def plateaus(ranks: Sequence[tuple[float, ...]], patience: int) -> int:
    """Return how often ``patience`` evaluations in a row brought no improvement.

    Args:
        ranks: keys of the evaluations so far, which are larger for better ones.
        patience: number of evaluations without improvement, after which the count begins anew.
    """
    count = waiting = 0
    best: tuple[float, ...] | None = None
    for rank in ranks:
        if best is None or rank > best:
            best, waiting = rank, 0
        else:
            waiting += 1
        if waiting == patience:
            count, waiting = count + 1, 0
    return count


HIDDEN = (nn.ReLU, nn.ELU, nn.Hardtanh, QuantisedTanh)
"""Activations of hidden layers; their inputs are the activities that ``activity_l2`` penalises."""


@dataclass(frozen=True)
class Recipe:
    """Optimiser of a training with its step size, limits and penalties.

    Attributes:
        learning_rate: step size of the schedule before it falls.
        optimizer: one of OPTIMIZERS, an entry point of the group dmcnn.optimizers, or ``module:Name``.
        options: arguments of the optimiser, such as ``momentum``. Without a plug-in, ``weight_decay`` is about
            kernels alone; biases and normalisations are free.
        schedule: one of SCHEDULES.
        total: number of steps of the whole training, after which ``cosine`` reaches 0.
        hold: number of steps before ``cosine`` begins to fall: constraints need full steps to take effect.
        warmup: number of steps over which the step size rises linearly to that of the schedule.
        per_epoch: number of steps of an epoch.
        schedule_factor: factor of the step size at every fall of ``step`` and ``plateau``.
        schedule_epochs: epochs between two falls of ``step``, or those after which it falls.
        batch_size: images per forward pass, whose gradients add up to those of a step; None = all of a step.
        ema: share of the moving averages of the weights that a step leaves; None = no averages.
        freeze: names of parameters and modules that keep their weights, with wildcards.
        compile: whether torch.compile compiles the network for the dense engine.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    total: int = 1
    hold: int = 0
    warmup: int = 0
    per_epoch: int = 1
    schedule_factor: float = 0.1
    schedule_epochs: int | Sequence[int] = ()
    batch_size: int | None = None
    ema: float | None = None
    freeze: Sequence[str] = ()
    compile: bool = False
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
            InputError: a plug-in that cannot be called with (parameters, lr) and the options, or returns something
                else.
        """
        maker = plugins.find(self.optimizer, OPTIMIZERS, "dmcnn.optimizers")
        assert maker is not None
        try:
            optimizer = maker(self._groups(net), lr=self.learning_rate, **self.options)
        except (TypeError, ValueError) as error:
            raise InputError(f"optimizer {self.optimizer}: {error}") from None
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(
                f"optimizer {self.optimizer}: returns a {type(optimizer).__name__}, expected a torch optimiser"
            )
        return optimizer

    def _groups(self, net: nn.Module) -> list[Any]:
        """Return the parameters of ``net``; where kernels decay, in two groups."""
        parameters = list(net.parameters())
        if self.optimizer != "adamw" and not (self.optimizer == "sgd" and self.options.get("weight_decay")):
            return parameters
        kernels, others = ([p for p in parameters if (p.ndim > 1) == decays] for decays in (True, False))
        groups: list[dict[str, Any]] = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]

    def rate(self, step: int, falls: int = 0) -> float:
        """Return the step size of the step with this number, from 0, after ``falls`` plateaus."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * SCHEDULES[self.schedule](self, step, falls) * rise

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
                if weight.requires_grad:
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
