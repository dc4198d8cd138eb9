"""Settings of network, loss, targets, optimiser and constraints of a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from dmcnn.settings.base import Conflict, Names, Paths, setting
from dmcnn.settings.optimisation import OptimisationSettings
from dmcnn.settings.resnet import ResNetSettings

ARCHITECTURE = (
    "drop_out", "filters_1", "filters_2", "kernel_1", "kernel_2", "pool", "dense_1", "dense_2", "activation", "l2",
    "bits_1", "bits_2",
)  # fmt: skip
"""Keys that are arguments of the network where the cfg gives them; the network checks which of them it takes."""

FROM_DATA = ("num_class", "channels", "height", "width")
"""Arguments of every network that the data give."""

LOSSES = ("bce", "cross_entropy", "focal", "focal_cross_entropy", "gaussian_nll", "clipped_nll")
REGRESSION = ("gaussian_nll", "clipped_nll")
"""Losses of networks that estimate targets."""

LOSS_OPTIONS = {
    "focal_gamma": ("focal", "focal_cross_entropy"),
    "focal_alpha": ("focal",),
    "label_smoothing": ("cross_entropy",),
}
"""Key -> losses that have this option."""

SAME_TASK = "all trials are judged by the same classes or targets"
"""Reason why a search cannot draw a key."""

FOR_REGRESSION = (
    "target_scales", "pitch", "diagonal", "covariance", "constraints", "constraint_rate", "constraint_damping",
    "constraint_warmup",
)  # fmt: skip


class RecipeSettings(ResNetSettings, OptimisationSettings):
    """Keys of the network and of the optimisation of its weights."""

    model: str = setting(
        "mpid",
        "network",
        "network, or module:Name of your own in the folder of the cfg or the working directory",
    )
    model_arguments: dict[str, Any] | None = setting(
        None, "network", "other arguments of the network, such as {'depth': 3} of one of your own"
    )
    drop_out: float | None = setting(
        None, "network", "dropout probability (default: the model's)", ge=0, lt=1
    )
    filters_1: int | None = setting(
        None, "network", "filters of the first convolution (models with this argument)", ge=1
    )
    filters_2: int | None = setting(None, "network", "filters of the second convolution", ge=1)
    kernel_1: int | None = setting(None, "network", "[pixels] side of the first kernel", ge=1)
    kernel_2: int | None = setting(None, "network", "[pixels] side of the second kernel", ge=1)
    pool: int | None = setting(None, "network", "[pixels] side of the pooling", ge=1)
    dense_1: int | None = setting(None, "network", "neurons of the first dense layer", ge=1)
    dense_2: int | None = setting(None, "network", "neurons of the second dense layer", ge=1)
    activation: Literal["relu", "elu"] | None = setting(None, "network", "activation of the dense layers")
    resnet_pretrained: bool = setting(
        False, "network", "weights of ImageNet at the start; only False, because dmcnn downloads none"
    )
    l2: float | None = setting(None, "network", "penalty per squared weight of the dense layers", ge=0)
    bits_1: int | None = setting(
        None, "network", "bits of weights and activations of the convolutions; 0 = not quantised", ge=0, le=8
    )
    bits_2: int | None = setting(
        None, "network", "bits of weights and activations of the dense layers; 0 = not quantised", ge=0, le=8
    )

    loss: Annotated[str, Names("dmcnn.losses", LOSSES)] = setting(
        "bce",
        "loss and targets",
        "loss on the logits; for targets gaussian_nll, or clipped_nll, the first loss of SmartPixels; or "
        "module:Name of your own, see model",
    )
    focal_gamma: float | None = setting(
        None, "loss and targets", "focusing exponent of loss = focal or focal_cross_entropy (default 2)", ge=0
    )
    focal_alpha: float | None = setting(
        None,
        "loss and targets",
        "weight of the logit of an event's class in loss = focal; that of the others is 1 - focal_alpha "
        "(default: all 1); class_weights are weights of classes",
        gt=0,
        lt=1,
    )
    label_smoothing: float = setting(
        0.0,
        "loss and targets",
        "share of every label that loss = cross_entropy spreads evenly over all classes",
        ge=0,
        lt=1,
    )
    class_weights: Literal["balanced"] | list[float] | dict[str, float] | None = setting(
        None,
        "loss and targets",
        "weights of the classes in the loss: a list in their order, {class: weight}, or balanced: all classes "
        "have the same sum of weights",
    )
    event_weight: str | dict[str, float] | None = setting(
        None,
        "loss and targets",
        "weights of the events in the loss: a column of event_weight_csv, or a number per file such as its POT "
        'scale, {"signal*.root": 0.02, "background.root": 1.5}',
    )
    event_weight_csv: Paths | None = setting(
        None,
        "loss and targets",
        "CSVs with run_number, subrun_number, event_number and the column that event_weight names, of all events",
    )
    targets: list[str] | None = setting(
        None,
        "loss and targets",
        "numbers to estimate, by their names in the files; a network with targets has no classes",
        tune=SAME_TASK,
        min_length=1,
    )
    target_scales: list[float] | Literal["fixed", "percentile", "pitch"] = setting(
        "fixed",
        "loss and targets",
        "the network estimates target / scale: numbers; fixed = 75, 18.75 um, 8, 0.5 for mid-planes and "
        "cotangents; percentile = the 99th of the absolute values in training files; pitch = 1.5 pitches",
    )
    pitch: list[float] | None = setting(
        None,
        "loss and targets",
        "[um] pixel pitch along x and y, for target_scales = pitch",
        min_length=2,
        max_length=2,
    )
    diagonal: Literal["softplus", "relu"] = setting(
        "softplus",
        "loss and targets",
        "function that makes the diagonal of the factor of the covariance positive",
    )
    covariance: Literal["full", "diagonal"] = setting(
        "full", "loss and targets", "covariance of the estimates"
    )

    constraints: list[str] | None = setting(
        None,
        "constraints",
        'constraints on weights or outputs (MDMM), such as ["zeros >= 0.75", "pull_width == 1"]',
    )
    constraint_rate: float | None = setting(
        None, "constraints", "gain of a multiplier over the whole training, per unit of the violation", gt=0
    )
    constraint_damping: float | None = setting(None, "constraints", "weight of the squared violations", ge=0)
    constraint_warmup: float | None = setting(
        None,
        "constraints",
        "share of the training over which the constraints rise to their full strength",
        ge=0,
        le=1,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.reading().get("roi") == "tiles":
            yield (
                ("roi",),
                "roi = 'tiles': a label is that of an event, not of each tile; train on another region",
            )
        if self.resnet_pretrained:
            yield (
                ("resnet_pretrained",),
                "resnet_pretrained = True: dmcnn downloads no weights; start_weights names a file",
            )
        for name in self.model_arguments or {}:
            if name in FROM_DATA:
                yield ("model_arguments",), f"model_arguments: {name!r} is given by the data"
            if name in (*ARCHITECTURE, "norm", "gn_groups"):
                yield ("model_arguments",), f"model_arguments: {name!r} is a key of its own: {name} = …"
        yield from self._loss_options()
        if self.loss in LOSSES and (self.targets is None) == (self.loss in REGRESSION):
            losses = " and ".join(map(repr, REGRESSION))
            yield (
                ("targets", "loss"),
                f"loss = {self.loss!r} with targets = {self.targets}: {losses} need targets, others classes",
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
                f"target_scales = {self.target_scales}: expected a number above 0 for each of {self.targets}",
            )
        if (self.pitch is not None) != (self.target_scales == "pitch"):
            yield ("pitch", "target_scales"), "pitch and target_scales = 'pitch' go together"
        if self.loss == "clipped_nll" and (self.diagonal, self.covariance) != ("relu", "full"):
            yield ("loss", "diagonal"), "loss = 'clipped_nll' needs diagonal = 'relu' and covariance = 'full'"
        for key in ("constraint_rate", "constraint_damping", "constraint_warmup"):
            if getattr(self, key) is not None and not self.constraints:
                yield (key,), f"{key} needs constraints"

    def _loss_options(self) -> Iterator[Conflict]:
        """Yield options that the loss does not have, and weights that contradict each other."""
        for key, losses in LOSS_OPTIONS.items():
            if getattr(self, key) != type(self).model_fields[key].default and self.loss not in losses:
                needed = " or ".join(map(repr, losses))
                yield (key, "loss"), f"{key} needs loss = {needed}, not {self.loss!r}"
        if isinstance(self.event_weight, str) != (self.event_weight_csv is not None):
            keys = "event_weight", "event_weight_csv"
            yield keys, "event_weight_csv and event_weight = 'a column of it' go together"
        given = self.class_weights
        numbers = list(given.values()) if isinstance(given, dict) else given
        if self.class_weights is not None and self.targets is not None:
            yield ("class_weights", "targets"), "class_weights are weights of classes, and targets have none"
        if isinstance(numbers, list) and (min(numbers, default=-1) < 0 or not any(numbers)):
            yield (
                ("class_weights",),
                f"class_weights = {given}: expected numbers of 0 or more, not all of them 0",
            )

    def loss_options(self) -> dict[str, float]:
        """Return the arguments of the loss, see dmcnn.losses.classification."""
        words = {"focal_gamma": "gamma", "focal_alpha": "alpha", "label_smoothing": "smoothing"}
        given = self.model_dump(include=set(words), exclude_defaults=True)
        return {words[key]: value for key, value in given.items()}

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of the network that the cfg gives."""
        given = self.model_dump(include=set(ARCHITECTURE), exclude_none=True) | (self.model_arguments or {})
        return given | self.normalisation(self.model)

    def multipliers(self) -> dict[str, Any]:
        """Return how the constraints are enforced, see training.setup.ConstraintOptions."""
        given = {
            "rate": self.constraint_rate,
            "damping": self.constraint_damping,
            "warmup": self.constraint_warmup,
        }
        return {
            "texts": self.constraints,
            **{what: value for what, value in given.items() if value is not None},
        }
