"""Deletion and insertion curves: linear networks have known ones, and every image is checked pixel by pixel."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from attribution.quality.fakes import SHAPE, Output, curved, image, linear, weights
from dmcnn._common.errors import InputError
from dmcnn.attribution.quality.deletion import area, measure, order

TARGET = Output(1)


def test_linear_network_has_the_known_curves():
    net, x = linear(), image(10)
    products = weights(net) * x.double().numpy()
    found = measure(net, x, {"wx": products}, TARGET, steps=32)
    falling = np.sort(products[x.numpy() != 0])[::-1]
    bias = net[1].bias[1].item()
    np.testing.assert_allclose(found.fraction, np.arange(11) / 10)
    np.testing.assert_allclose(
        found.deletion["wx"], bias + falling.sum() - np.append(0, np.cumsum(falling)), rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(
        found.insertion["wx"], bias + np.append(0, np.cumsum(falling)), rtol=1e-4, atol=1e-3
    )
    assert (found.base, found.removed) == pytest.approx((bias + falling.sum(), bias), rel=1e-4)
    # The trapezoids of a sum: each pixel is there for its place + 1/2 of 10 steps.
    assert area(found.fraction, found.deletion["wx"]) == pytest.approx(
        bias + falling @ (np.arange(10) + 0.5) / 10, abs=1e-3
    )


def test_the_ideal_order_beats_every_other():
    net, x = linear(), image(5)
    places = np.flatnonzero(x)
    maps = {}
    for nth, ranks in enumerate(permutations(range(5))):
        values = np.zeros(x.numel())
        values[places] = ranks
        maps[str(nth)] = values.reshape(SHAPE)
    found = measure(net, x, {**maps, "wx": weights(net) * x.numpy()}, TARGET)
    areas = {name: area(found.fraction, curve) for name, curve in found.deletion.items()}
    assert areas["wx"] == pytest.approx(min(areas.values()), abs=1e-4)
    areas = {name: area(found.fraction, curve) for name, curve in found.insertion.items()}
    assert areas["wx"] == pytest.approx(max(areas.values()), abs=1e-4)
    assert areas["wx"] > area(found.fraction, found.random).max()


def test_every_image_lacks_its_pixels_and_no_other():
    net, x = curved(), image(20)
    values = np.random.default_rng(1).normal(size=SHAPE)
    seen: list[torch.Tensor] = []
    hook = net.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[0].clone()))
    found = measure(net, x, {"map": values}, TARGET, steps=6, n_random=1, baseline=2.5, internal_batch=4)
    hook.remove()
    active = np.flatnonzero(x)
    falling = active[np.argsort(-values.ravel()[active])]
    counts = [0, 3, 7, 10, 13, 17, 20]
    np.testing.assert_allclose(found.fraction * 20, counts)
    expected = [x.numpy(), np.where(x != 0, 2.5, x)]
    for start, removed in (("deletion", True), ("insertion", False)):
        for k in counts[1:-1]:
            one = (expected[0] if start == "deletion" else expected[1]).copy().ravel()
            one[falling[:k]] = 2.5 if removed else x.numpy().ravel()[falling[:k]]
            expected.append(one.reshape(SHAPE))
    np.testing.assert_array_equal(torch.stack(seen[: len(expected)]), np.stack(expected))
    assert len(seen) == 2 + 3 * 2 * 5 - 5  # a random order needs one curve only
    with torch.no_grad():
        alone = [net(torch.from_numpy(one)[None])[0, 1].item() for one in expected]
    np.testing.assert_allclose(found.deletion["map"], [alone[0], *alone[2:7], alone[1]], atol=1e-4)
    np.testing.assert_allclose(found.insertion["map"], [alone[1], *alone[7:], alone[0]], atol=1e-4)


def test_charge_is_removed_brightest_first():
    net, x = curved(), image(12)
    found = measure(net, x, {"map": x.numpy()}, TARGET)
    np.testing.assert_array_equal(found.deletion["map"], found.deletion["charge"])
    np.testing.assert_array_equal(found.insertion["map"], found.insertion["charge"])


def test_random_orders_serve_both_directions():
    net, x = linear(), image(11)
    found = measure(net, x, {}, TARGET, steps=4, n_random=300)
    assert found.random.shape == (300, 5)
    assert len(np.unique(found.random[:, 1])) > 50
    areas = area(found.fraction, found.random)
    mean, error = areas.mean(), areas.std() / np.sqrt(300)
    # Of a linear network half the charge goes, on average, for half the area.
    trapezoids = (np.diff(found.fraction) * (2 - found.fraction[1:] - found.fraction[:-1]) / 2).sum()
    expected = found.removed + (found.base - found.removed) * trapezoids
    assert abs(mean - expected) < 4 * error
    values = np.random.default_rng(2).normal(size=SHAPE)
    both = measure(net, x, {"map": values, "reversed": -values}, TARGET, steps=11)
    np.testing.assert_allclose(both.insertion["reversed"], both.deletion["map"][::-1], rtol=1e-5, atol=1e-4)


def test_normalised_curves():
    net, x = linear(), image(10)
    with torch.no_grad():
        net[1].weight.abs_()
    found = measure(net, x, {}, TARGET)
    np.testing.assert_allclose(
        found.share(found.deletion["charge"])[[0, 1, -1]],
        [1, (found.deletion["charge"][1] - found.removed) / (found.base - found.removed), 0],
    )
    with torch.no_grad():
        net[1].weight.neg_()
    found = measure(net, x, {}, TARGET)
    assert np.isnan(found.share(found.deletion["charge"])).all()  # all charge speaks against the target


def test_ties_are_broken_at_random_and_not_by_place():
    values = np.zeros(1000)
    values[[3, 500]] = 5, 2
    found = order(values, seed=1)
    assert found[:2].tolist() == [3, 500]
    assert sorted(found) == list(range(1000))
    assert abs(np.corrcoef(np.arange(998), found[2:])[0, 1]) < 0.1
    np.testing.assert_array_equal(found, order(values, seed=1))
    assert (found != order(values, seed=2)).any()


@pytest.mark.parametrize("internal_batch", [1, 3, 1000])
def test_batches_change_nothing(internal_batch):
    net, x = curved(), image(40)
    values = {"map": np.random.default_rng(1).normal(size=SHAPE)}
    one, other = (
        measure(net, x, values, TARGET, steps=9, internal_batch=size) for size in (8, internal_batch)
    )
    np.testing.assert_allclose(one.deletion["map"], other.deletion["map"], rtol=1e-4)
    np.testing.assert_allclose(one.random, other.random, rtol=1e-4)


@pytest.mark.parametrize("active", [0, 1])
def test_little_charge(active):
    x, values = image(active), {"map": np.ones(SHAPE), "bad": np.full(SHAPE, np.nan)}
    found = measure(curved(), x, values, TARGET, n_random=3)
    assert found.fraction.tolist() == [0, 1]
    assert found.random.shape == (3, 2)
    assert np.isnan(found.deletion["bad"]).all()
    assert np.isnan(found.insertion["bad"]).all()
    expected = [found.base, found.removed] if active else [np.nan, np.nan]
    np.testing.assert_array_equal(found.deletion["map"], expected)
    np.testing.assert_array_equal(found.random[2], expected)


def test_refusals():
    net, x = linear(), image(3)
    with pytest.raises(InputError, match=r"map 'a' of shape \(6, 7\): expected the image's \(2, 6, 7\)"):
        measure(net, x, {"a": np.zeros(SHAPE[1:])}, TARGET)
    with pytest.raises(InputError, match="another name than 'random'"):
        measure(net, x, {"random": np.zeros(SHAPE)}, TARGET)
    with pytest.raises(InputError, match="steps = 0"):
        measure(net, x, {}, TARGET, steps=0)


def test_dropout_rests_and_comes_back():
    net, x = curved(), image(6)
    expected = measure(net, x, {}, TARGET)
    found = measure(net.train(), x, {}, TARGET)
    np.testing.assert_array_equal(found.random, expected.random)
    assert all(module.training for module in net.modules())
