"""What the engines are predicted to cost, and which one is taken."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import fx, nn

from dmcnn._common.errors import InputError
from dmcnn.engines import cost
from dmcnn.engines.choice import choose
from dmcnn.engines.cost import Rates, Work, copy_of, predict, rates, work_of
from dmcnn.engines.sparse import sparse
from dmcnn.images.sparse import sparse as sparse_images
from engines.nets import images

RATES = Rates(
    convolution=2e-11, matrix=2e-11, number=1e-10, row_number=1e-10, spread=1e-9, place=1e-8, step=1e-4
)


@pytest.fixture(autouse=True)
def _known_rates(monkeypatch):
    monkeypatch.setattr(cost, "rates", lambda precision: RATES)


def count(network, images, *, training):
    return work_of(copy_of(network, training=training), images)


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout2d(0.5), nn.Conv2d(4, 8, 3),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 63 * 63, 2),
    )  # fmt: skip


def one_pixel():
    """Two images of 128 x 128, each with one pixel in the middle."""
    dense = np.zeros((2, 1, 128, 128), np.float32)
    dense[:, 0, 64, 64] = 3
    return sparse_images(dense)


def test_products_of_one_pixel_are_counted_by_hand():
    work = count(net(), one_pixel(), training=False)
    linear = 2 * 8 * 63 * 63 * 2
    assert work.dense_products == 2 * (128 * 128 * 9 * 4 + 126 * 126 * 36 * 8) + linear
    # one row for the pixel alone, as padding is like background: multiplied before it is gathered
    first = 1 * 9 * 4
    # then nine windows that see the pixel, and the background: the padding is out of sight
    second = 10 * 36 * 8
    assert work.products == 2 * (2 * first + second) + linear


def test_products_of_narrow_rows_are_those_of_their_windows():
    work = count(nn.Conv2d(1, 16, 3, padding=1), one_pixel(), training=False)
    assert work.products == 2 * 10 * 9 * 16  # nine windows that see the pixel, and the background


def test_counting_changes_nothing():
    network = net().train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.random.get_rng_state()
    for training in (False, True):
        count(network, one_pixel(), training=training)
        count(sparse(network), one_pixel(), training=training)
    assert network.training
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_auto_takes_sparse_for_few_pixels_and_dense_for_many():
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    few = choose("auto", network, one_pixel(), training=True)
    assert (few.engine, few.speed > 2, few.saving > 10) == ("sparse", True, True)
    assert few.line.startswith("engine: sparse (")
    full = sparse_images(images("full", (2, 1, 128, 128)).float().numpy())
    many = choose("auto", network, full, training=True)
    assert many.engine == "dense"
    assert many.speed < 1.1
    assert many.saving == pytest.approx(1, abs=0.05)


def test_dropout_of_elements_leaves_nothing_to_save_in_training():
    network = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(1, 8, 3), nn.Flatten())
    assert count(network, one_pixel(), training=True).saving == 1
    assert count(network, one_pixel(), training=False).saving > 10


def test_what_is_asked_for_is_taken():
    for engine in ("sparse", "dense"):
        choice = choose(engine, net(), one_pixel(), training=True)
        assert (choice.engine, choice.line) == (engine, f"engine: {engine}, as asked for")
    with pytest.raises(
        InputError, match=r"engine = 'spares' .did you mean 'sparse'.*expected one of auto, sparse, dense"
    ):
        choose("spares", net(), one_pixel(), training=True)


def test_a_network_that_cannot_be_traced_is_dense():
    class Branching(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps if maps.sum() > 0 else -maps

    assert choose("auto", Branching(), one_pixel(), training=False).engine == "dense"


def test_prediction_adds_what_each_kind_of_work_takes():
    work = Work(
        dense_products=1e9, products=1e8, dense_numbers=1e7, numbers=1e6, spread=1e5, places=1e4, steps=10
    )
    dense, rows = predict(work, RATES, training=False)
    assert dense == pytest.approx(1e9 * 2e-11 + 1e7 * 1e-10)
    assert rows == pytest.approx(1e8 * 2e-11 + 1e6 * 1e-10 + 1e5 * 1e-9 + 1e4 * 1e-8 + 10 * 1e-4)
    assert predict(work, RATES, training=True)[0] == pytest.approx(3 * dense)


def test_layers_that_are_dense_either_way_cost_the_same_either_way():
    """At the rate of a dense convolution, which is not that of a product of matrices."""
    apart = replace(RATES, matrix=10 * RATES.convolution, row_number=10 * RATES.number)
    work = Work(dense_products=1e9, products=1e9, dense_numbers=1e7, numbers=1e7)
    dense, rows = predict(replace(work, common_products=1e9, common_numbers=1e7), apart, training=False)
    assert rows == pytest.approx(dense)
    dense, rows = predict(work, apart, training=False)
    assert rows == pytest.approx(10 * dense)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    full = count(network, images("full", (2, 1, 64, 64)).float(), training=False)
    assert full.common_products == full.products == full.dense_products
    assert full.common_numbers == full.numbers == full.dense_numbers
    few = count(net(), one_pixel(), training=False)
    assert few.common_products == 2 * 8 * 63 * 63 * 2  # the linear layer


def test_what_steps_cost_is_shared_by_the_images_of_a_batch():
    """The work is counted on a few images, whatever the batch."""
    small = one_pixel().take([0])
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten())
    work = count(network, small, training=False)
    three, counted = work.times(3), count(network, small.take([0, 0, 0]), training=False)
    assert three.dense_numbers == pytest.approx(counted.dense_numbers, rel=1e-3)  # kernels are read once
    assert replace(three, dense_numbers=0.0) == replace(counted, dense_numbers=0.0)
    speeds = [choose("auto", network, small, training=False, batch=size).speed for size in (1, 10, 100)]
    assert speeds == sorted(speeds)
    assert speeds[2] > 1.2 * speeds[0]
    many = small.take([0] * 10)
    assert choose("auto", network, many, training=False).speed == pytest.approx(speeds[1], rel=1e-3)


def test_rates_are_measured_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "measure", lambda precision: calls.append(precision) or RATES)
    assert [rates("32"), rates("32"), rates("bf16")] == [RATES] * 3
    assert calls == ["32", "bf16"]
    stored = sorted(tmp_path.iterdir())
    assert len(stored) == 2
    for path in stored:
        assert set(json.loads(path.read_text().splitlines()[0])) == set(Rates.__dataclass_fields__)
    for damage in ("", "{}", "[]", '{"matrix": "x"}'):
        stored[0].write_text(damage)
        assert {rates("32"), rates("bf16")} == {RATES}
    assert len(calls) == 6


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32", "bf16-inference"])
def test_measured_rates_are_numbers_of_this_world(precision):
    measured = cost.measure(precision)
    for name in Rates.__dataclass_fields__:
        assert 0 <= getattr(measured, name) < 0.1, name
    assert measured.matrix > 1e-13


def test_dense_maps_in_bfloat16_have_another_layout_in_inference(monkeypatch):
    asked = []
    monkeypatch.setattr(cost, "rates", lambda precision: asked.append(precision) or RATES)
    for precision in ("32", "bf16"):
        for training in (True, False):
            choose("auto", net(), one_pixel(), training=training, precision=precision)
    assert asked == ["32", "32", "bf16", "bf16-inference"]


def wide(*more: nn.Module) -> nn.Module:
    """Return a network that few pixels make much faster on rows."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), *more, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


class Noise(nn.Module):
    """Random numbers that do not depend on the images: tracing takes those of its own call for constants."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps times a random number."""
        return maps * torch.rand(1)


class Handle(nn.Module):
    """What cannot be copied, such as the handle of a file."""

    def __deepcopy__(self, memo: object) -> None:
        raise TypeError("cannot copy a handle\nmore")

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the maps."""
        return maps


def test_auto_leaves_networks_alone_that_rows_would_change():
    assert choose("auto", wide(), one_pixel(), training=True).engine == "sparse"
    noisy = choose("auto", wide(Noise()), one_pixel(), training=True)
    assert (noisy.engine, noisy.line) == (
        "dense",
        "engine: dense, for rows give other outputs: the network does what tracing does not see",
    )
    handle = choose("auto", wide(Handle()), one_pixel(), training=False)
    assert (handle.engine, handle.line) == ("dense", "engine: dense, for rows fail (cannot copy a handle)")
    hooked = wide()
    hooked[1].register_forward_hook(lambda *_: None)
    assert choose("auto", hooked, one_pixel(), training=False).line == "engine: dense, for 1 carries a hook"


def test_auto_says_one_line(caplog):
    """What the copy of the network says while its work is counted is said again when it works."""

    class Branching(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps if maps.sum() > 0 else -maps

    caplog.set_level("INFO", "dmcnn")
    line = choose("auto", Branching(), one_pixel(), training=False).line
    assert line.startswith("engine: dense, for Branching: forward cannot be traced: ")
    choose("auto", nn.Sequential(nn.Dropout(0.5), nn.Conv2d(1, 8, 3)), one_pixel(), training=True)
    assert not caplog.messages


def test_dense_images_are_counted_as_sparse_ones():
    few = one_pixel()
    tensor = torch.from_numpy(few.dense())
    one, other = (choose("auto", wide(), images, training=True) for images in (few, tensor))
    assert (one.engine, one.line) == (other.engine, other.line)
    scaled = tensor / 3 + 0.1  # a background that is not 0
    assert choose("auto", wide(), scaled, training=True).engine == "sparse"


class Keeps(nn.Module):
    """Values of the forward pass that a penalty uses."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word, self.calls, self.mean, self.history = word, 0, torch.zeros(1), []

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the maps."""
        if self.word == "calls":
            self.calls += 1
        elif self.word == "history":
            self.history.append(maps.mean())
        else:
            setattr(self, self.word, maps.mean())
        return maps


@pytest.mark.parametrize("word", ["calls", "mean", "history", "new"])
def test_a_network_that_keeps_values_is_dense(word, caplog):
    network = wide(Keeps(word))
    line = choose("auto", network, one_pixel(), training=True).line
    assert line == f"engine: dense, for Sequential keeps values of its forward pass in 3.{word}"
    keeps = network[3]
    assert (keeps.calls, keeps.mean, keeps.history, hasattr(keeps, "new")) == (0, torch.zeros(1), [], False)
    caplog.set_level("INFO", "dmcnn")
    few = one_pixel()
    output = sparse(network)(few)
    assert caplog.messages == [line.replace("engine:", "sparse engine:")]
    assert torch.equal(output, network(torch.from_numpy(few.dense())))
    kept = {
        "calls": keeps.calls,
        "mean": keeps.mean,
        "history": keeps.history[-1:],
        "new": getattr(keeps, "new", 0),
    }
    assert kept[word] == 2 if word == "calls" else not isinstance(kept[word], fx.Proxy)
    assert [type(value) for value in keeps.history] == [torch.Tensor] * (2 * (word == "history"))


def test_numbers_in_a_forward_pass_are_no_values_that_are_kept():
    class Scaled(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps * torch.tensor(2.0)

    assert choose("auto", wide(Scaled()), one_pixel(), training=True).engine == "sparse"
