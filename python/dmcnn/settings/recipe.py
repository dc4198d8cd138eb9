"""What is trained, and how: the keys of the network, the loss, the optimiser and the constraints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from dmcnn.settings.base import Conflict, Names, setting
from dmcnn.settings.reading import Reading

ARCHITECTURE = (
    "drop_out", "filters_1", "filters_2", "kernel_1", "kernel_2", "pool", "dense_1", "dense_2", "activation", "l2",
    "bits_1", "bits_2",
)  # fmt: skip
"""Keys that go to the network as they are, if they are given; which of them it takes is its own affair."""

LOSSES = ("bce", "cross_entropy", "focal", "gaussian_nll", "clipped_nll")
OPTIMIZERS = ("adam", "nadam")
REGRESSION = ("gaussian_nll", "clipped_nll")
"""Losses of networks that estimate numbers."""

FOR_REGRESSION = (
    "target_scales", "pitch", "diagonal", "covariance", "constraints", "constraint_rate", "constraint_damping",
    "constraint_warmup",
)  # fmt: skip


class Recipe(Reading):
    """The network and how its weights are found."""

    learning_rate: float = setting(
        gt=0, example=0.0005, section="optimisation", description="step size of the optimiser"
    )
    EPOCHS: int = setting(
        ge=1, example=4, section="optimisation", resume="free", description="passes over the training set"
    )

    model: str = setting(
        "mpid",
        section="network",
        description="network; or one of your own, module:Name, of a file beside the cfg or in the working directory",
    )
    drop_out: float | None = setting(
        None, ge=0, lt=1, section="network", description="dropout probability (default: the model's)"
    )
    filters_1: int | None = setting(
        None, ge=1, section="network", description="filters of the first convolution (models that say so)"
    )
    filters_2: int | None = setting(
        None, ge=1, section="network", description="filters of the second convolution"
    )
    kernel_1: int | None = setting(
        None, ge=1, section="network", description="[pixels] side of the first kernel"
    )
    kernel_2: int | None = setting(
        None, ge=1, section="network", description="[pixels] side of the second kernel"
    )
    pool: int | None = setting(None, ge=1, section="network", description="[pixels] side of the pooling")
    dense_1: int | None = setting(
        None, ge=1, section="network", description="neurons of the first dense layer"
    )
    dense_2: int | None = setting(
        None, ge=1, section="network", description="neurons of the second dense layer"
    )
    activation: Literal["relu", "elu"] | None = setting(
        None, section="network", description="activation of the dense layers"
    )
    l2: float | None = setting(
        None, ge=0, section="network", description="penalty per squared weight of the dense layers"
    )
    bits_1: int | None = setting(
        None,
        ge=0,
        le=8,
        section="network",
        description="bits of weights and activations of the convolutions; 0 = not quantised",
    )
    bits_2: int | None = setting(
        None, ge=0, le=8, section="network", description="likewise of the dense layers"
    )

    loss: Annotated[str, Names("dmcnn.losses", LOSSES)] = setting(
        "bce",
        section="loss and targets",
        description="loss function on the logits; of targets gaussian_nll, or clipped_nll as SmartPixels' first one; "
        "or one of your own, see model",
    )
    focal_gamma: float | None = setting(
        None, ge=0, section="loss and targets", description="focusing exponent of loss = focal (default 2)"
    )
    targets: list[str] | None = setting(
        None,
        min_length=1,
        section="loss and targets",
        description="what to estimate, as the files call it; then there are no classes",
    )
    target_scales: list[float] | Literal["fixed", "percentile", "pitch"] = setting(
        "fixed",
        section="loss and targets",
        description="the network sees target / scale: numbers; fixed = 75, 18.75 um, 8, 0.5 of the midplanes and "
        "cotangents; percentile = the 99th of the training files; pitch = 1.5 pitches",
    )
    pitch: list[float] | None = setting(
        None,
        min_length=2,
        max_length=2,
        section="loss and targets",
        description="[um] of the pixels along x and y, for target_scales = pitch",
    )
    diagonal: Literal["softplus", "relu"] = setting(
        "softplus",
        section="loss and targets",
        description="how outputs become the positive diagonal of the covariance's factor",
    )
    covariance: Literal["full", "diagonal"] = setting(
        "full", section="loss and targets", description="of the estimates"
    )

    optimizer: Annotated[str, Names("dmcnn.optimizers", OPTIMIZERS)] = setting(
        "adam",
        section="optimisation",
        description="nadam: as in Keras; or one of your own or of torch, such as torch.optim:AdamW",
    )
    schedule: Literal["constant", "cosine"] = setting(
        "constant",
        section="optimisation",
        description="of the step size; cosine: down to 0 at the end of the training",
    )
    schedule_start: float = setting(
        0.0,
        ge=0,
        lt=1,
        section="optimisation",
        description="share of the training after which it begins, or constraint_warmup if longer",
    )
    weight_limit: float | None = setting(
        None,
        gt=0,
        section="optimisation",
        description="weights and biases are kept within plus and minus this (quantised networks: 1)",
    )
    gradient_limit: float | None = setting(
        None,
        gt=0,
        section="optimisation",
        description="longer gradients are shortened to this norm: single events cannot upset a training",
    )
    l1_weights: float = setting(
        0.0, ge=0, section="optimisation", description="penalty per absolute weight of all kernels"
    )
    l2_weights: float = setting(
        0.0, ge=0, section="optimisation", description="penalty per squared weight of all kernels"
    )
    l2_activity: float = setting(
        0.0,
        ge=0,
        section="optimisation",
        description="penalty per squared input of the hidden activations, mean over the events",
    )
    patience: int = setting(
        0,
        ge=0,
        section="optimisation",
        description="training ends after so many evaluations without a better one; 0 = never",
    )
    constraints: list[str] | None = setting(
        None,
        section="constraints",
        description='what the weights or outputs must obey (MDMM), such as ["zeros >= 0.75", "pull_width == 1"]',
    )
    constraint_rate: float | None = setting(
        None,
        gt=0,
        section="constraints",
        description="gain of a multiplier over the whole training, per unit of the violation",
    )
    constraint_damping: float | None = setting(
        None, ge=0, section="constraints", description="weight of the squared violations"
    )
    constraint_warmup: float | None = setting(
        None,
        ge=0,
        le=1,
        section="constraints",
        description="share of the training over which the constraints come into force",
    )

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.focal_gamma is not None and self.loss != "focal":
            yield ("focal_gamma", "loss"), f"focal_gamma needs loss = 'focal', not {self.loss!r}"
        if self.loss in LOSSES and (self.targets is None) == (self.loss in REGRESSION):
            losses = " and ".join(map(repr, REGRESSION))
            yield (
                ("targets", "loss"),
                f"loss = {self.loss!r} with targets = {self.targets}: {losses} go with targets",
            )
        if self.targets is not None and len(set(self.targets)) != len(self.targets):
            yield ("targets",), f"targets = {self.targets} names one twice"
        if self.targets is None:
            for key in FOR_REGRESSION:
                if getattr(self, key) != type(self).model_fields[key].default:
                    yield (key, "targets"), f"{key} needs targets"
        elif isinstance(self.target_scales, list) and (
            len(self.target_scales) != len(self.targets) or not all(scale > 0 for scale in self.target_scales)
        ):
            yield (
                ("target_scales",),
                f"target_scales = {self.target_scales}: one above 0 for each of {self.targets}",
            )
        if (self.pitch is not None) != (self.target_scales == "pitch"):
            yield ("pitch", "target_scales"), "pitch and target_scales = 'pitch' go together"
        if self.loss == "clipped_nll" and (self.diagonal, self.covariance) != ("relu", "full"):
            yield ("loss", "diagonal"), "loss = 'clipped_nll' has diagonal = 'relu' and covariance = 'full'"
        if self.schedule_start and self.schedule == "constant":
            yield ("schedule_start", "schedule"), "schedule_start needs schedule = 'cosine'"
        for key in ("constraint_rate", "constraint_damping", "constraint_warmup"):
            if getattr(self, key) is not None and not self.constraints:
                yield (key,), f"{key} needs constraints"

    def architecture(self) -> dict[str, Any]:
        """The arguments of the network that the cfg gives."""
        return self.model_dump(include=set(ARCHITECTURE), exclude_none=True)
