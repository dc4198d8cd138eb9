"""Search for a step size: a scan on a network whose losses are known, and what it suggests."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.figures.rates import rates
from dmcnn.images.sparse import sparse
from dmcnn.losses.classification import cross_entropy
from dmcnn.tasks import Classification
from dmcnn.training.batches import Batches
from dmcnn.training.optimiser import Recipe
from dmcnn.training.rates import BEGINNING, STEPS, RateScan, rising, scan_rates


def scan(optimizer: str, high: float) -> RateScan:
    """Scan a linear network on images of two classes, most of them bright in one half or the other."""
    dense = np.random.default_rng(1).uniform(0, 0.1, (40, 1, 4, 4)).astype(np.float32)
    labels, half = np.arange(40) % 2, (np.arange(40) + (np.arange(40) % 5 == 0)) % 2
    dense[half == 0, 0, :2] += high
    dense[half == 1, 0, 2:] += high
    batches = Batches(replace(sparse(dense), label=labels), 8, epochs=STEPS // 5, seed=1)
    torch.manual_seed(2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    run: Any = SimpleNamespace(
        net=net, task=Classification(Card("tiny", {}, ["a", "b"], None, "softmax", {}), cross_entropy),
        recipe=Recipe(123.0, optimizer=optimizer, schedule="cosine", total=3), device=torch.device("cpu"),
        precision="32", constraints=None, engine="dense", ranks=batches.ranks,
    )  # fmt: skip
    return scan_rates(run, batches, 1)


def test_step_sizes_rise_by_one_factor_and_the_loss_falls_and_rises() -> None:
    found = scan("sgd", 30.0)
    assert found.rate.tolist() == [rising(step) for step in range(len(found.rate))]
    assert found.rate[0] == pytest.approx(1e-7)
    assert rising(STEPS - 1) == pytest.approx(10)
    assert BEGINNING < len(found.rate) < STEPS  # it ended where the loss had risen
    mean = 0.0
    for step, loss in enumerate(found.loss.tolist()):
        mean = 0.9 * mean + 0.1 * loss
        assert found.smoothed[step] == pytest.approx(mean / (1 - 0.9 ** (step + 1)))
    least = int(np.argmin(found.smoothed))
    assert found.suggestion == found.rate[least] / 10
    assert found.smoothed[least] < 0.5 * found.smoothed[BEGINNING]


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    rate = np.geomspace(1e-7, 10, STEPS)
    rising_loss = RateScan(rate, np.linspace(1, 2, STEPS), np.linspace(1, 2, STEPS))
    assert rising_loss.suggestion is None


@pytest.mark.parametrize("suggestion", [None, 0.02])
def test_the_figure_shows_losses_and_suggestion(suggestion: float | None) -> None:
    (axes,) = rates([0.1, 1, 10], [3, 1, 50], [3, 2, 4], suggestion).axes
    assert axes.get_xscale() == "log"
    assert [line.get_ydata()[1] for line in axes.lines[:2]] == [1, 2]
    assert len(axes.lines) == 2 + (suggestion is not None)
    assert axes.get_ylim()[1] < 10
