"""Training loop: results of a plain torch loop, random numbers per step, signals, and no wait for the device."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.images.sparse import sparse
from dmcnn.losses.classification import cross_entropy
from dmcnn.tasks import Classification
from dmcnn.training.averages import Averages
from dmcnn.training.batches import Batches
from dmcnn.training.fine_tuning import freeze
from dmcnn.training.loop import AfterStep, Progress, fit, reproducible, seed_generators
from dmcnn.training.optimiser import Recipe
from dmcnn.training.ranks import ALONE, Ranks

CPU = torch.device("cpu")
SEED = 7


def tiny_net() -> nn.Module:
    """Return a network whose dropout needs random numbers in every step."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def tiny_batches(first: int = 0) -> Batches:
    """Return two epochs of 10 images of 8 x 8 in steps of 4, 4 and 2."""
    dense = np.random.default_rng(1).uniform(0, 2, (10, 1, 8, 8)).astype(np.float32)
    images = replace(sparse(dense), label=np.arange(10) % 2)
    return Batches(images, 4, epochs=2, seed=SEED, augment=True, first=first)


def train(
    net: nn.Module,
    recipe: Recipe,
    *,
    precision: str = "32",
    progress: Progress | None = None,
    after_step: AfterStep = lambda _: False,
    batches: Batches | None = None,
    ranks: Ranks = ALONE,
) -> int:
    task = Classification(Card("tiny", {}, ["a", "b"], None, "softmax", {}), cross_entropy)
    progress = progress or Progress()
    return fit(
        net, batches or tiny_batches(progress.step), task=task, recipe=recipe, seed=SEED, device=CPU,
        precision=precision, progress=progress, after_step=after_step, ranks=ranks,
    )  # fmt: skip


def bare_loop(net: nn.Module, recipe: Recipe, precision: str = "32") -> tuple[float, int]:
    """Train with a plain torch loop; return the sum of the loss and the number of correct classifications."""
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate, fused=True)
    loss_sum, correct = 0.0, 0
    for step, (images, labels) in enumerate(tiny_batches()):
        torch.manual_seed(int(np.random.SeedSequence([SEED, step]).generate_state(1)[0]))
        optimizer.param_groups[0]["lr"] = recipe.rate(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            outputs = net(images).float()
            loss = cross_entropy(outputs, labels)
        loss_sum += loss.item() * len(labels)
        correct += int((outputs.argmax(dim=1) == labels).sum())
        optimizer.zero_grad()
        loss.backward()
        if recipe.gradient_limit is not None:
            nn.utils.clip_grad_norm_(net.parameters(), recipe.gradient_limit)
        optimizer.step()
        with torch.no_grad():
            for weight in net.parameters() if recipe.weight_limit else ():
                weight.clamp_(-recipe.weight_limit, recipe.weight_limit)
    return loss_sum, correct


def same(one: nn.Module, two: nn.Module) -> bool:
    """Return whether two networks have equal weights."""
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize(
    "recipe", [Recipe(0.01), Recipe(0.01, schedule="cosine", total=6, gradient_limit=0.1, weight_limit=0.1)]
)
def test_a_training_is_that_of_a_bare_loop(recipe: Recipe, precision: str) -> None:
    net, expected, untrained = tiny_net(), tiny_net(), tiny_net()
    progress = Progress()
    assert train(net, recipe, precision=precision, progress=progress) == 0
    loss_sum, correct = bare_loop(expected, recipe, precision)
    assert same(net, expected)
    assert not same(net, untrained)
    state = progress.state_dict()
    assert (state["loss_sum"], state["correct"], state["seen"], state["step"]) == (loss_sum, correct, 20, 6)


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_a_training_resumes_from_its_state(optimizer: str) -> None:
    recipe = Recipe(0.01, optimizer=optimizer)
    whole, net = tiny_net(), tiny_net()
    train(whole, recipe)
    progress = Progress()
    assert train(net, recipe, progress=progress, after_step=lambda now: now.step == 2) == 0
    stored = progress.state_dict()
    assert set(stored) == {
        "step", "optimizer", "rows", "best", "loss_sum", "correct", "seen", "constraints", "averages", "scaler",
        "plateaus",
    }  # fmt: skip
    assert [type(stored[name]) for name in ("step", "loss_sum", "correct", "seen")] == [int, float, int, int]
    random.seed(0)
    torch.manual_seed(0)
    train(net, recipe, progress=Progress(**stored))
    assert same(net, whole)


EVERYTHING = Recipe(
    0.01, optimizer="adamw", schedule="cosine", total=6, warmup=2, gradient_limit=0.5, weight_limit=0.5, l1=0.01,
    l2=0.01, activity_l2=0.01, ema=0.6, batch_size=3,
)  # fmt: skip


@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
@pytest.mark.parametrize(
    "recipe",
    [EVERYTHING, replace(EVERYTHING, optimizer="sgd", options={"momentum": 0.9, "nesterov": True})],
)
def test_all_of_a_training_resumes_at_any_step(recipe: Recipe, precision: str) -> None:
    whole, end = tiny_net(), Progress()
    train(whole, recipe, precision=precision, progress=end)
    for at in (1, 4):
        net, progress = tiny_net(), Progress()
        train(
            net, recipe, precision=precision, progress=progress, after_step=lambda now, at=at: now.step == at
        )
        later = Progress(**deepcopy(progress.state_dict()))
        train(net, recipe, precision=precision, progress=later)
        assert same(net, whole)
        one, two = later.state_dict(), end.state_dict()
        assert all(torch.equal(one["averages"][name], two["averages"][name]) for name in one["averages"])
        assert one["scaler"] == two["scaler"]
        assert (one["scaler"] is None) == (precision != "fp16")


def weighted_batches(size: int) -> Batches:
    """Return two epochs of the images, with weights."""
    batches = tiny_batches()
    weight = np.random.default_rng(4).uniform(0, 2, 10).astype(np.float32)
    return Batches(replace(batches.images, weight=weight), size, epochs=2, seed=SEED, augment=True)


def test_parts_of_a_step_add_up_to_it() -> None:
    recipe = Recipe(0.01, optimizer="sgd", gradient_limit=1.0, l2=0.1, activity_l2=0.1)
    nets = []
    for batch_size in (None, 4, 3, 1):
        torch.manual_seed(3)
        nets.append(nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2)))
        progress = Progress()
        batches = weighted_batches(7)
        train(nets[-1], replace(recipe, batch_size=batch_size), progress=progress, batches=batches)
        assert (progress.step, progress.seen) == (4, 20)
    for net in nets[1:]:
        for one, two in zip(nets[0].parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_active_pixels_train_the_same_network() -> None:
    nets = tiny_net(), tiny_net()
    for net, travel in zip(nets, (False, True), strict=True):
        batches = Batches(tiny_batches().images, 5, epochs=2, seed=SEED, augment=True, sparse=travel)
        train(net, EVERYTHING, batches=batches)
    assert same(*nets)


def test_a_step_minimises_the_weighted_mean() -> None:
    batches, net, expected = weighted_batches(4), tiny_net().eval(), tiny_net()
    batches.total = 1
    train(net, Recipe(0.1, optimizer="sgd"), batches=batches)
    images, labels = batches.batch(0)
    weight = torch.from_numpy(batches.images.weight[batches.numbers(0)])  # type: ignore[index]
    torch.manual_seed(int(np.random.SeedSequence([SEED, 0]).generate_state(1)[0]))
    shares = expected(images).log_softmax(dim=1)
    loss = -sum(w * share[label] for w, share, label in zip(weight, shares, labels, strict=True)) / 4
    loss.backward()  # type: ignore[union-attr]
    for ours, theirs in zip(net.parameters(), expected.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours, theirs - 0.1 * theirs.grad)


def test_averages_by_hand() -> None:
    net, progress = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.BatchNorm1d(2)), Progress()
    expected = {name: value.clone() for name, value in net.state_dict().items()}
    raw = []

    def follow(now: Progress) -> bool:
        share = min(0.3, now.step / (9 + now.step))
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                expected[name] = share * expected[name] + (1 - share) * value
            else:
                expected[name] = value.clone()
        averages = now.parts["averages"]
        assert isinstance(averages, Averages)
        before = {name: value.clone() for name, value in net.state_dict().items()}
        with averages.in_place():
            for name, value in net.state_dict().items():
                torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
        raw.append(all(torch.equal(value, before[name]) for name, value in net.state_dict().items()))
        return False

    train(net, Recipe(0.05, ema=0.3), progress=progress, after_step=follow)
    assert raw == [True] * 6


def test_frozen_parts_keep_weights_and_statistics() -> None:
    torch.manual_seed(1)
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(1, 4, 3))
    net.add_module("norm1", nn.BatchNorm2d(4))
    net.add_module("flat", nn.Flatten())
    net.add_module("dense", nn.Linear(4 * 36, 2))
    net.add_module("norm2", nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, Recipe(0.01, optimizer="adamw", weight_limit=1e-3, freeze=("conv*", "norm1", "dense.bias")))
    for name, value in net.state_dict().items():
        stays = name.startswith(("conv1", "norm1")) or name == "dense.bias"
        assert torch.equal(value, before[name]) == stays, name
    assert not net.norm1.training
    assert net.norm2.training


def test_frozen_parts_are_the_same_on_rows() -> None:
    """The sparse engine normalises by the statistics of frozen layers, and takes no gradient of their weights."""
    random, states = np.random.default_rng(6), []
    dense = random.uniform(1, 2, (12, 1, 16, 16)).astype(np.float32) * (random.random((12, 1, 16, 16)) < 0.05)
    images = replace(sparse(dense), label=np.arange(12) % 2)
    task = Classification(Card("tiny", {}, ["a", "b"], None, "softmax", {}), cross_entropy)
    for engine in ("dense", "sparse"):
        torch.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Flatten(), nn.Linear(4 * 144, 2),
        )  # fmt: skip
        fit(
            net, Batches(images, 6, epochs=2, seed=SEED), task=task, seed=SEED, device=CPU, precision="32",
            recipe=Recipe(0.01, optimizer="sgd", freeze=("0", "1")), progress=Progress(),
            after_step=lambda _: False, engine=engine,
        )  # fmt: skip
        states.append(net.state_dict())
    assert not states[0]["1.running_mean"].any()
    assert states[0]["4.running_mean"].any()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        (["4.wight"], r"freeze: '4.wight' names no module or parameter .did you mean '4.weight'"),
        (["*"], r"freeze = \['\*'\] leaves nothing to train"),
    ],
)
def test_patterns_that_freeze_nothing_or_all_are_refused(patterns: list[str], text: str) -> None:
    with pytest.raises(InputError, match=text):
        freeze(tiny_net(), patterns)


@pytest.mark.slow
def test_a_compiled_network_trains_like_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compile_with, calls, sizes = torch.compile, [], []

    def eager(net: nn.Module) -> Any:
        calls.append(net)
        compiled = compile_with(net, backend="eager")
        compiled.register_forward_hook(lambda net, images, _: sizes.append(len(images[0])))
        return compiled

    monkeypatch.setattr(torch, "compile", eager)
    net, expected = tiny_net(), tiny_net()
    train(net, Recipe(0.01, compile=True))
    assert len(sizes) > 2
    assert len(set(sizes)) == 1  # the last batch of an epoch is smaller
    train(expected, Recipe(0.01))
    assert same(net, expected)
    assert calls[-1] is net
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(net: nn.Module) -> Any:
        raise RuntimeError("no compiler\nis here")

    monkeypatch.setattr(torch, "compile", fail)
    net, expected = tiny_net(), tiny_net()
    train(net, Recipe(0.01, compile=True))
    train(expected, Recipe(0.01))
    assert same(net, expected)
    assert caplog.messages[:1] == ["warning: compile = True: the network stays as it is: no compiler is here"]


class Counted(TorchDispatchMode):
    """Counter of reads of single numbers of tensors, for which the host waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(
        self, op: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.reads += op is torch.ops.aten._local_scalar_dense.default
        return op(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(0.01, gradient_limit=0.1, weight_limit=0.1, l1=0.01, l2=0.01, activity_l2=0.01),
        replace(EVERYTHING, batch_size=None, freeze=("1",)),
    ],
)
def test_no_step_reads_a_number_from_the_device(recipe: Recipe) -> None:
    batches = weighted_batches(4)
    with Counted() as ours:
        train(tiny_net(), recipe, batches=batches)
    with Counted() as adam:
        net = tiny_net()
        optimizer = torch.optim.Adam(net.parameters(), fused=True)
        if recipe.freeze:
            net[1].requires_grad_(False)
        for _ in tiny_batches():
            net(torch.zeros(1, 1, 8, 8)).sum().backward()
            optimizer.step()
    assert ours.reads == adam.reads


def test_the_state_of_the_optimiser_is_read_only_to_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, state_dict = [], torch.optim.Adam.state_dict

    def counted(self: torch.optim.Optimizer) -> dict[str, Any]:
        calls.append(self)
        return state_dict(self)

    monkeypatch.setattr(torch.optim.Adam, "state_dict", counted)

    def store(progress: Progress) -> bool:
        return progress.step in (3, 6) and not progress.state_dict()

    train(tiny_net(), Recipe(0.01), after_step=store)
    assert len(calls) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_between_two_steps(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    progress = Progress()

    def interrupt(now: Progress) -> bool:
        if now.step == 2:
            os.kill(os.getpid(), number)
        return False

    assert train(tiny_net(), Recipe(0.01), progress=progress, after_step=interrupt) == number
    assert progress.step in (2, 3)  # Python sees a signal a little later
    assert signal.getsignal(number) is before


def test_a_second_signal_acts_at_once() -> None:
    def interrupt_twice(now: Progress) -> bool:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
        return False

    with pytest.raises(KeyboardInterrupt):
        train(tiny_net(), Recipe(0.01), after_step=interrupt_twice)


def test_the_bar_counts_all_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmcnn._common.progress.QUIET", 0.0)
    train(tiny_net(), Recipe(0.01))
    assert "training: 100%" in (output := capsys.readouterr().out)
    assert "6/6" in output


def test_seeds_are_those_of_every_library() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002

    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    expected = draw()
    seed_generators(5)
    assert draw() == expected
    assert torch.initial_seed() == 5


def test_reproducible_restores_the_mode() -> None:
    @reproducible()
    def fail() -> None:
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        raise ZeroDivisionError

    before = torch.get_deterministic_debug_mode()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_deterministic_debug_mode() == before


@pytest.mark.slow
def test_what_the_first_step_does_not_need_is_not_imported(train_words: list[str]) -> None:
    heavy = {
        "torch._dynamo",
        "torch._inductor",
        "sympy",
        "matplotlib",
        "uproot",
        "awkward",
        "pyarrow",
        "pandas",
    }
    code = (
        "import sys\n"
        "from dmcnn import train\n"
        "from dmcnn.training.session import Run\n"
        "def stop(*_):\n"
        f"    sys.exit(str(found) if (found := {heavy} & sys.modules.keys()) else 7)\n"
        "Run.after_step = stop\n"
        "train.main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *train_words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr


def test_a_signal_that_reaches_another_rank_stops_this_one_after_the_same_step() -> None:
    class Beside(Ranks):
        numbers: ClassVar = [0, signal.SIGTERM]

        def largest(self, number: int) -> int:
            return max(number, self.numbers.pop(0))

    progress = Progress()
    assert train(tiny_net(), Recipe(0.01), progress=progress, ranks=Beside()) == signal.SIGTERM
    assert progress.step == 2
