"""Attribution: which pixels matter for a number of a network, by many methods with one interface.

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
"""Of the entry points by which other packages add methods; ``module:Name`` is one of one's own."""

SETS = {"lariat": LARIAT, "all": tuple(METHODS)}


def chosen_of(names: str | Iterable[str]) -> list[str]:
    """The methods that ``names`` stand for, each once; InputError for an unknown one."""
    words = [names] if isinstance(names, str) else list(names)
    chosen = list(dict.fromkeys(name for word in words for name in SETS.get(word, (word,))))
    known = [*METHODS, *SETS]
    faults = [
        f"unknown method {name!r}{nearest(name, known)}; known: {', '.join(known)}"
        for name in chosen
        if plugins.find(name, METHODS, GROUP) is None
    ]
    if faults or not chosen:
        raise InputError(*(faults or ["no method is named"]))
    return chosen


def method_class(name: str) -> type[Method]:
    """Return the class of a method by its name; InputError if it is no attribution method."""
    found: Any = plugins.find(name, METHODS, GROUP)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise InputError(f"method {name}: expected a subclass of dmcnn.attribution.Method")
    return found


def takes(names: str | Iterable[str], option: str) -> bool:
    """Whether any of the methods has an option of this name."""
    return any(option in taken_by(method_class(name)) for name in chosen_of(names))


def build(names: str | Iterable[str], **options: Any) -> list[Method]:
    """The methods called ``names``, each once; "lariat" and "all" stand for several.

    An option goes to every method that takes it, those inside another (SmoothGrad of …) included. InputError for an
    unknown name, and for an option that none of the methods takes.
    """
    chosen = chosen_of(names)
    taken = set().union(*(taken_by(method_class(name)) for name in chosen))
    faults = [
        f"option {word!r}{nearest(word, taken)}: none of {', '.join(chosen)} takes it"
        for word in options
        if word not in taken
    ]
    if faults:
        raise InputError(*faults)
    return [_make(method_class(name), options) for name in chosen]


def taken_by(method: type[Method]) -> set[str]:
    """The options of a class of methods and of those inside it."""
    inside = _parts(method)
    own = {field.name for field in fields(method)} - set(inside)
    return own.union(*(taken_by(part) for part in inside.values()))


def _parts(method: type[Method]) -> dict[str, type[Method]]:
    """The fields that hold another method, with the class that they hold by default."""
    made: dict[str, Any] = {field.name: field.default_factory for field in fields(method)}
    return {name: part for name, part in made.items() if isinstance(part, type) and issubclass(part, Method)}


def _make(method: type[Method], options: dict[str, Any]) -> Method:
    inside = _parts(method)
    own: dict[str, Any] = {name: _make(part, options) for name, part in inside.items()}
    own |= {field.name: options[field.name] for field in fields(method) if field.name in options}
    return method(**own)
