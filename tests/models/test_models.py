"""Properties of every model in the table, and published numbers of each."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.models import MODELS, lariat
from dmcnn.models.calorimeter_resnet import Decades
from dmcnn.models.cnn3d import CNN3D
from dmcnn.models.lariat import LArIAT
from models.sizes import NAMES, SMALL

TOO_SMALL = {
    "mpid": 64, "lariat": 21, "cnn3d": 3, "calorimeter_resnet": 0, "smartpixel": 4, "resnet18": 0, "resnet34": 0,
}  # fmt: skip
"""Largest height [pixels] that is too small for a network."""


def new(name: str, **changes: Any) -> nn.Module:
    torch.manual_seed(0)
    return card(name, **changes).build()


def card(name: str, **changes: Any) -> Card:
    return Card(
        model=name,
        arguments={**SMALL[name], **changes},
        classes=["a", "b", "c"],
        signal="a",
        activation="softmax",
        reading={},
    )


def random_free(name: str) -> dict[str, float]:
    """Return the argument that switches off the drop-out of a network that has it."""
    return {"drop_out": 0.0} if "drop_out" in inspect.signature(MODELS[name]).parameters else {}


def images(name: str, count: int = 2) -> torch.Tensor:
    sizes = SMALL[name]
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, sizes["channels"], sizes["height"], sizes["width"], generator=generator)


def test_every_network_is_tested() -> None:
    assert SMALL.keys() == MODELS.keys() == TOO_SMALL.keys()


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_every_class_and_nothing_random_in_evaluation(name: str) -> None:
    net = new(name).eval()
    with torch.inference_mode():
        first, second = net(images(name)), net(images(name))
        one = net(images(name)[1:])
    assert first.shape == (2, 3)
    assert first.isfinite().all()
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(first[1:], one, rtol=1e-4, atol=1e-5)  # no event sees its neighbours
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_network(name: str) -> None:
    pairs = zip(new(name).state_dict().values(), new(name).state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name: str) -> None:
    net = new(name, **random_free(name))
    nn.functional.cross_entropy(net(images(name, 4)), torch.tensor([0, 1, 2, 0])).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", NAMES)
def test_empty_images_are_no_trouble(name: str) -> None:
    net = new(name)
    empty = torch.zeros_like(images(name, 4))
    logits = net(empty)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in net.parameters())


class Counted(TorchFunctionMode):
    """Counter of the calls of any relu, from modules and functions."""

    relus = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, and count it if it is a relu."""
        self.relus += "relu" in getattr(func, "__name__", "")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_is_a_module_of_its_own(name: str) -> None:
    """Guided backpropagation hooks modules: it would miss a module that is used twice, and F.relu."""
    net = new(name).eval()
    calls: list[nn.Module] = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda module, *_: calls.append(module))
    with torch.inference_mode(), Counted() as counted:
        net(images(name))
    assert len(calls) == len(set(calls)) == counted.relus
    assert counted.relus > 0 or name == "smartpixel"  # whose activations are hard tanhs


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    net, path = new(name).train(), tmp_path / "x.ckpt"
    net(images(name, 4))  # moving statistics are part of the weights
    torch.save({KEY: card(name).as_dict(), "state_dict": net.state_dict()}, path)
    loaded, found = load(path)
    assert found == card(name)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images(name)), net.eval()(images(name)), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "words"),
    [({"height": None}, ""), ({"drop_out": 2.0}, "drop"), ({"colour": 1}, "colour"), ({"num_class": -1}, "")],
)
def test_what_no_network_can_be(name: str, change: dict[str, Any], words: str) -> None:
    change = {key: TOO_SMALL[name] if value is None else value for key, value in change.items()}
    with pytest.raises(InputError, match=f"^model '{name}': .*{words}") as error:
        new(name, **change)
    assert "\n" not in str(error.value)


def numbers(net: nn.Module) -> int:
    """Count parameters and moving statistics, as Keras does."""
    return sum(tensor.numel() for key, tensor in net.state_dict().items() if "num_batches" not in key)


def test_published_parameter_counts() -> None:
    assert numbers(LArIAT()) == 1_861_094
    net = CNN3D()
    assert numbers(net) == 715_074
    assert [numbers(net.features[place]) for place in (1, 4)] == [1792, 256]
    assert sum(parameter.numel() for parameter in MODELS["calorimeter_resnet"]().parameters()) < 500_000


def test_penalty_is_that_of_keras() -> None:
    net = LArIAT(**SMALL["lariat"], l2=0.5)
    dense = [net.classifier[place].weight.detach().double().numpy() for place in (1, 4)]
    penalty = net.penalty()
    assert penalty.item() == pytest.approx(0.5 * sum((kernel**2).sum() for kernel in dense), rel=1e-6)
    penalty.backward()
    touched = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert touched == {"classifier.1.weight", "classifier.4.weight"}
    assert LArIAT(**SMALL["lariat"], l2=0).penalty().item() == 0
    assert LArIAT().l2 == 0.001


@pytest.mark.parametrize("name", ["lariat", "cnn3d"])
def test_begins_as_keras_does(name: str) -> None:
    net = new(name)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            fan = module.weight[0, 0].numel() * sum(module.weight.shape[:2])
            limit = np.sqrt(6 / fan)
            assert module.bias is not None
            assert not module.bias.any()
            assert 0.9 * limit < module.weight.abs().max() <= limit
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.eps == 1e-3


@pytest.mark.parametrize(("height", "width"), [(240, 146), (22, 61), (47, 30)])
def test_map_size_of_lariat_is_what_the_layers_make(height: int, width: int) -> None:
    net = LArIAT(height=height, width=width).eval()
    with torch.inference_mode():
        maps = net.features(torch.zeros(1, 1, height, width))
    assert maps.shape[2:] == (lariat.map_size(height), lariat.map_size(width))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_every_size_of_cnn3d_is_an_argument(kernel: int) -> None:
    sizes = {"filters_1": 3, "kernel_1": kernel, "filters_2": 4, "kernel_2": 3, "dense_1": 6, "dense_2": 5}
    net = CNN3D(**SMALL["cnn3d"], **sizes, activation="elu").eval()
    assert not any(isinstance(module, nn.ReLU) for module in net.modules())
    assert net.features[1].weight.shape == (3, 1, kernel, kernel, kernel)
    assert [layer.weight.shape[0] for layer in net.classifier if isinstance(layer, nn.Linear)] == [6, 5, 3]
    with torch.inference_mode():
        assert net(images("cnn3d")).shape == (2, 3)


def test_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"activation = 'rellu' \(did you mean 'relu'\?\)"):
        new("cnn3d", activation="rellu")


def test_decades_of_energy() -> None:
    scale = Decades(0.001)
    energies = np.array([0.0, 1e-6, 1.0, 10.0, -1.0], np.float32)
    found = scale(torch.from_numpy(energies)).numpy()
    np.testing.assert_allclose(found, np.sign(energies) * np.log1p(np.abs(energies) * 1000), rtol=1e-5)
    assert found[1] == pytest.approx(1e-3, rel=1e-3)  # linear below the floor
    assert found[3] - found[2] == pytest.approx(np.log(10), abs=1e-3)


def test_an_unknown_scaling_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"scaling = 'minmx' \(did you mean 'minmax'\?\), expected one of none"
    ):
        Card(**{**card("lariat").as_dict(), "scaling": "minmx"})
    old = card("cnn3d").as_dict()
    del old["scaling"]  # checkpoints from before there was any
    state = new("cnn3d").state_dict()
    torch.save({KEY: old, "state_dict": state}, tmp_path / "old.ckpt")
    assert load(tmp_path / "old.ckpt")[1].scaling == "none"
    torch.save({KEY: {**old, "scaling": "z"}, "state_dict": state}, tmp_path / "new.ckpt")
    with pytest.raises(InputError, match=r"new\.ckpt: scaling = 'z'"):
        load(tmp_path / "new.ckpt")
