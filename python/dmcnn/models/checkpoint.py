"""Weight files that say how they were made, and the bare ones of DM-CNN."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dmcnn.errors import InputError, nearest
from dmcnn.gaussian import outputs_of
from dmcnn.models import MODELS
from dmcnn.models.mpid import FILTERS
from dmcnn.scaling import check_scaling

KEY = "dmcnn"
"""Where a checkpoint keeps its card."""

DM_CNN_READING = {"adc_lo": 10.0, "adc_hi": 500.0}
"""What DM-CNN's scripts do to the pixels; its weight files do not say."""


@dataclass(frozen=True)
class Card:
    """How a network was made and how its images must be prepared: all that inference needs to know."""

    model: str
    arguments: dict[str, Any]
    classes: list[str]
    signal: str | None
    activation: str
    """``sigmoid`` per logit (as DM-CNN) or ``softmax`` over the classes."""
    reading: dict[str, Any]
    """adc_lo, adc_hi [ADC], xdim, ydim [pixels], and plane, producer, image_index where they were chosen."""
    scaling: str = "none"
    """Of the pixel values, after reading: see dmcnn.scaling."""
    targets: list[str] = field(default_factory=list)
    """What a regression network estimates, as its files call it; it has no classes then."""
    target_scales: list[float] = field(default_factory=list)
    """One per target, in its unit: the network sees target / scale."""
    diagonal: str = "softplus"
    covariance: str = "full"
    """How outputs become a covariance: see dmcnn.training.gaussian."""
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

    def __post_init__(self) -> None:
        check_scaling(self.scaling)
        if len(self.targets) != len(self.target_scales):
            raise InputError(f"{len(self.targets)} targets and {len(self.target_scales)} scales of them")

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for an image: logits of the classes, or an estimate with its covariance."""
        return outputs_of(len(self.targets), self.covariance) if self.targets else len(self.classes)

    def build(self) -> nn.Module:
        """A new network of this kind."""
        if self.model not in MODELS:
            raise InputError(
                f"unknown model {self.model!r}{nearest(self.model, MODELS)}; known: {', '.join(MODELS)}"
            )
        try:
            return MODELS[self.model](**self.arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            said = str(error).partition("\n")[0]
            raise InputError(f"model {self.model!r}: {said}") from None

    def as_dict(self) -> dict[str, Any]:
        """Plain values only, so that the file loads without unpickling objects."""
        return asdict(self)

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, classes) scores of (n, classes) logits, in float64."""
        logits = logits.double()
        return logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(dim=1)


def load(path: str | Path) -> tuple[nn.Module, Card]:
    """The network of a checkpoint in evaluation mode on the CPU, and its card.

    Reads dmcnn's checkpoints and DM-CNN's ``.pwf``, which are bare state dicts of MPID. Nothing in the file is
    executed (``weights_only``). InputError if it is neither.
    """
    content = read(path)
    if KEY in content:
        card = _card(content[KEY], path)
        state = {name.removeprefix("net."): tensor for name, tensor in content["state_dict"].items()}
    else:
        state = _bare(content, path)
        card = _legacy_card(state, path)
    net = card.build()
    _fill(net, state, path)
    return net.eval(), card


def read(path: str | Path) -> dict[str, Any]:
    """The dict in a torch file, tensors on the CPU; InputError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the pickle protocol of files that are refused anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        reason = (
            "it holds more than weights, which would have to be executed"
            if "Unsupported" in str(error)
            else ""
        )
        raise InputError(f"{path}: refused as a weight file{': ' + reason if reason else ''}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, IndexError, TypeError):
        raise InputError(f"{path}: not a weight file, or truncated") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dict of tensors, found {type(content).__name__}")
    return content


def _card(content: Any, path: str | Path) -> Card:
    try:
        return Card(**content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except TypeError as error:
        raise InputError(f"{path}: its description does not fit this version of dmcnn ({error})") from None


def _bare(content: Mapping[str, Any], path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict itself, also where a script wrapped it or trained it with DataParallel."""
    nested = content.get("state_dict", content)
    state = {str(name).removeprefix("module."): value for name, value in nested.items()}
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(
            f"{path}: expected a dict of tensors, found {', '.join(map(str, list(content)[:4]))}"
        )
    return state


def _legacy_card(state: Mapping[str, torch.Tensor], path: str | Path) -> Card:
    """The MPID that a bare state dict must belong to, from its shapes."""
    try:
        num_class = state["classifier.4.weight"].shape[0]
        channels = state["features.0.weight"].shape[1]
        maps = state["classifier.1.weight"].shape[1] // FILTERS[-1]
    except (KeyError, IndexError):
        raise InputError(f"{path}: not MPID's weights: it holds {', '.join(list(state)[:3])}, …") from None
    side = 64 * round(maps**0.5)
    classes = ["signal", "background"] if num_class == 2 else [f"class{i}" for i in range(num_class)]
    return Card(
        model="mpid",
        arguments={"num_class": num_class, "channels": channels, "height": side, "width": side},
        classes=classes,
        signal="signal" if num_class == 2 else None,
        activation="sigmoid",
        reading={**DM_CNN_READING, "xdim": side, "ydim": side},
    )


def _fill(net: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Copy ``state`` into ``net``; InputError if a tensor is missing, unknown, of another shape or not finite."""
    want = net.state_dict()
    faults = [f"no tensor {name!r}" for name in want if name not in state]
    faults += [f"unknown tensor {name!r}{nearest(name, want)}" for name in state if name not in want]
    faults += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in want.items()
        if name in state and state[name].shape != tensor.shape
    ]
    faults += [
        f"{name} holds NaN or Inf" for name in want if name in state and not state[name].isfinite().all()
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{path}: does not fit {type(net).__name__}: {faults[0]}{more}")
    net.load_state_dict(dict(state))
