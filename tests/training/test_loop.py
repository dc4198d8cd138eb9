"""Training loop: results of a plain torch loop, random numbers per step, signals, and no wait for the device."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from dmcnn.checkpoints.card import Card
from dmcnn.images.sparse import sparse
from dmcnn.losses.classification import cross_entropy
from dmcnn.tasks import Classification
from dmcnn.training.batches import Batches
from dmcnn.training.loop import AfterStep, Progress, fit, reproducible, seed_generators
from dmcnn.training.optimiser import Recipe

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
) -> int:
    task = Classification(Card("tiny", {}, ["a", "b"], None, "softmax", {}), cross_entropy)
    progress = progress or Progress()
    return fit(
        net, tiny_batches(progress.step), task=task, recipe=recipe, seed=SEED, device=CPU, precision=precision,
        progress=progress, after_step=after_step,
    )  # fmt: skip


def bare_loop(net: nn.Module, recipe: Recipe, precision: str = "32") -> tuple[float, int]:
    """Train with a plain torch loop; return the sum of the loss and the number of correct classifications."""
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.learning_rate)
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
    assert set(stored) == {"step", "optimizer", "rows", "best", "loss_sum", "correct", "seen", "constraints"}
    assert [type(stored[name]) for name in ("step", "loss_sum", "correct", "seen")] == [int, float, int, int]
    random.seed(0)
    torch.manual_seed(0)
    train(net, recipe, progress=Progress(**stored))
    assert same(net, whole)


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


def test_no_step_reads_a_number_from_the_device() -> None:
    recipe = Recipe(0.01, gradient_limit=0.1, weight_limit=0.1, l1=0.01, l2=0.01, activity_l2=0.01)
    with Counted() as ours:
        train(tiny_net(), recipe)
    # Adam reads its numbers of steps, which are on the host
    with Counted() as adam:
        net = tiny_net()
        optimizer = torch.optim.Adam(net.parameters())
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
