"""Attribution: maps of how much every pixel matters for an output of a network, by methods with one interface.

target = Target(0)
for method in build(["lariat"], n_samples=8):
    maps = method(net, images, target)      # (B, C, H, W)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from dmcnn._common import plugins
from dmcnn._common.errors import InputError, nearest
from dmcnn.attribution.base import Method
from dmcnn.attribution.methods.cam import (
    GradCam,
    GradCamBox,
    GradCamPlusPlus,
    GuidedGradCam,
    LayerCam,
    ScoreCam,
)
from dmcnn.attribution.methods.gradients import DeepLift, ExpectedGradients, InputXGradient, Saliency
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.noise import SmoothGrad, SmoothRectGrad, VarGrad
from dmcnn.attribution.methods.occlusion import Occlusion
from dmcnn.attribution.methods.relu import Deconvolution, GuidedBackprop, RectGrad
from dmcnn.attribution.target import Target

__all__ = ["LARIAT", "METHODS", "Method", "Target", "build"]

METHODS: dict[str, type[Method]] = {
    "input_with_grad_cam_box": GradCamBox,
    "grad_cam": GradCam,
    "saliency": Saliency,
    "smooth_grad": SmoothGrad,
    "integrated_gradients": IntegratedGradients,
    "smooth_rect_grad": SmoothRectGrad,
    "guided_backprop": GuidedBackprop,
    "guided_grad_cam": GuidedGradCam,
    "grad_cam_pp": GradCamPlusPlus,
    "layer_cam": LayerCam,
    "score_cam": ScoreCam,
    "rect_grad": RectGrad,
    "deconvolution": Deconvolution,
    "input_x_gradient": InputXGradient,
    "expected_gradients": ExpectedGradients,
    "deep_lift": DeepLift,
    "var_grad": VarGrad,
    "occlusion": Occlusion,
}

LARIAT = tuple(METHODS)[:8]
"""The eight methods of the LArIAT table."""

GROUP = "dmcnn.methods"
"""Group of entry points by which other packages add methods; ``module:Name`` names a method of one's own."""

SETS = {"lariat": LARIAT, "all": tuple(METHODS)}


def expand_names(names: str | Iterable[str]) -> list[str]:
    """Return the names of methods, each once, with the names of sets replaced by their methods.

    Raises:
        InputError: an unknown name, or no name.
    """
    words = [names] if isinstance(names, str) else list(names)
    selected = list(dict.fromkeys(name for word in words for name in SETS.get(word, (word,))))
    known = [*METHODS, *SETS]
    faults = [
        f"unknown method {name!r}{nearest(name, known)}; known: {', '.join(known)}"
        for name in selected
        if plugins.find(name, METHODS, GROUP) is None
    ]
    if faults or not selected:
        raise InputError(*(faults or ["no method is named"]))
    return selected


def method_class(name: str) -> type[Method]:
    """Return the class of a method by its name; InputError if it is no attribution method."""
    method: Any = plugins.find(name, METHODS, GROUP)
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise InputError(f"method {name}: expected a subclass of dmcnn.attribution.Method")
    return method


def takes(names: str | Iterable[str], option: str) -> bool:
    """Return whether any of the methods has an option of this name."""
    return any(option in option_names(method_class(name)) for name in expand_names(names))


def build(names: str | Iterable[str], **options: Any) -> list[Method]:
    """Return methods by their names, each once; "lariat" and "all" are sets of methods.

    Args:
        names: names of METHODS, sets, or ``module:Name``.
        options: options of the methods; each goes to every method that has it, also to one inside another (SmoothGrad
            of …).

    Raises:
        InputError: an unknown name, or an option that none of the methods has.
    """
    selected = expand_names(names)
    known = set().union(*(option_names(method_class(name)) for name in selected))
    faults = [
        f"option {word!r}{nearest(word, known)}: none of {', '.join(selected)} takes it"
        for word in options
        if word not in known
    ]
    if faults:
        raise InputError(*faults)
    return [_make(method_class(name), options) for name in selected]


def option_names(method: type[Method]) -> set[str]:
    """Return the names of the options of a method and of the methods inside it."""
    inside = _parts(method)
    own = {field.name for field in fields(method)} - set(inside)
    return own.union(*(option_names(part) for part in inside.values()))


def _parts(method: type[Method]) -> dict[str, type[Method]]:
    """Return the default class of every field that holds another method."""
    defaults: dict[str, Any] = {field.name: field.default_factory for field in fields(method)}
    return {
        name: part for name, part in defaults.items() if isinstance(part, type) and issubclass(part, Method)
    }


def _make(method: type[Method], options: dict[str, Any]) -> Method:
    """Return a method, and the methods inside it, with their options."""
    inside = _parts(method)
    own: dict[str, Any] = {name: _make(part, options) for name, part in inside.items()}
    own |= {field.name: options[field.name] for field in fields(method) if field.name in options}
    return method(**own)
