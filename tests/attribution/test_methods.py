"""Properties that all attribution methods share."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from attribution.nets import FRAMES, SHAPE, TARGET, Failure, Frames, Twice, images, plain, state
from dmcnn._common.errors import InputError
from dmcnn.attribution import LARIAT, METHODS, Target, build, option_names
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.methods.noise import SmoothGrad, VarGrad

QUICK = {"n_samples": 3, "n_steps": 12, "percentile": 60.0, "k": 1, "stride": 3}
TWO = pytest.mark.parametrize(("net", "shape"), [(plain(), SHAPE), (Frames(), FRAMES)], ids=["2-D", "3-D"])


def made(name: str, **options: Any) -> Any:
    """Return a method with few steps."""
    quick = {word: value for word, value in QUICK.items() if word in option_names(METHODS[name])}
    return build([name], **{**quick, **options})[0]


@TWO
@pytest.mark.parametrize("name", METHODS)
def test_maps_are_finite_repeatable_and_leave_no_trace(
    name: str, net: nn.Module, shape: tuple[int, int, int]
) -> None:
    net.train()
    inputs, before, rest = images(3, shape), state(net), torch.get_rng_state()
    kept = inputs.clone()
    done: list[int] = []
    method = made(name, internal_batch=2, progress=done.append)
    maps = method(net, inputs, TARGET)
    assert maps.shape == inputs.shape
    assert maps.dtype == torch.float32
    assert bool(maps.isfinite().all())
    assert float(maps.abs().sum()) > 0
    assert method.signed or float(maps.min()) >= 0
    assert not maps.requires_grad
    assert done == [2, 1]
    torch.testing.assert_close(method(net, inputs, TARGET), maps, atol=0, rtol=0)
    assert state(net) == before
    assert torch.equal(inputs, kept)
    assert not inputs.requires_grad
    assert torch.equal(torch.get_rng_state(), rest)


@pytest.mark.slow
@TWO
@pytest.mark.parametrize("name", METHODS)
def test_a_map_does_not_depend_on_its_batch(name: str, net: nn.Module, shape: tuple[int, int, int]) -> None:
    dtype = torch.float32 if name == "occlusion" else torch.float64  # the scan is of float32
    net, inputs = copy.deepcopy(net).to(dtype), images(3, shape).to(dtype)
    together = made(name, internal_batch=8)(net, inputs, TARGET)
    one_by_one = made(name, internal_batch=1)(net, inputs, TARGET)
    turned = made(name, internal_batch=2)(net, inputs.flip(0), TARGET).flip(0)
    scale = 1e-5 * float(together.abs().max())
    torch.testing.assert_close(one_by_one, together, atol=scale, rtol=0)
    torch.testing.assert_close(turned, together, atol=scale, rtol=0)


STOP_EARLY = ("grad_cam", "grad_cam_pp", "layer_cam", "input_with_grad_cam_box", "score_cam", "occlusion")
"""Methods without a backward pass, or with one that ends at the layer, before the failure."""
FAILURES = [(name, "forward") for name in METHODS]
FAILURES += [(name, "backward") for name in METHODS if name not in STOP_EARLY]


@pytest.mark.parametrize(("name", "where"), FAILURES)
def test_a_failure_leaves_no_trace(name: str, where: str) -> None:
    layers, failure = list(plain()), Failure(where)
    net = nn.Sequential(*layers[:7], failure, *layers[7:]).train()
    before = state(net)
    for failure.left in (0, 1, 2):  # in the first pass, and in a later one of methods that have several
        try:
            made(name, internal_batch=2)(net, images(5), TARGET)
            failed = False
        except RuntimeError as error:
            failed = "failed on purpose" in str(error)
        assert failed or failure.left > 0
        assert state(net) == before


@pytest.mark.parametrize("name", METHODS)
def test_bfloat16_is_close_and_single(name: str) -> None:
    net, inputs = plain(), images(2)
    exact = made(name)(net, inputs, TARGET)
    maps = made(name, precision="bf16")(net, inputs, TARGET)
    assert maps.dtype == torch.float32
    assert bool(maps.isfinite().all())
    alike = torch.corrcoef(torch.stack([exact.flatten(), maps.flatten()]))[0, 1]
    # what passes a threshold or a ReLU is decided anew, and differences of numbers are rounded with them
    assert alike > (
        0.6 if name in ("rect_grad", "smooth_rect_grad", "occlusion", "var_grad", "score_cam") else 0.9
    )


@pytest.mark.parametrize("name", METHODS)
def test_inside_inference_mode_and_of_frozen_nets(name: str) -> None:
    net, inputs = plain(), images(1)
    expected = made(name)(net, inputs, TARGET)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    with torch.inference_mode():
        maps = made(name)(net, inputs.clone(), TARGET)
    torch.testing.assert_close(maps, expected, atol=0, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_module_that_is_called_twice(name: str) -> None:
    net, inputs = Twice(), images(2)
    before = state(net)
    if name == "deep_lift":
        with pytest.raises(InputError, match="calls a module twice"):
            made(name)(net, inputs, TARGET)
    else:
        maps = made(name)(net, inputs, TARGET)
        assert float(maps.abs().sum()) > 0
    assert state(net) == before


@pytest.mark.parametrize("name", METHODS)
def test_no_images(name: str) -> None:
    assert made(name)(plain(), images(0), TARGET).shape == (0, *SHAPE)


@pytest.mark.parametrize("name", METHODS)
def test_an_empty_image(name: str) -> None:
    maps = made(name)(plain(), torch.zeros(1, *SHAPE), TARGET)
    assert bool(maps.isfinite().all())


def test_the_table() -> None:
    assert all(name == method.name for name, method in METHODS.items())
    assert len(LARIAT) == 8
    assert set(LARIAT) <= set(METHODS)
    assert [method.name for method in build("lariat")] == list(LARIAT)
    assert [method.name for method in build("all")] == list(METHODS)
    assert [method.name for method in build(["saliency", "lariat", "saliency"])][:2] == [
        "saliency",
        LARIAT[0],
    ]
    assert len({method.title for method in build("all")}) == len(METHODS)


def test_options_reach_the_methods_that_take_them() -> None:
    smooth, rect, steps, box = build(
        ["smooth_rect_grad", "rect_grad", "integrated_gradients", "input_with_grad_cam_box"],
        percentile=90.0, n_samples=3, n_steps=20, layer="6x8", internal_batch=2,
    )  # fmt: skip
    assert isinstance(smooth, SmoothGrad)
    assert (smooth.n_samples, vars(smooth.method)["percentile"], smooth.internal_batch) == (3, 90.0, 2)
    assert vars(rect)["percentile"] == 90.0
    assert isinstance(steps, IntegratedGradients)
    assert steps.n_steps == 20
    assert vars(vars(box)["cam"])["layer"] == "6x8"


def test_wrapped_methods_say_so() -> None:
    smooth, var = SmoothGrad(method=IntegratedGradients()), VarGrad(method=IntegratedGradients())
    assert (smooth.name, smooth.signed) == ("smooth_integrated_gradients", True)
    assert (var.name, var.signed) == ("var_integrated_gradients", False)
    assert (smooth.revision, SmoothGrad().revision) == (IntegratedGradients().revision, 1)
    assert (SmoothGrad().name, SmoothGrad.name, SmoothGrad().signed) == ("smooth_grad", "smooth_grad", False)


def test_bad_requests_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"unknown method 'grad_camp'.*did you mean 'grad_cam'"):
        build(["grad_camp"])
    with pytest.raises(
        InputError, match=r"'n_step'.*did you mean 'n_steps'.*none of integrated_gradients takes"
    ):
        build(["integrated_gradients"], n_step=3)
    with pytest.raises(InputError, match="none of saliency takes it"):
        build(["saliency"], layer="32x32")
    for word, value in (
        ("internal_batch", 0), ("precision", "16"), ("n_steps", 0), ("percentile", 100.0), ("n_samples", 0),
        ("noise", -1.0), ("where", "activ"), ("fill", "nois"), ("border", "cut"), ("k", -1), ("threshold", 1.0),
    ):  # fmt: skip
        with pytest.raises(InputError, match=word):
            build("all", **{word: value})
    for method in build(["integrated_gradients", "deep_lift"], baseline="empty"):
        with pytest.raises(InputError, match='expected a number, "zero" or an image'):
            method(plain(), images(1), TARGET)
    with pytest.raises(InputError, match=r"\(1, 2\), the images are"):
        build(["integrated_gradients"], baseline=torch.zeros(1, 2))[0](plain(), images(1), TARGET)
    with pytest.raises(InputError, match="baselines of shape"):
        build(["expected_gradients"], baselines=torch.zeros(1, 2))[0](plain(), images(1), TARGET)
    with pytest.raises(InputError, match="expected \\(images, channels"):
        build(["saliency"])[0](plain(), images(1)[0], TARGET)
    with pytest.raises(InputError, match="outputs 0 to 1"):
        build(["saliency"])[0](plain(), images(1), Target(2))


def test_nets_that_a_method_cannot_explain() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 16, 2))
    for name in ("guided_backprop", "deconvolution", "rect_grad"):
        with pytest.raises(InputError, match=r"no ReLU"):
            made(name)(flat, images(1), TARGET)
    with pytest.raises(InputError, match="no layer with maps"):
        made("grad_cam")(flat, images(1), TARGET)
