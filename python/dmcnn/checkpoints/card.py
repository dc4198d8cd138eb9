"""Card of a checkpoint: model, arguments, preprocessing and training of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, get_type_hints

from torch import nn

from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn._common.values import fits
from dmcnn.images.scaling import check_scaling
from dmcnn.metrics.gaussian import Gaussian
from dmcnn.models import MODELS, Maker, find_model
from dmcnn.readers import option_types

Own = str | Maker | Sequence[str | Maker] | None
"""User's own models and readers: ``module:Name``, the class or function of a model, or several of them."""

LARGEST = 2**16
"""Largest side of an image [pixels]."""

KEY = "dmcnn"
"""Key of the card in a checkpoint."""


@dataclass(frozen=True)
class Card:
    """Card of a network: how it was made and how its images are prepared, which is all that inference needs."""

    model: str
    arguments: dict[str, Any]
    classes: list[str]
    signal: str | None
    activation: str
    """Function that maps logits to scores: ``sigmoid`` per logit (as DM-CNN) or ``softmax`` over the classes."""
    reading: dict[str, Any]
    """Options of the reader: adc_lo, adc_hi [ADC], xdim, ydim [pixels], and others that the user set."""
    scaling: str = "none"
    """Scaling of the pixel values after reading, see dmcnn.images.scaling."""
    targets: list[str] = field(default_factory=list)
    """Targets of a regression network, by their names in the files; it has no classes."""
    target_scales: list[float] = field(default_factory=list)
    """Scale of each target, in its unit: the network estimates target / scale."""
    diagonal: str = "softplus"
    covariance: str = "full"
    """Parametrisation of the covariance by the outputs, see ``gaussian``."""
    label: Any = "run == 100"
    loss: str = "bce"
    seed: int | None = None
    epoch: int | None = None
    step: int | None = None
    cfg: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions of dmcnn, Python, NumPy and torch; device, precision and engine of the training (absent: dense);
    system, processor, GPU, threads, and git commit of the user's working directory."""
    data: dict[str, Any] = field(default_factory=dict)
    """Fingerprints and event counts of the training and test sets."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Numbers of the final test on all test events; empty until the training has ended."""
    evaluation: dict[str, float] = field(default_factory=dict)
    """Numbers of the evaluation by which the weights were chosen."""
    chosen_by: str = ""
    """Events on which the weights did best: "validation", or "test"; "" if they are those of the last step."""
    remarks: list[str] = field(default_factory=list)
    """Limits of the meaning of the metrics, a sentence each."""
    origin: list[dict[str, str]] = field(default_factory=list)
    """Kinds of the training files, each once, see ``EventFile.kind``; empty = unknown."""
    start: dict[str, Any] = field(default_factory=dict)
    """Weight file that the training started from, its SHA-256, and the tensors that were new; empty = none."""
    temperature: float = 1.0
    """Divisor of the logits in scores, which calibrates them; 1 = as the network was trained."""
    task: str = ""
    """Name of the task, see dmcnn.tasks; by default regression for a network with targets, else classification."""

    def __post_init__(self) -> None:
        """Check scaling and targets, and fill in the task of an older card."""
        check_scaling(self.scaling)
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"its card: temperature = {self.temperature!r}, expected a number above 0")
        if len(self.targets) != len(self.target_scales):
            raise InputError(f"{len(self.targets)} targets, but {len(self.target_scales)} target scales")
        if not self.task:
            object.__setattr__(self, "task", "regression" if self.targets else "classification")

    @classmethod
    def from_dict(cls, content: Any) -> Card:
        """Return the card in a file.

        Raises:
            InputError: a field is missing, unknown or of another type.
        """
        known, misfit = get_type_hints(cls), "its card does not fit this version of dmcnn"
        if not isinstance(content, dict):
            raise InputError(f"{misfit}: found {type(content).__name__}, expected its fields")
        for name, value in content.items():
            if name not in known:
                raise InputError(f"{misfit}: unknown field {name!r}")
            if not fits(value, known[name]):
                raise InputError(f"{misfit}: {name} = {value!r:.60}, expected {known[name]}")
        required = [entry.name for entry in fields(cls) if entry.default is MISSING is entry.default_factory]
        if absent := [name for name in required if name not in content]:
            raise InputError(f"{misfit}: no field {absent[0]!r}")
        card = cls(**content)
        card._check_arguments()
        return card

    def _check_arguments(self) -> None:
        """Raise InputError for a size of the images, a signal or an option of the reader that cannot be."""
        for axis in ("channels", "height", "width"):
            size = self.arguments.get(
                axis, 1
            )  # without it the network has a default, and no image of that size
            if not (isinstance(size, int) and 0 < size <= LARGEST):
                raise InputError(f"its card: {axis} = {size!r:.60}, expected 1 to {LARGEST}")
        if self.signal is not None and self.signal not in self.classes:
            raise InputError(f"its card: signal = {self.signal!r}, expected one of {', '.join(self.classes)}")
        outputs = self.gaussian.outputs(len(self.targets)) if self.targets else len(self.classes)
        if not outputs or self.arguments.get("num_class", outputs) != outputs:
            raise InputError(
                f"its card: num_class = {self.arguments.get('num_class')!r:.60}, expected {outputs} for "
                f"{len(self.classes)} classes and {len(self.targets)} targets"
            )
        if not isinstance(reader := self.reading.get("reader", ""), str | None):
            raise InputError(f"its card: reader = {reader!r:.60}, expected a name")
        for name, value in self.reading.items():
            if name in option_types() and not fits(value, option_types()[name]):
                raise InputError(f"its card: {name} = {value!r:.60}, expected {option_types()[name]}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the network takes."""
        if missing := [axis for axis in ("channels", "height", "width") if axis not in self.arguments]:
            raise InputError(f"its card has no {' and no '.join(missing)} of the images")
        return self.arguments["channels"], self.arguments["height"], self.arguments["width"]

    @property
    def gaussian(self) -> Gaussian:
        """Parametrisation of a Gaussian by the outputs of a regression network; InputError for an unknown word."""
        return Gaussian(self.covariance, self.diagonal)

    def build(self, own: Own = None) -> nn.Module:
        """Make a new network of this kind.

        Args:
            own: user's own model. A module that only the card names is not imported.

        Raises:
            InputError: an unknown model, a module that the user did not name, or arguments that the model does not
                take.
        """
        try:
            return self._maker(own)(**self.arguments)
        except InputError:
            raise
        except Exception as error:  # the arguments come from a file, and the model may be a user's own
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise InputError(f"model {self.model!r}: {reason}") from None

    def check_reader(self, own: Own) -> None:
        """Raise InputError if the reader on the card is a user's own module that the user has not named."""
        reader = str(self.reading.get("reader") or "")
        if plugins.is_own(reader) and reader not in _as_list(own):
            raise InputError(f"its images are read by {reader!r}: reader = {reader!r} imports it")

    def _maker(self, own: Own) -> Maker:
        """Return the class or function of the model: of dmcnn, an installed package, or a module the user named."""
        words = [word for word in _as_list(own) if isinstance(word, str)]
        makers = [maker for maker in _as_list(own) if not isinstance(maker, str)]
        if makers and self.model not in MODELS:
            return makers[0]
        if plugins.is_own(self.model) and self.model not in words:
            other = f", not {', '.join(map(repr, words))}" if words else ""
            raise InputError(f"its network is {self.model!r}: model = {self.model!r} imports it{other}")
        return find_model(self.model)

    def as_dict(self) -> dict[str, Any]:
        """Return the card as a dict of plain values, so that the file loads without unpickling objects."""
        return asdict(self)


def _as_list(own: Own) -> list[str | Maker]:
    """Return the user's own models and readers as a list."""
    if own is None:
        return []
    return [own] if isinstance(own, str) or callable(own) else list(own)
