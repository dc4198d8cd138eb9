"""Figures of calorimeter events: the drawn numbers are those of the images."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures import space_time
from dmcnn.images.sparse import META, UNIT_CELL


@pytest.fixture
def event() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    energy, time = np.zeros((2, 12, 10), np.float32)
    hit = random.random((12, 10)) < 0.2
    energy[hit], time[hit] = random.exponential(0.05, hit.sum()), random.normal(0, 0.05, hit.sum())
    return energy, time


def place() -> np.ndarray:
    meta = np.zeros((), META)
    meta["unit"] = UNIT_CELL
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 11, 21, 10, 22
    return meta


def test_energy_and_time_side_by_side(event):
    energy, time = event
    figure = space_time.energy_time(energy, time, place(), text="Electron", units=("GeV", "ns"))
    left, right, *bars = figure.axes
    for axes, image in ((left, energy), (right, time)):
        drawn = np.ma.filled(axes.images[0].get_array(), np.nan)
        np.testing.assert_array_equal(drawn, np.where(energy > 0, image, np.nan))
        assert axes.images[0].get_extent() == [11, 21, 10, 22]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x [cells]", "y [cells]")
    assert [bar.get_ylabel() for bar in bars] == ["Energy [GeV]", "Time [ns]"]
    low, high = right.images[0].get_clim()
    assert (low, high) == (-high, pytest.approx(np.abs(time).max()))
    assert figure.get_suptitle() == "Electron"


def test_points_in_space_and_time(event):
    energy, time = event
    figure = space_time.space_time(energy, time, place(), energy_min=0.02, time_span=0.1)
    axes = figure.axes[0]
    row, column = np.nonzero((energy > 0.02) & (np.abs(time) <= 0.1))
    points = axes.collections[0]
    found = {
        tuple(np.round(at, 6)) for at in zip(*(np.asarray(x, float) for x in points._offsets3d), strict=True)
    }
    expected = zip(time[row, column].astype(float), column + 11.5, row + 10.5, strict=True)
    assert found == {tuple(np.round(at, 6)) for at in expected}
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == (
        "Time [50 ns]",
        "x [cells]",
        "y [cells]",
    )
    assert len(axes.lines) == len(row)


def test_grid_of_frames(event):
    frames = np.stack([event[0] * k for k in range(5)])
    figure = space_time.frame_grid(frames, [-1, 0, 1, 2, 3], units=("", "ns"), columns=3)
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.images]
    assert [axes.get_title() for axes in shown] == [*(f"t ≤ {k} [ns]" for k in range(4)), "no time"]
    for axes, image in zip(shown, frames, strict=True):
        drawn = np.ma.filled(axes.images[0].get_array(), np.nan)
        np.testing.assert_array_equal(np.nan_to_num(drawn), image)
    assert len({axes.images[0].get_clim() for axes in shown}) == 1


def test_frames_one_after_another(event):
    frames = np.stack([event[0] * k for k in range(3)])
    made = space_time.animation(frames, [-1, 0, 1, 2], text="Photon", interval=50)
    made._draw_was_started = True  # or matplotlib complains that it was never saved
    for k in range(3):
        drawn, title = made._func(k)
        np.testing.assert_array_equal(np.nan_to_num(np.ma.filled(drawn.get_array(), np.nan)), frames[k])
        assert title.get_text() == f"Photon  t ≤ {k}"


def test_shares_of_cells(event):
    energy, time = event
    figure = space_time.distributions(
        {"photon": (energy, time), "electron": (2 * energy, time)}, window=(-0.1, 0.1), energy_min=0.005
    )
    left, right = figure.axes
    for axes in (left, right):
        for stairs in axes.patches:
            assert stairs.get_data().values.sum() == pytest.approx(1)
    assert [line.get_xdata()[0] for line in right.lines] == [-0.1, 0.1]
    assert (left.get_xscale(), left.get_yscale(), right.get_yscale()) == ("log", "log", "log")
    n = np.count_nonzero(energy > 0)
    words = [text.get_text() for text in left.get_legend().get_texts()]
    assert words == [f"photon ({n} cells)", f"electron ({n} cells)"]


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, -1.0])
def test_flat_events_are_drawn(value):
    flat = np.full((4, 4), value, np.float32)
    figures = [
        space_time.energy_time(flat, np.zeros_like(flat)),
        space_time.space_time(flat, np.zeros_like(flat)),
        space_time.frame_grid(flat[None], [0, 1]),
        space_time.distributions({"one": (flat, flat)}),
        space_time.distributions({}),
    ]
    for figure in figures:
        figure.canvas.draw()
