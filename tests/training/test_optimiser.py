"""Optimiser: step sizes, and unknown names."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from dmcnn._common.errors import InputError
from dmcnn.training.optimiser import Recipe, plateaus, record_activity


def test_a_constant_step_size_stays() -> None:
    recipe = Recipe(0.5, total=10)
    assert [recipe.rate(step) for step in (0, 5, 10, 1000)] == [0.5] * 4


@pytest.mark.parametrize("hold", [0, 40])
def test_a_cosine_falls_from_where_it_begins_to_none(hold: int) -> None:
    recipe = Recipe(0.5, schedule="cosine", total=100, hold=hold)
    rates = [recipe.rate(step) for step in range(101)]
    assert rates[: hold + 1] == [0.5] * (hold + 1)
    third = hold + (100 - hold) // 3
    expected = 0.25 * (1 + math.cos(math.pi * (third - hold) / (100 - hold)))
    assert rates[third] == pytest.approx(expected, rel=1e-12)
    assert rates[(100 + hold) // 2] == pytest.approx(0.25, rel=1e-12)
    assert all(a > b for a, b in zip(rates[hold:], rates[hold + 1 :], strict=False))
    assert rates[100] == recipe.rate(200) == pytest.approx(0, abs=1e-15)


def torch_rates(make: Callable[..., Any], steps: int, **options: Any) -> list[float]:
    """Return the step sizes of a scheduler of torch, called once per step or epoch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(optimizer, **options)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("epochs", "make", "options"),
    [
        (2, lr_scheduler.StepLR, {"step_size": 2, "gamma": 0.3}),
        ([1, 4, 5], lr_scheduler.MultiStepLR, {"milestones": [1, 4, 5], "gamma": 0.3}),
    ],
)
def test_steps_are_those_of_torch(epochs: int | list[int], make: Any, options: dict[str, Any]) -> None:
    recipe = Recipe(0.5, schedule="step", schedule_factor=0.3, schedule_epochs=epochs, per_epoch=3, total=30)
    by_epoch = torch_rates(make, 10, **options)
    assert [recipe.rate(step) for step in range(30)] == pytest.approx(np.repeat(by_epoch, 3), rel=1e-12)


def test_a_warm_up_is_that_of_torch_and_meets_the_cosine() -> None:
    recipe = Recipe(0.5, schedule="cosine", total=30, warmup=10, hold=10)
    warm = torch_rates(lr_scheduler.LinearLR, 10, start_factor=0.1, total_iters=9)
    falling = torch_rates(lr_scheduler.CosineAnnealingLR, 20, T_max=20)
    assert [recipe.rate(step) for step in range(30)] == pytest.approx([*warm, *falling], rel=1e-9)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateaus_are_those_of_torch(patience: int) -> None:
    """torch counts evaluations that it still bears; here, as for ``patience``, the last of them acts."""
    recipe = Recipe(0.5, schedule="plateau", schedule_factor=0.5)
    values = np.random.default_rng(3).normal(size=60).round(1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0
    )
    for count in range(1, len(values) + 1):
        scheduler.step(float(values[count - 1]))
        falls = plateaus([(float(value),) for value in values[:count]], patience)
        assert recipe.rate(count, falls) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert falls > 5


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("sgd", {}, torch.optim.SGD),
        ("sgd", {"momentum": 0.9, "nesterov": True}, torch.optim.SGD),
        ("sgd", {"weight_decay": 0.1}, torch.optim.SGD),
        ("adamw", {}, torch.optim.AdamW),
        ("adamw", {"weight_decay": 0.3}, torch.optim.AdamW),
        ("torch.optim:RMSprop", {"momentum": 0.5}, torch.optim.RMSprop),
    ],
)
def test_optimisers_are_those_of_torch_and_leave_biases_alone(
    name: str, options: dict[str, Any], make: Any
) -> None:
    nets = []
    for ours in (True, False):
        torch.manual_seed(2)
        net = nn.Linear(3, 2)
        decay = options.get("weight_decay", 0.01 if name == "adamw" else 0)
        groups = [{"params": [net.weight], "weight_decay": decay}, {"params": [net.bias], "weight_decay": 0}]
        optimizer = (
            Recipe(0.1, optimizer=name, options=options).make_optimizer(net)
            if ours
            else make(groups, lr=0.1, **options, **({} if make is torch.optim.RMSprop else {"fused": True}))
        )
        for step in range(4):
            optimizer.zero_grad()
            net(torch.full((5, 3), step + 1.0)).square().sum().backward()
            optimizer.step()
        nets.append(net)
    for one, two in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_state_that_was_stored_without_fused_kernels_goes_on_without_them(name: str) -> None:
    """So a training begun by an earlier version stays bit for bit what it would have been."""
    options = {"momentum": 0.9} if name == "sgd" else {}
    plain = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[name]

    def steps(optimizer: torch.optim.Optimizer, net: nn.Module) -> None:
        for step in range(5):
            optimizer.zero_grad()
            net(torch.full((5, 300), 0.1 * step + 0.1)).square().mean().backward()
            optimizer.step()

    torch.manual_seed(2)
    old = nn.Linear(300, 20)
    recipe = Recipe(0.01, optimizer=name, options=options)
    groups = [{**group} for group in recipe.make_optimizer(old).param_groups]
    before = plain([{key: g[key] for key in ("params", "weight_decay")} for g in groups], lr=0.01, **options)
    steps(before, old)
    new, fresh = copy.deepcopy(old), copy.deepcopy(old)
    after, fused = recipe.make_optimizer(new), recipe.make_optimizer(fresh)
    for optimizer in (after, fused):  # which would share the moments
        optimizer.load_state_dict(copy.deepcopy(before.state_dict()))
    steps(after, new)
    for group in fused.param_groups:
        group["fused"] = True
    steps(fused, fresh)
    steps(before, old)
    assert all(torch.equal(*pair) for pair in zip(old.parameters(), new.parameters(), strict=True))
    for one, two in zip(old.parameters(), fresh.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_an_option_that_an_optimiser_lacks_is_a_line() -> None:
    recipe = Recipe(0.1, optimizer="torch.optim:Adagrad", options={"nesterov": True})
    with pytest.raises(InputError, match=r"optimizer torch.optim:Adagrad: .*nesterov"):
        recipe.make_optimizer(nn.Linear(1, 1))


@pytest.mark.parametrize("wrong", [{"optimizer": "sdg"}, {"schedule": "linear"}])
def test_unknown_names_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong.values()))}.*of"):
        Recipe(0.5, **wrong)  # type: ignore[arg-type]


def test_an_activity_that_nothing_has_is_no_penalty_of_zero() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.GELU())
    said = r"l2_activity = 0\.1: Sequential has no module of ReLU, ELU"
    with pytest.raises(InputError, match=said), record_activity(net, 0.1):
        pass
    with record_activity(net, 0.0) as activity:
        net(torch.ones(1, 3))
    assert activity.penalty() == 0
