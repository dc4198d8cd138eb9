"""Classification losses against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from dmcnn.losses.classification import ACTIVATION, bce, cross_entropy, focal, loss_function

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.25], [-3.0, 1.0]], dtype=torch.float64)
CLASSES = torch.tensor([0, 1, 0])


def by_hand(gamma: float) -> float:
    total = 0.0
    for row, true in zip(LOGITS.tolist(), CLASSES.tolist(), strict=True):
        for number, logit in enumerate(row):
            p = 1 / (1 + math.exp(-logit))
            right = p if number == true else 1 - p
            total += -((1 - right) ** gamma) * math.log(right)
    return total / LOGITS.numel()


def test_bce_is_dm_cnns() -> None:
    assert float(bce(LOGITS, CLASSES)) == pytest.approx(by_hand(0), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal(gamma: float) -> None:
    assert float(focal(LOGITS, CLASSES, gamma)) == pytest.approx(by_hand(gamma), rel=1e-12)


def test_cross_entropy() -> None:
    shares = LOGITS.exp() / LOGITS.exp().sum(dim=1, keepdim=True)
    expected = -torch.stack([shares[i, c].log() for i, c in enumerate(CLASSES)]).mean()
    assert float(cross_entropy(LOGITS, CLASSES)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATION)
def test_gradients_are_finite_for_extreme_logits(name: str) -> None:
    logits = torch.tensor([[80.0, -80.0], [-80.0, 80.0]], requires_grad=True)
    loss_function(name)(logits, torch.tensor([1, 1])).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
