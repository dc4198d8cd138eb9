"""Event display: every pixel at its wire and tick."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from dmcnn.figures.event import event_display
from dmcnn.figures.image_axes import channel_name, strongest_pixels
from dmcnn.images.sparse import (  # fmt: skip
    EVENT,
    META,
    NO_IMAGE,
    UNIT_CELL,
    UNIT_CM,
    UNIT_PIXEL,
    UNIT_SENSOR,
    UNIT_UNKNOWN,
    UNIT_WIRE_TICK,
    UNSET,
)

H, W = 6, 8


def place(unit=UNIT_WIRE_TICK, x=(100.0, 108.0), y=(3000.0, 3036.0), plane=2):
    """Return a META record of W wires and H rows of 6 ticks."""
    meta = np.zeros((), META)
    meta["unit"], meta["plane"] = unit, plane
    (meta["x_min"], meta["x_max"]), (meta["y_min"], meta["y_max"]) = x, y
    return meta


def event(run=7001, subrun=916, number=45840):
    record = np.zeros((), EVENT)
    record["run"], record["subrun"], record["event"] = run, subrun, number
    return record


def one_pixel(row, column, shape=(H, W)):
    image = np.zeros(shape, np.float32)
    image[row, column] = 50
    return image


def painted(figure: Figure) -> np.ndarray:
    """Return the drawn figure as (height, width, 3) uint8, row 0 at the top."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.get_renderer().buffer_rgba())[..., :3]


def canvas(figure: Figure) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    return figure


def test_data_edges_and_labels():
    image = np.random.default_rng(0).random((H, W)).astype(np.float32)
    axes = event_display(image, place()).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), image)
    assert axes.images[0].get_extent() == [100, 108, 3000, 3036]
    assert (axes.get_xlim(), axes.get_ylim()) == ((100, 108), (3000, 3036))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Wire Number", "Drift Time [ticks]")


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("shape", [(H, W), (1000, 1700), (40, 5)])
def test_a_pixel_is_painted_at_its_wire_and_tick(shape, transpose):
    row, column = int(0.7 * shape[0]), int(0.2 * shape[1])
    meta = place(x=(100.0, 100.0 + shape[1]), y=(3000.0, 3000.0 + 6 * shape[0]))
    figure = canvas(event_display(one_pixel(row, column, shape), meta, transpose=transpose))
    axes, seen = figure.axes[0], painted(figure)
    assert axes.images[0].get_array().max() == 50  # also where pixels outnumber the dots
    wire, tick = 100 + column + 0.5, 3000 + 6 * (row + 0.5)
    block = -(-shape[transpose] // len(axes.images[0].get_array()))
    if block > 1:  # drawn by blocks: the hit is in the right one, as a lone hit
        wire = 100 + (column // block + 0.5) * block
        tick = 3000 + 6 * (row // block + 0.5) * block
    x, y = axes.transData.transform((tick, wire) if transpose else (wire, tick))
    top = colormaps["viridis"](1.0)[:3]
    assert np.abs(seen[len(seen) - 1 - int(y), int(x)] / 255 - top).max() < 0.02
    bright = (np.abs(seen / 255 - top).max(axis=2) < 0.02).sum()
    box = axes.get_window_extent()
    assert bright < 0.1 * box.width * box.height  # and nowhere else


def test_transposed_labels_go_with_their_axes():
    axes = event_display(one_pixel(0, 0), place(), transpose=True).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Drift Time [ticks]", "Wire Number")
    assert (axes.get_xlim(), axes.get_ylim()) == ((3000, 3036), (100, 108))


@pytest.mark.parametrize(
    ("unit", "labels"),
    [
        (UNIT_UNKNOWN, ("Wire Number", "Drift Time")),
        (UNIT_CM, ("x [cm]", "y [cm]")),
        (77, ("Wire Number", "Drift Time")),
    ],
)
def test_labels_of_the_other_units(unit, labels):
    axes = event_display(one_pixel(0, 0), place(unit)).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == labels


@pytest.mark.parametrize(
    "meta",
    [
        None,
        place(x=(5.0, 5.0)),
        place(x=(8.0, 5.0)),
        place(y=(np.nan, 5.0)),
        place(y=(0.0, np.inf)),
        place(plane=NO_IMAGE),
    ],
)
def test_without_usable_edges_axes_count_pixels(meta):
    axes = event_display(one_pixel(0, 0), meta).axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, W), (0, H))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Wire Number", "Drift Time")


def test_text_and_default_look():
    figure = event_display(
        one_pixel(0, 0),
        place(),
        event(),
        label="MicroBooNE Simulation",
        plane="Plane 2",
        score="Signal score: 0.123",
    )
    axes = figure.axes[0]
    assert axes.get_title("left").split("\n") == [
        "MicroBooNE Simulation",
        "Plane 2, Run: 7001, Subrun: 916, Event: 45840",
        "Signal score: 0.123",
    ]
    (drawn,) = axes.images
    assert (drawn.cmap.name, drawn.origin) == ("viridis", "lower")
    assert isinstance(drawn.norm, PowerNorm)
    assert (drawn.norm.gamma, drawn.norm.vmin, drawn.norm.vmax) == (0.35, 0, 50)
    assert len(figure.axes) == 1


def test_text_of_unset_ids_and_big_ones():
    figure = event_display(one_pixel(0, 0), None, event(UNSET, 2**63 + 5, UNSET))
    assert figure.axes[0].get_title("left") == f"Run: unset, Subrun: {2**63 + 5}, Event: unset"


@pytest.mark.parametrize("shape", [(512, 512), (13, 21), (1008, 3456), (300, 9600), (3456, 1008)])
@pytest.mark.parametrize(
    "lines", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow), 6]
)
def test_no_text_covers_charge_or_is_cut(shape, lines):
    figure = event_display(
        np.ones(shape, np.float32),
        place(x=(0.0, float(shape[1])), y=(0.0, 6.0 * shape[0])),
        event(),
        label="A label that is longer than the picture is wide, so that it has to be broken into several lines",
        plane="Plane 2",
        score="\n".join(f"x-midplane: {line}.123 ± 4.567 µm (true 8.9 µm)" for line in range(lines)),
        bar_label="Charge [ADC]",
        logo=np.ones((20, 60, 3)),
    )
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (bar, corner), image = axes.child_axes, axes.get_window_extent()
    texts = [axes._left_title, bar.yaxis.label, axes.xaxis.label, axes.yaxis.label]  # no public name
    boxes = [text.get_window_extent() for text in texts]
    for box in [*boxes, bar.get_tightbbox(), corner.get_window_extent()]:
        assert not (
            box.overlaps(image) and box.x0 < image.x1 - 1 and box.y0 < image.y1 - 1 and box.x1 > image.x0 + 1
        )
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_wide_images_are_high_enough_to_be_read():
    for shape in ((1008, 3456), (300, 9600)):
        figure = event_display(np.ones(shape, np.float32), bar_label="Charge [ADC]")
        assert figure.axes[0].bbox.height / figure.dpi >= 2.9
        assert figure.get_size_inches()[0] <= 14.2


def test_zoom_says_how_much_of_the_charge_it_shows():
    image = np.zeros((100, 200), np.float32)
    image[40:50, 60:70], image[99, 199] = 1, 1
    axes = event_display(image, place(x=(0.0, 200.0), y=(0.0, 600.0)), zoom=True, plane="Plane 2").axes[0]
    assert axes.get_title("left") == "Plane 2, 99.0 % of the charge"
    assert 50 < axes.get_xlim()[0] < 60 < 70 < axes.get_xlim()[1] < 80
    assert 200 < axes.get_ylim()[0] < 240 < 300 < axes.get_ylim()[1] < 360
    whole = event_display(image, zoom=False).axes[0]
    assert (whole.get_xlim(), whole.get_title("left")) == ((0, 200), "")
    np.testing.assert_array_equal(axes.images[0].get_array().sum(), 100)


def test_a_zoomed_picture_of_a_large_image_has_every_pixel():
    image = np.zeros((1500, 4500), np.float32)
    image[500:700:2, 2000:2200:2] = 1
    (drawn,) = event_display(image, zoom=True).axes[0].images
    assert drawn.get_array().sum() == image.sum()


@pytest.mark.parametrize(
    ("axis0", "unit", "plane", "name"),
    [
        ("plane", UNIT_WIRE_TICK, 2, "Plane 2"),
        ("plane", UNIT_CM, 0, "Plane 0"),
        ("plane", UNIT_PIXEL, 0, ""),
        ("plane", UNIT_CM, NO_IMAGE, "No image"),
        ("time", UNIT_SENSOR, 19, "Time slice 19"),
        ("channel", UNIT_CELL, 1, "Time"),
        ("z", UNIT_CM, 4, "Layer 4"),
    ],
)
def test_channels_have_the_names_that_files_give_them(axis0, unit, plane, name):
    assert channel_name(place(unit, plane=plane), axis0, 1) == name


def test_scale_bar_and_logo_are_as_asked():
    logo = np.random.default_rng(1).random((10, 20, 3))
    figure = event_display(
        one_pixel(2, 3), place(), gamma=1.0, vmin=10, vmax=500, bar_label="Charge [ADC]", logo=logo
    )
    drawn = figure.axes[0].images[0]
    assert (drawn.norm.gamma, drawn.norm.vmin, drawn.norm.vmax) == (1, 10, 500)
    bar, corner = figure.axes[0].child_axes
    assert bar.get_ylabel() == "Charge [ADC]"
    assert bar.get_ylim() == (10, 500)
    np.testing.assert_array_equal(corner.images[0].get_array(), logo)


@pytest.mark.parametrize("image", [np.zeros((H, W)), np.full((H, W), np.nan), np.full((H, W), -3.0)])
def test_images_without_charge_are_the_lowest_colour(image):
    figure = canvas(event_display(image.astype(np.float32), place(), event(), bar_label="ADC"))
    x, y = figure.axes[0].transData.transform((104, 3030))
    seen = painted(figure)
    assert np.abs(seen[len(seen) - 1 - int(y), int(x)] / 255 - colormaps["viridis"](0.0)[:3]).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(512, 512), (1008, 3456), (3456, 1008), (1, 1), (13, 21), (2000, 3)])
@pytest.mark.parametrize("bar", [None, "ADC"])
def test_size_stays_below_2100_dots_and_pixels_are_square(shape, bar):
    figure = event_display(np.zeros(shape, np.float32), None, event(), bar_label=bar)
    wide, high = figure.get_size_inches() * figure.dpi
    assert 1150 < max(wide, high) < 2100
    axes = figure.axes[0]
    figure.draw_without_rendering()
    if 1 / 4 <= shape[0] / shape[1] <= 2:
        (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (shape[1], shape[0])])
        assert (y1 - y0) / (x1 - x0) == pytest.approx(shape[0] / shape[1], rel=1e-6)


def test_strongest_keeps_the_lone_hits_of_both_signs():
    image = np.zeros((5, 7), np.float32)
    image[0, 1], image[1, 0], image[4, 6], image[3, 3] = 3, -9, 5, np.nan
    np.testing.assert_array_equal(
        strongest_pixels(image, 2, 3), np.array([[-9, 0, 0], [0, 0, 0], [0, 0, 5]], np.float32)
    )
    assert strongest_pixels(image, 1, 1) is image
