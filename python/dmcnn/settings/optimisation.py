"""Settings of the optimisation of a network: optimiser, step sizes, limits, averages, and its first weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from dmcnn._common.plugins import is_own
from dmcnn.settings.base import Conflict, Names, setting
from dmcnn.settings.engine import EngineSettings

OPTIMIZERS = ("adam", "adamw", "nadam", "sgd")
DECAY = ("adamw", "sgd")
"""Optimisers with a weight decay of their own; the others have l2_weights."""


class OptimisationSettings(EngineSettings):
    """Keys of the optimisation of the weights."""

    learning_rate: float = setting(..., "optimisation", "step size of the optimiser", gt=0, example=0.0005)
    EPOCHS: int = setting(
        ..., "optimisation", "passes over the training set", ge=1, le=10**6, example=4, resume="free"
    )
    optimizer: Annotated[str, Names("dmcnn.optimizers", OPTIMIZERS)] = setting(
        "adam",
        "optimisation",
        "optimiser; nadam as in Keras; or module:Name of your own or of torch, such as torch.optim:RMSprop",
    )
    momentum: float | None = setting(
        None, "optimisation", "momentum of optimizer = sgd (default 0)", ge=0, lt=1
    )
    nesterov: bool = setting(False, "optimisation", "Nesterov's momentum, of optimizer = sgd")
    weight_decay: float | None = setting(
        None,
        "optimisation",
        "share of the kernels, times the step size, that a step of adamw takes off (default 0.01); for sgd as "
        "l2_weights of half this value (default 0)",
        ge=0,
    )
    schedule: Literal["constant", "cosine", "step", "plateau"] = setting(
        "constant",
        "optimisation",
        "schedule of the step size; cosine: falls to 0 at the end of the training; step: falls after "
        "schedule_epochs; plateau: falls after schedule_patience evaluations without improvement",
    )
    schedule_start: float = setting(
        0.0,
        "optimisation",
        "share of the training before the step size falls, or constraint_warmup if that is longer",
        ge=0,
        lt=1,
    )
    schedule_factor: float | None = setting(
        None,
        "optimisation",
        "factor of the step size at every fall of schedule = step or plateau (default 0.1)",
        gt=0,
        lt=1,
    )
    schedule_epochs: int | list[int] | None = setting(
        None,
        "optimisation",
        "epochs between the falls of schedule = step, or a list of the epochs after which it falls",
    )
    schedule_patience: int | None = setting(
        None,
        "optimisation",
        "number of evaluations without improvement before every fall of schedule = plateau",
        ge=1,
    )
    warmup: float = setting(
        0.0,
        "optimisation",
        "share of the training over which the step size rises to that of the schedule",
        ge=0,
        lt=1,
    )
    accumulate: int = setting(
        1, "optimisation", "batches of batch_size_train images whose gradients make one step", ge=1
    )
    weight_limit: float | None = setting(
        None,
        "optimisation",
        "limit of the absolute value of weights and biases (quantised networks: 1)",
        gt=0,
    )
    gradient_limit: float | None = setting(
        None,
        "optimisation",
        "gradients with a larger norm are scaled to this norm, which limits the effect of single events",
        gt=0,
    )
    l1_weights: float = setting(0.0, "optimisation", "penalty per absolute weight of all kernels", ge=0)
    l2_weights: float = setting(0.0, "optimisation", "penalty per squared weight of all kernels", ge=0)
    l2_activity: float = setting(
        0.0, "optimisation", "penalty per squared input of the hidden activations, mean over events", ge=0
    )
    ema: float | None = setting(
        None,
        "optimisation",
        "evaluate and keep moving averages of the weights, of which a step leaves this share, such as 0.999",
        gt=0,
        lt=1,
    )
    patience: int = setting(
        0,
        "optimisation",
        "number of evaluations without improvement after which the training ends; 0 = never",
        ge=0,
    )
    compile: bool = setting(False, "machine", "compile the network for its dense engine (torch.compile)")
    find_rate: bool = setting(
        False,
        "optimisation",
        "train nothing, but tell the loss of a short run with rising step sizes, and suggest a learning_rate",
        resume="free",
        trials="none",
        tune="find_rate = True trains nothing",
    )
    start_weights: str | None = setting(
        None,
        "fine-tuning",
        "weight file whose weights the training starts from; the last layer is new where the classes differ",
    )
    freeze: list[str] | None = setting(
        None,
        "fine-tuning",
        'names of parameters or modules that keep their weights, with wildcards, such as ["conv*", "layer1"]',
        min_length=1,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        yield from self._optimizer()
        yield from self._schedule()
        if self.compile and self.engine == "sparse":
            yield ("compile", "engine"), "compile = True is about the dense engine, not engine = 'sparse'"
        if self.compile and self.l2_activity:
            yield ("compile", "l2_activity"), "l2_activity looks into the network, which compile = True hides"

    def _optimizer(self) -> Iterator[Conflict]:
        """Yield options that the optimiser does not have; one of the user's own checks them itself."""
        named = self.optimizer if self.optimizer in OPTIMIZERS and not is_own(self.optimizer) else None
        for key, has in (("momentum", ("sgd",)), ("nesterov", ("sgd",)), ("weight_decay", DECAY)):
            if named and named not in has and getattr(self, key) not in (None, False):
                more = "; l2_weights is a penalty" if key == "weight_decay" else ""
                yield (key, "optimizer"), f"{key} needs optimizer = {' or '.join(map(repr, has))}{more}"
        if self.nesterov and named == "sgd" and not self.momentum:
            yield ("nesterov", "momentum"), "nesterov = True needs a momentum above 0"

    def _schedule(self) -> Iterator[Conflict]:
        """Yield keys of another schedule, and those that the schedule lacks."""
        if self.schedule_start and self.schedule != "cosine":
            yield ("schedule_start", "schedule"), "schedule_start needs schedule = 'cosine'"
        if self.schedule_factor is not None and self.schedule not in ("step", "plateau"):
            yield ("schedule_factor", "schedule"), "schedule_factor needs schedule = 'step' or 'plateau'"
        for key, word in (("schedule_epochs", "step"), ("schedule_patience", "plateau")):
            if (getattr(self, key) is not None) != (self.schedule == word):
                yield (key, "schedule"), f"{key} and schedule = {word!r} go together"
        epochs = self.schedule_epochs
        rises = [0, *(epochs if isinstance(epochs, list) else [1 if epochs is None else epochs])]
        if len(rises) == 1 or any(after <= before for before, after in pairwise(rises)):
            expected = "expected a number above 0, or a rising list of such"
            yield ("schedule_epochs",), f"schedule_epochs = {epochs}: {expected}"
        if 0 < self.patience <= (self.schedule_patience or 0):
            yield (
                ("patience", "schedule_patience"),
                f"patience = {self.patience} ends the training before "
                f"schedule_patience = {self.schedule_patience} acts",
            )

    def optimizer_options(self) -> dict[str, float | bool]:
        """Return the arguments of the optimiser that the cfg gives."""
        return self.model_dump(include={"momentum", "nesterov", "weight_decay"}, exclude_defaults=True)

    def recipe(self) -> dict[str, Any]:
        """Return what every step does to the weights, see training.optimiser.Recipe."""
        given = self.model_dump(include={"schedule_factor"}, exclude_none=True)
        return {
            **self.model_dump(
                include={
                    "learning_rate",
                    "optimizer",
                    "schedule",
                    "weight_limit",
                    "gradient_limit",
                    "ema",
                    "compile",
                }
            ),
            **given,
            "options": self.optimizer_options(),
            "schedule_epochs": self.schedule_epochs or (),
            "freeze": tuple(self.freeze or ()),
            "l1": self.l1_weights,
            "l2": self.l2_weights,
            "activity_l2": self.l2_activity,
        }
