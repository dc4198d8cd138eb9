"""Weight histograms and zero maps count every weight."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures import weights
from dmcnn.figures.weights import DeployedTensor

RANDOM = np.random.default_rng(13)


def tensor(name: str, shape: tuple[int, ...], step: float | None = 1 / 8) -> DeployedTensor:
    values = RANDOM.normal(0, 0.3, shape).astype(np.float32)
    if step is not None:
        values = np.clip(np.round(values / step), -8, 7).astype(np.float32) * np.float32(step)
    return DeployedTensor(name, values, np.abs(values) <= (1e-3 if step is None else 0), step)


def test_a_bar_for_every_value_and_zeros_apart() -> None:
    one = tensor("dense.weight", (20, 30))
    figure = weights.histograms([one])
    (axes,) = figure.axes
    others, zeros = (patch.get_data() for patch in axes.patches[:2])
    middles = (others.edges[1:] + others.edges[:-1]) / 2
    for value, count in zip(*np.unique(one.values, return_counts=True), strict=True):
        bar = np.flatnonzero(np.isclose(middles, value))
        assert len(bar) == 1
        assert (zeros if value == 0 else others).values[bar[0]] == count
    assert others.values.sum() + zeros.values.sum() == 600
    assert axes.get_title() == f"dense.weight (20×30)\n{100 * one.zero.mean():.1f} % zero"
    assert axes.get_yscale() == "log"
    (legend,) = figure.legends
    assert legend.get_title().get_text() == f"600 weights, {100 * one.zero.mean():.1f} % zero"
    figure.draw_without_rendering()


@pytest.mark.parametrize("step", [None, 1 / 128, 2.0**-15])
def test_every_weight_is_in_a_bin(step) -> None:
    one = tensor("a", (3000,), step)
    axes = weights.histograms([one]).axes[0]
    found = [patch.get_data() for patch in axes.patches[:2]]
    assert sum(part.values.sum() for part in found) == 3000
    assert len(found[0].values) <= 4 * weights.BINS
    widths = np.diff(found[0].edges)
    np.testing.assert_allclose(widths, widths[0])
    middle = (found[0].edges[0] + found[0].edges[-1]) / 2
    assert middle == pytest.approx(0, abs=1e-12)


def test_zero_maps_have_outputs_down() -> None:
    kernel, bias = tensor("conv.weight", (5, 2, 3, 3)), tensor("conv.bias", (5,))
    figure = weights.zero_maps([kernel, bias])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), kernel.zero.reshape(5, 18))
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), bias.zero[None])
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("Input", "Output")
    assert (figure.axes[1].get_xlabel(), figure.axes[1].get_ylabel()) == ("Output", "")
    figure.draw_without_rendering()


def test_large_maps_are_drawn_by_blocks() -> None:
    zero = RANDOM.random((1003, 450)) < 0.3
    found = weights.blocks(zero)
    assert found.shape == (335, 225)
    assert found[0, 0] == zero[:3, :2].mean()
    assert found[-1, -1] == zero[1002:, 448:].mean()
    np.testing.assert_array_equal(weights.blocks(zero[:20, :30]), zero[:20, :30])


@pytest.mark.slow
def test_of_many_tensors_the_largest_are_drawn() -> None:
    many = [tensor(str(i), (i + 1,)) for i in range(40)]
    figure = weights.zero_maps(many)
    assert len(figure.axes) == weights.MAX_TENSORS
    assert figure.axes[0].get_title().startswith("16 (17)")
    assert "the 24 largest of 40 tensors" in figure.legends[0].get_title().get_text()
    weights.histograms([]).draw_without_rendering()
    weights.zero_maps([]).draw_without_rendering()
