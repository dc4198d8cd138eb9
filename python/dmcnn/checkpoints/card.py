"""Card of a checkpoint: model, arguments, preprocessing and training of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest
from dmcnn.images.scaling import check_scaling
from dmcnn.metrics.gaussian import Gaussian
from dmcnn.models import MODELS, Maker, find_model

Own = str | Maker | Sequence[str | Maker] | None
"""User's own models and readers: ``module:Name``, the class or function of a model, or several of them."""

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
    """Versions of dmcnn, Python, NumPy and torch; device and precision of the training."""
    data: dict[str, Any] = field(default_factory=dict)
    """Fingerprints and event counts of the training and test sets."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Numbers of the final test on all test events; empty until the training has ended."""
    evaluation: dict[str, float] = field(default_factory=dict)
    """Numbers of the evaluation by which the weights were chosen."""
    chosen_by: str = ""
    """Events on which the weights did best: "validation", or "test"; "" if they are those of the last step."""
    remarks: list[str] = field(default_factory=list)
    """What limits the meaning of the metrics, a sentence each."""
    origin: list[dict[str, str]] = field(default_factory=list)
    """Kinds of the training files, each once, see ``EventFile.kind``; empty = unknown."""
    task: str = ""
    """Name of the task, see dmcnn.tasks; by default regression for a network with targets, else classification."""

    def __post_init__(self) -> None:
        """Check scaling and targets, and fill in the task of an older card."""
        check_scaling(self.scaling)
        if len(self.targets) != len(self.target_scales):
            raise InputError(f"{len(self.targets)} targets, but {len(self.target_scales)} target scales")
        if not self.task:
            object.__setattr__(self, "task", "regression" if self.targets else "classification")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the network takes."""
        channels, height, width = (self.arguments[axis] for axis in ("channels", "height", "width"))
        return channels, height, width

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
        except (TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            reason = str(error).partition("\n")[0]
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
        maker = find_model(self.model)
        if maker is None:
            known = [*MODELS, *plugins.names("dmcnn.models")]
            raise InputError(
                f"unknown model {self.model!r}{nearest(self.model, known)}; known: {', '.join(known)}"
            )
        return maker

    def as_dict(self) -> dict[str, Any]:
        """Return the card as a dict of plain values, so that the file loads without unpickling objects."""
        return asdict(self)


def _as_list(own: Own) -> list[str | Maker]:
    """Return the user's own models and readers as a list."""
    if own is None:
        return []
    return [own] if isinstance(own, str) or callable(own) else list(own)
