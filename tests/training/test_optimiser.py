"""Optimiser: step sizes, and unknown names."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.training.optimiser import Recipe, record_activity


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


@pytest.mark.parametrize("wrong", [{"optimizer": "sgd"}, {"schedule": "linear"}])
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
