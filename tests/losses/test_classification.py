"""Classification losses against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.losses.classification import (
    ACTIVATION,
    LOSSES,
    bce,
    cross_entropy,
    focal,
    focal_cross_entropy,
    loss_function,
)

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
    assert float(focal(LOGITS, CLASSES, gamma=gamma)) == pytest.approx(by_hand(gamma), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.25, 0.9])
def test_focal_with_alpha_is_that_of_torchvision(alpha: float) -> None:
    """The lines of torchvision.ops.sigmoid_focal_loss, which is per logit too."""
    target = torch.nn.functional.one_hot(CLASSES, 2).double()
    p = LOGITS.sigmoid()
    entropy = -(target * p.log() + (1 - target) * (1 - p).log())
    p_t = p * target + (1 - p) * (1 - target)
    alpha_t = alpha * target + (1 - alpha) * (1 - target)
    expected = (alpha_t * (1 - p_t) ** 2 * entropy).mean()
    assert float(focal(LOGITS, CLASSES, alpha=alpha)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_of_the_softmax_is_per_event(gamma: float) -> None:
    expected = 0.0
    for row, true in zip(LOGITS.tolist(), CLASSES.tolist(), strict=True):
        p = math.exp(row[true]) / sum(map(math.exp, row))
        expected += -((1 - p) ** gamma) * math.log(p) / len(LOGITS)
    assert float(focal_cross_entropy(LOGITS, CLASSES, gamma=gamma)) == pytest.approx(expected, rel=1e-12)


def test_smoothed_labels() -> None:
    """A fifth of every label is spread evenly over two classes."""
    shares = LOGITS.softmax(dim=1).log()
    labels = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]], dtype=torch.float64)
    expected = float(-(labels * shares).sum(dim=1).mean())
    assert float(cross_entropy(LOGITS, CLASSES, smoothing=0.2)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply_the_losses_of_events(name: str) -> None:
    loss, weight = LOSSES[name], torch.tensor([0.5, 0.0, 2.5])
    each = [float(loss(LOGITS[i : i + 1], CLASSES[i : i + 1])) for i in range(3)]
    expected = sum(one * value for one, value in zip(weight.tolist(), each, strict=True)) / 3
    assert float(loss(LOGITS, CLASSES, weight)) == pytest.approx(expected, rel=1e-12)
    assert float(loss(LOGITS, CLASSES, torch.ones(3))) == pytest.approx(
        float(loss(LOGITS, CLASSES)), rel=1e-12
    )


def test_a_loss_of_ones_own_must_take_weights_where_there_are_some() -> None:
    loss_function("torch.nn:CrossEntropyLoss")
    said = "loss torch.nn:CrossEntropyLoss: takes no weights of events: expected a function of"
    with pytest.raises(InputError, match=said):
        loss_function("torch.nn:CrossEntropyLoss", weighted=True)


@pytest.mark.parametrize(("name", "gamma"), [("focal", 0.5), ("focal_cross_entropy", 0.5)])
def test_focal_gradients_are_finite_where_an_event_is_certain(name: str, gamma: float) -> None:
    logits = torch.tensor([[80.0, -80.0], [-80.0, 80.0], [1.0, 0.0]], requires_grad=True)
    loss_function(name, gamma=gamma)(logits, torch.tensor([0, 1, 0])).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


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
