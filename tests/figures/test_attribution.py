"""Attribution figures: maps at their place, on finite colour scales for any values."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dmcnn.figures.attribution import attribution_map, limits, overview, scatter3d
from dmcnn.images.sparse import META, UNIT_CM, UNIT_WIRE_TICK


def place(height, width, unit=UNIT_WIRE_TICK):
    meta = np.zeros((), META)
    meta["unit"] = unit
    meta["x_min"], meta["x_max"], meta["y_min"], meta["y_max"] = 100, 100 + width, 3000, 3000 + 6 * height
    return meta


def example(shape=(20, 30)):
    """Return the charge of a short track, and a signed map on it and around it."""
    random = np.random.default_rng(2)
    image = np.zeros(shape, np.float32)
    image[8:12, 10:16] = random.gamma(2, 40, (4, 6))
    return image, random.normal(0, 1e-3, shape) * (1 + 5 * (image > 0))


ODD = {
    "zero": lambda v: 0 * v,
    "constant": lambda v: 0 * v + 3,
    "nan": lambda v: v * np.nan,
    "some nan": lambda v: np.where(v > 1e-3, np.nan, v),
    "infinite": lambda v: np.where(v > 1e-3, np.inf, v),
    "positive": np.abs,
    "negative": lambda v: -np.abs(v),
    "tiny": lambda v: v * 1e-30,
}


def test_scale_of_a_signed_map():
    image, values = example()
    low, high = limits(values, signed=True, image=image)
    assert high == np.percentile(np.abs(values[image > 0]), 99.5) == -low
    assert limits(values, signed=True, image=image, percentile=100)[1] == np.abs(values).max()
    low, high = limits(values, signed=False, image=image)
    assert (low, high) == tuple(np.percentile(values[image > 0], [0.5, 99.5]))


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", ODD)
def test_odd_maps_are_drawn(kind, signed):
    image, values = example()
    values = ODD[kind](values)
    for charge in (image, 0 * image, None):
        figure = attribution_map(values, "Odd", None, signed=signed, image=charge, zoom_to=charge)
        figure.draw_without_rendering()
        norm = figure.axes[0].images[0].norm
        assert norm.vmin < norm.vmax
        assert np.isfinite([norm.vmin, norm.vmax]).all()
        assert not signed or norm.vmin == -norm.vmax


@pytest.mark.parametrize("transpose", [False, True])
def test_map_axes_box_and_words(transpose):
    image, values = example()
    figure = attribution_map(
        values,
        "Integrated gradients, signal",
        place(20, 30),
        signed=True,
        image=image,
        box=(8, 12, 10, 16),
        bar_label="Attribution [1/ADC]",
        transpose=transpose,
    )
    axes = figure.axes[0]
    drawn, shadow = axes.images
    np.testing.assert_array_equal(drawn.get_array(), values.T if transpose else values)
    np.testing.assert_array_equal(shadow.get_array(), image.T if transpose else image)
    assert drawn.cmap.name == "RdBu_r"
    assert axes.get_title("left") == "Integrated gradients, signal"
    labels = ("Wire Number", "Drift Time [ticks]")
    assert (axes.get_xlabel(), axes.get_ylabel()) == (labels[::-1] if transpose else labels)
    assert axes.child_axes[0].get_ylabel() == "Attribution [1/ADC]"
    edges = ((110, 3048), (116, 3072))
    for patch in axes.patches:
        corners = patch.get_bbox().get_points()
        np.testing.assert_array_equal(corners[:, ::-1] if transpose else corners, edges)


@pytest.mark.slow
def test_charge_is_a_shadow_that_leaves_empty_pixels_alone():
    image, values = example()
    bare, shaded = (attribution_map(values, "", signed=True, image=i, percentile=100) for i in (None, image))
    pictures = []
    for figure in (bare, shaded):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].astype(float))
    axes = bare.axes[0]
    height = len(pictures[0])

    def dot(picture, row, column):
        x, y = axes.transData.transform((column + 0.5, row + 0.5))
        return picture[height - 1 - int(y), int(x)]

    brightest = np.unravel_index(image.argmax(), image.shape)
    np.testing.assert_array_equal(dot(pictures[0], 2, 3), dot(pictures[1], 2, 3))
    # 55 % of black over the map where the charge is highest
    np.testing.assert_allclose(dot(pictures[1], *brightest), 0.45 * dot(pictures[0], *brightest), atol=2)


def test_zoom_shows_the_charge():
    image, values = example((100, 200))
    axes = attribution_map(values, "", place(100, 200), signed=True, image=image, zoom_to=image).axes[0]
    wires, ticks = axes.get_xlim(), axes.get_ylim()
    assert wires[0] < 110 < 116 < wires[1] < 125
    assert ticks[0] < 3048 < 3072 < ticks[1] < 3110


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 7])
def test_overview_holds_every_map_in_order(count):
    image, values = example()
    maps = [(f"Method {n}", values * (n + 1), n % 2 == 0) for n in range(count)]
    figure = overview(image, maps, place(20, 30), title="Event", zoom_to=image)
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title("left") for axes in shown] == ["Charge", *(name for name, _, _ in maps)]
    for axes, (_, drawn, signed) in zip(shown[1:], maps, strict=True):
        assert set(np.unique(axes.images[0].get_array())) <= set(np.unique(drawn))  # the part with charge
        assert axes.images[0].cmap.name == ("RdBu_r" if signed else "YlOrRd")
        assert axes.get_title("right").startswith("±") is signed
    assert len({axes.get_xlim() for axes in shown}) == 1  # the panels move together


@pytest.mark.slow
def test_overview_of_odd_maps():
    image, values = example()
    overview(
        image, [(k, f(values), n % 2 == 0) for n, (k, f) in enumerate(ODD.items())]
    ).draw_without_rendering()
    overview(0 * image, [("zero", 0 * values, True)], zoom_to=0 * image).draw_without_rendering()


@pytest.mark.parametrize("coloured", [False, True])
def test_voxels_lie_in_space_and_time(coloured):
    voxels = np.zeros((5, 4, 6), np.float32)
    voxels[3, 1, 2], voxels[0, 3, 5], voxels[2, 2, 2] = 2.0, 1.0, np.nan
    values = np.where(voxels > 0, -voxels, 9) if coloured else None
    figure = scatter3d(voxels, place(4, 6, UNIT_CM), values=values, signed=True)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (dots,) = axes.collections
    x, time, y = (np.asarray(axis) for axis in dots._offsets3d)
    order = np.argsort(time)
    np.testing.assert_allclose(np.stack([x, time, y])[:, order].T, [[105.5, 0, 3021], [102.5, 3, 3009]])
    np.testing.assert_allclose(np.asarray(dots.get_array())[order], [-1, -2] if coloured else [1, 2])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == ("x [cm]", "Time frame", "y [cm]")


def test_an_empty_space_time_event():
    scatter3d(np.zeros((3, 4, 4), np.float32)).draw_without_rendering()
