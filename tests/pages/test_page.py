"""Page of an event in a browser: pixels, texts, and data that stays inert."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.image import imread

from dmcnn.images.sparse import META, NO_IMAGE, UNSET
from dmcnn.pages import Overlay, event_page, gallery
from pages.conftest import SHAPE, X0, Y0, event

HOSTILE = "</script><script>window.harm=1</script><img src=x onerror=harm=1>\u2028'\"&amp;${x}<!--"


@pytest.fixture(scope="module")
def page():
    return event()


@pytest.fixture(scope="module")
def tab(show, page):
    return show(page)


@pytest.fixture(autouse=True)
def as_opened(request):
    """Reset the shared tab to the state after opening."""
    if "tab" in request.fixturenames:
        tab = request.getfixturevalue("tab")
        choose(tab, view="beside", map=0, opacity=0.75, percent=99.5, signed="RdBu_r")
        tab.run("figure.point(null); figure.whole()")


def choose(tab, **choices):
    tab.run(f"choose({{{', '.join(f'{key}: {value!r}' for key, value in choices.items())}}})")


def place(tab, row, column, panel=0):
    """Return the position of the middle of a pixel in the window, from rectangle and ranges in plotly."""
    left, top, width, height, x0, x1, y0, y1 = tab.run(
        f"(() => {{ const b = document.querySelectorAll('.nsewdrag')[{panel}].getBoundingClientRect();"
        f"const n = {panel} ? {panel} + 1 : ''; const l = figure.plot._fullLayout;"
        "return [b.left, b.top, b.width, b.height, ...l[`xaxis${n}`].range, ...l[`yaxis${n}`].range] })()"
    )
    x, y = X0 + column + 0.5, Y0 + 6 * (row + 0.5)
    return left + (x - x0) / (x1 - x0) * width, top + (y1 - y) / (y1 - y0) * height


def hover(tab, row, column, panel=0):
    """Return the text of the tip at a pixel."""
    x, y = place(tab, row, column, panel)
    tab.mouse("mouseMoved", x, y)
    return tab.run(
        "$('tip').hidden ? {} : Object.fromEntries([...$('tip').querySelectorAll('dt')]"
        ".map(dt => [dt.textContent, dt.nextSibling.textContent.replaceAll('−', '-')]))"
    )


def colour(tab, row, column, panel=0):
    """Return the colour of a pixel, (3,) float, with the cursor elsewhere."""
    tab.mouse("mouseMoved", 2, 2)
    tab.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    x, y = place(tab, row, column, panel)
    shot = imread(io.BytesIO(tab.screenshot()), format="png")
    return shot[int(y), int(x), :3]


def brightest(page):
    return np.unravel_index(page.image[0].argmax(), SHAPE)


def strongest(page):
    return np.unravel_index(np.abs(page.overlays[0].values[0]).argmax(), SHAPE)


def test_it_opens_offline_and_without_complaint(tab):
    assert tab.run("document.querySelectorAll('.nsewdrag').length") == 2
    assert tab.complaints() == []
    assert len(tab.requests()) == 2  # itself, and plotly beside it
    assert all(request.startswith("file://") for request in tab.requests())


def test_the_policy_forbids_the_network_and_foreign_scripts(tab):
    seen = len(tab.requests())
    assert tab.run("fetch('http://127.0.0.1:9/').then(() => 'reached', () => 'refused')") == "refused"
    tab.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.harm = 1'}))"
    )
    assert tab.run("typeof window.harm") == "undefined"
    assert len(tab.requests()) == seen
    del tab.events[:]  # the browser has complained about these two, as it should


def test_what_is_told(tab):
    assert tab.run("$('ids').textContent") == "Run 7001, Subrun 916, Event 45840"
    assert tab.run("$('source').textContent") == "electron.root, entry 3"
    assert tab.run("$('text').textContent") == "MicroBooNE Simulation"
    scores = tab.run("[...$('scores').children].map(li => li.textContent)")
    assert scores == ["electronpredicted0.8125", "protontrue0.1875"]
    rows = tab.run(
        "[...$('quality').querySelectorAll('tr')].map(tr => [...tr.cells].map(c => c.textContent).join())"
    )
    assert rows == ["method,deletion AUC", "ig,0.25", "cam,0.5"]
    assert tab.run("document.querySelector('tr.shown').cells[0].textContent") == "ig"
    assert tab.run("$('about').textContent.replace(/\\s+/g, ' ').trim()") == (
        "Integrated gradients 64 steps; in 1/ADC"
    )


@pytest.mark.parametrize("panel", [0, 1])
def test_hovering_tells_wire_tick_charge_and_attribution(tab, page, panel):
    row, column = brightest(page)
    told = hover(tab, row, column, panel)
    assert (told["Wire Number"], told["Drift Time [ticks]"]) == (
        str(X0 + column),
        f"{Y0 + 6 * row} – {Y0 + 6 * row + 6}",
    )
    assert float(told["Charge [ADC]"]) == pytest.approx(page.image[0, row, column], rel=5e-6)
    value = page.overlays[0].values[0, row, column]
    assert float(told["Integrated gradients"]) == pytest.approx(value, rel=1e-3)
    assert len(tab.run("[...$('marks').children]")) == 2  # the cursor is in both panels


def test_hovering_over_all_maps_tells_all(tab, page):
    choose(tab, view="all")
    row, column = strongest(page)
    told = hover(tab, row, column, panel=2)
    assert list(told) == [
        "Wire Number",
        "Drift Time [ticks]",
        "Charge [ADC]",
        "Integrated gradients",
        "Grad-CAM",
    ]
    assert float(told["Grad-CAM"]) == pytest.approx(page.overlays[1].values[row, column], rel=1e-3)


def test_charge_is_painted_where_it_is(tab, page):
    row, column = brightest(page)
    np.testing.assert_allclose(colour(tab, row, column), colormaps["viridis"](1.0)[:3], atol=0.01)
    empty = np.argwhere(page.image[0] == 0)[0]
    np.testing.assert_allclose(colour(tab, *empty), colormaps["viridis"](0.0)[:3], atol=0.01)


def over(page, row, column, opacity, cmap="RdBu_r"):
    """Compute the colour of the signed map over the charge at a pixel with NumPy and matplotlib."""
    image, values = page.image[0], page.overlays[0].values[0]
    top = np.percentile(np.abs(values[image > 0]), 99.5)
    below = colormaps["Greys"]((image[row, column] / image.max()) ** 0.35)
    above = colormaps[cmap](values[row, column] / (2 * top) + 0.5)
    return (1 - opacity) * np.array(below[:3]) + opacity * np.array(above[:3])


@pytest.mark.parametrize("opacity", [0, 0.4, 1])
def test_opacity_and_scale_of_a_signed_map(tab, page, opacity):
    row, column = strongest(page)
    choose(tab, opacity=opacity)
    np.testing.assert_allclose(
        colour(tab, row, column, 1), over(page, row, column, opacity), atol=0.015
    )  # 256 colours


def test_switching_maps_and_colours_changes_what_is_drawn(tab, page):
    row, column = strongest(page)
    tab.run("$('opacity').value = 100; $('opacity').dispatchEvent(new Event('input'))")
    seen = [colour(tab, row, column, 1)]
    tab.run("$('signed').value = 'PuOr_r'; $('signed').dispatchEvent(new Event('change'))")
    seen.append(colour(tab, row, column, 1))
    tab.run("$('map').value = 1; $('map').dispatchEvent(new Event('change'))")
    tab.wait("open.maps.has(1) && figure.panels[1].title === 'Grad-CAM'")
    seen.append(colour(tab, row, column, 1))
    values, active = page.overlays[1].values, page.image[0] > 0
    low, high = np.percentile(values[active], [0.5, 99.5])
    expected = [
        over(page, row, column, 1),
        over(page, row, column, 1, "PuOr_r"),
        colormaps["YlOrRd"](np.clip((values[row, column] - low) / (high - low), 0, 1))[:3],
    ]
    np.testing.assert_allclose(seen, expected, atol=0.015)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("percent", [95, 99.5, 100])
@pytest.mark.parametrize("kind", ["random", "zero", "constant", "nan", "positive", "no charge"])
def test_colour_scales_are_those_of_numpy(tab, kind, percent, signed):
    from dmcnn.figures.attribution import limits

    random = np.random.default_rng(5)
    values = random.normal(size=50)
    values = {"zero": 0 * values, "constant": 0 * values - 2, "positive": np.abs(values)}.get(kind, values)
    image = (random.random(50) > 0.5).astype(float) * (kind != "no charge")
    if kind == "nan":
        values[::7] = np.nan
    told = tab.run(
        f"limits(new Float64Array({[None if np.isnan(v) else float(v) for v in values]!r}.map(v => v ?? NaN)),"
        f" i => {image.tolist()!r}[i] > 0, {str(signed).lower()}, {percent})".replace("None", "null")
    )
    assert told == pytest.approx(limits(values, signed=signed, image=image, percentile=percent))
    assert told[0] < told[1]


def test_a_map_of_one_value_has_the_colour_of_its_end(tab):
    from dmcnn.figures.attribution import limits

    for value, expected in ((1, [0, 1]), (0, [0, 1]), (-2, [-2, 0])):
        assert tab.run(f"limits(new Float64Array([{value}, {value}]), i => true, false, 99.5)") == expected
        assert limits(np.full(2, value), signed=False) == tuple(expected)


def test_titles_of_axes_stand_at_the_middle_of_their_panels(show):
    tab = show(event(), width=800)
    tab.wait("figure.panels.length === 2")
    titles = tab.run(
        "[...document.querySelectorAll('.annotation-text')].filter(t => t.textContent.startsWith('Drift')).map(t =>"
        " {const box = t.getBoundingClientRect();"
        " return box.top + box.height / 2 - $('stage').getBoundingClientRect().top})"
    )
    middles = tab.run("figure.boxes.map(box => box.top + box.height / 2)")
    assert len(titles) == 2
    assert sorted(titles) == pytest.approx(middles, abs=3)


def ranges(tab):
    return tab.run(
        "['', 2].map(n => [figure.plot._fullLayout[`xaxis${n}`].range, figure.plot._fullLayout[`yaxis${n}`].range])"
    )


def test_zooming_one_panel_zooms_the_other(tab, page):
    row, column = brightest(page)
    full = ranges(tab)
    x, y = place(tab, row, column, 1)
    tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    tab.wait(
        f"figure.plot._fullLayout.xaxis.range[1] - figure.plot._fullLayout.xaxis.range[0] < {SHAPE[1]} - 1"
    )
    tab.wait("figure.plot.layout.xaxis.range[0] === figure.range.x[0]")
    first, second = ranges(tab)
    assert first == second != full[0]
    (x0, x1), (y0, y1) = first
    assert (y1 - y0) / 6 / (x1 - x0) == pytest.approx(SHAPE[0] / SHAPE[1], rel=0.02)  # pixels stay square
    told = hover(tab, row, column)
    assert told["Wire Number"] == str(X0 + column)
    np.testing.assert_allclose(colour(tab, row, column), colormaps["viridis"](1.0)[:3], atol=0.01)
    tab.key("0")
    assert ranges(tab) == full


def test_dragging_moves_both_and_double_click_resets(tab):
    tab.run("figure.zoom(2)")
    before = ranges(tab)
    x, y = place(tab, SHAPE[0] // 2, SHAPE[1] // 2)
    tab.mouse("mousePressed", x, y, button="left", clickCount=1)
    for step in (10, 25, 40):
        tab.mouse("mouseMoved", x + step, y, button="left", buttons=1)
    tab.mouse("mouseReleased", x + 40, y, button="left", clickCount=1)
    tab.wait(f"figure.range.x[0] < {before[0][0][0]} - 0.5")
    assert ranges(tab)[0] == ranges(tab)[1]
    for count in (1, 2):
        tab.mouse("mousePressed", x, y, button="left", clickCount=count)
        tab.mouse("mouseReleased", x, y, button="left", clickCount=count)
    tab.wait(f"figure.range.x[0] === {X0} && figure.range.x[1] === {X0 + SHAPE[1]}")


def test_the_keyboard_alone_is_enough(tab, page):
    tab.run("$('stage').focus()")
    tab.key("ArrowRight")
    tab.key("ArrowUp", modifiers=8)
    row, column = SHAPE[0] // 2 + 10, SHAPE[1] // 2 + 1
    assert tab.run("figure.cursor") == {"row": row, "column": column}
    assert tab.run("$('status').textContent").startswith(
        f"Wire Number {X0 + column}, Drift Time [ticks] {Y0 + 6 * row} – "
    )
    tab.key("]")
    tab.wait("figure.panels[1].title === 'Grad-CAM'")
    tab.key("v")
    tab.wait("figure.panels.length === 3")
    tab.run("document.querySelector('#views input').focus()")
    tab.key("c")
    assert tab.run("figure.range.x[1] - figure.range.x[0]") < SHAPE[1] + 1
    assert tab.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_and_the_ground_follows_the_scheme(tab, width, dark):
    tab.resize(width, 844, dark)
    ground = "#12171d" if dark else "#ffffff"
    tab.wait(f"figure.plot._fullLayout.paper_bgcolor === '{ground}' && figure.width <= {width}")
    assert tab.run("document.documentElement.scrollWidth") <= width
    shot = imread(io.BytesIO(tab.screenshot()), format="png")
    np.testing.assert_allclose(shot[2, 2, :3], np.array([18, 23, 29]) / 255 if dark else 1, atol=0.01)
    tab.resize(1280, 800)
    tab.wait("figure.plot._fullLayout.paper_bgcolor === '#ffffff' && figure.width > 390")


PLANES, SPACE, SMALL, EVIL = 3, 4, 5, 8  # events of the gallery


def planes():
    """Return a page with three planes: at the usual position, without an image, and elsewhere."""
    page = event(channels=3)
    page.meta[1] = np.zeros((), META)
    page.meta["plane"][1] = NO_IMAGE
    page.meta["x_min"][2], page.meta["x_max"][2] = 500, 500 + SHAPE[1]
    return page


def one_hit(shape):
    """Return a (1, H, W) image of a single pixel, and its position."""
    row, column = shape[0] // 3, (2 * shape[1]) // 3
    image = np.zeros((1, *shape), np.float32)
    image[0, row, column] = 90
    return image, row, column


def evil():
    """Return a page whose texts would do harm if the browser took one for HTML or script."""
    return event(
        source=HOSTILE,
        text=HOSTILE,
        scores={HOSTILE: 0.9, "proton": np.nan},
        label=HOSTILE,
        quantity=(HOSTILE, HOSTILE),
        overlays=[Overlay(HOSTILE, HOSTILE, np.ones(SHAPE), True, HOSTILE, HOSTILE)],
        quality=[{HOSTILE: HOSTILE, "x": None}],
    )


SHAPES = [(600, 700), (2, 300), (1, 1)]


@pytest.fixture(scope="module")
def pages():
    small = [event(image=one_hit(shape)[0], meta=None, overlays=[], label=None) for shape in SHAPES]
    return [*map(event, range(3)), planes(), event(channels=7, quantity=("Energy", "GeV")), *small, evil()]


@pytest.fixture(scope="module")
def gallery_tab(show, pages):
    return show("".join(gallery(iter(pages), HOSTILE, HOSTILE)))


@pytest.fixture
def many(gallery_tab):
    """Return the gallery with no event open."""
    gallery_tab.run("location.hash = ''")
    gallery_tab.wait("!$('gallery').hidden && $('viewer').hidden")
    return gallery_tab


def turn_to(tab, number):
    """Open an event of the gallery."""
    tab.run("location.hash = ''")
    tab.wait("!$('gallery').hidden")
    tab.run(f"document.querySelectorAll('#cards a')[{number}].click()")
    tab.wait(f"open && open.number === {number} && figure.of === open")


def test_a_gallery_shows_all_events_and_opens_one(many, pages):
    assert many.run("$('gallery-note').textContent") == f"9 events, ranked by {HOSTILE}"
    many.wait("document.querySelectorAll('#cards canvas').length === 9")
    assert "✗ true: proton" in many.run("document.querySelector('#cards li').textContent")
    assert many.run("$('viewer').hidden") is True
    turn_to(many, 1)
    row, column = brightest(pages[1])
    told = hover(many, row, column)
    assert float(told["Charge [ADC]"]) == pytest.approx(pages[1].image[0, row, column], rel=5e-6)
    value = pages[1].overlays[0].values[0, row, column]
    assert float(told["Integrated gradients"]) == pytest.approx(value, rel=1e-3)
    many.key("n")
    many.wait("open && open.number === 2 && $('place').textContent === '3 of 9'")
    turn_to(many, 8)
    assert many.run("$('next').hasAttribute('href')") is False
    many.key("Escape")
    many.wait("!$('gallery').hidden && $('viewer').hidden")
    assert many.complaints() == []
    assert len(many.requests()) == 2


def test_a_small_picture_is_the_right_way_up(many, pages):
    many.run("location.hash = ''")
    many.wait("!$('gallery').hidden && document.querySelector('#cards canvas')")
    left, top, width, height = many.run(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#cards canvas').getBoundingClientRect())"
    )
    row, column = brightest(pages[0])
    many.mouse("mouseMoved", 2, 2)
    shot = imread(io.BytesIO(many.screenshot()), format="png")
    x, y = left + (column + 0.5) / SHAPE[1] * width, top + (1 - (row + 0.5) / SHAPE[0]) * height
    np.testing.assert_allclose(shot[int(y), int(x), :3], colormaps["viridis"](1.0)[:3], atol=0.01)


def test_planes_have_their_own_places(many):
    turn_to(many, PLANES)
    assert many.run("[...$('plane').options].map(o => o.text)") == ["Plane 0", "No image", "Plane 2"]
    many.run("$('plane').value = 2; $('plane').dispatchEvent(new Event('change'))")
    assert many.run("figure.range.x") == [500, 500 + SHAPE[1]]
    many.run("$('plane').value = 1; $('plane').dispatchEvent(new Event('change'))")
    assert many.run("figure.range.x") == [0, SHAPE[1]]
    assert many.complaints() == []


def test_a_space_time_event_has_frames_and_their_sum(many, pages):
    turn_to(many, SPACE)
    image = pages[SPACE].image
    row, column = np.argwhere(image.sum(axis=0))[5]
    assert float(hover(many, row, column)["Energy [GeV]"]) == pytest.approx(
        image[:, row, column].sum(), rel=1e-5
    )
    many.run("$('frame').value = 4; $('frame').dispatchEvent(new Event('input'))")
    row, column = np.argwhere(image[4])[2]
    assert float(hover(many, row, column)["Energy [GeV]"]) == pytest.approx(image[4, row, column], rel=1e-5)
    assert many.run("$('sum').checked") is False


def test_a_space_time_event_has_three_dimensions(many, pages):
    turn_to(many, SPACE)
    page = pages[SPACE]
    many.run("document.querySelector('input[value=space]').click()")
    many.wait("figure.kind === 'space'")
    kind, x, frame, y, charge = many.run(
        "(d => [d.type, d.x, d.y, d.z, d.marker.color])(figure.plot.data[0])"
    )
    frames, rows, columns = np.nonzero(page.image)
    assert kind == "scatter3d"
    assert frame == frames.tolist()
    np.testing.assert_allclose(x, X0 + columns + 0.5)
    np.testing.assert_allclose(y, Y0 + 6 * (rows + 0.5))
    np.testing.assert_allclose(charge, page.image[frames, rows, columns])
    many.run("new Promise(done => setTimeout(done, 300))")
    shot = imread(io.BytesIO(many.screenshot()), format="png")[200:, :900, :3]
    assert (np.ptp(shot, axis=2) > 0.3).sum() > 200  # coloured dots are there
    many.run("$('voxels').value = 'map'; $('voxels').dispatchEvent(new Event('change'))")
    many.wait("figure.plot.data[0].marker.color[0] < 1")
    values = page.overlays[0].values[frames, rows, columns]
    np.testing.assert_allclose(many.run("figure.plot.data[0].marker.color"), values, rtol=1e-3)
    many.run("document.querySelector('input[value=overlay]').click()")
    many.wait("figure.kind === 'flat'")
    assert many.complaints() == []


@pytest.mark.parametrize("nth", range(len(SHAPES)))
def test_no_hit_vanishes_in_a_small_panel(many, nth):
    shape = SHAPES[nth]
    _, row, column = one_hit(shape)
    many.resize(390, 844)
    turn_to(many, SMALL + nth)
    dots = many.run(
        "(async () => { const i = new Image(); i.src = figure.plot.data[0].source; await i.decode();"
        "const c = document.createElement('canvas'); c.width = i.width; c.height = i.height;"
        "const x = c.getContext('2d'); x.drawImage(i, 0, 0);"
        "return [i.height, i.width, ...x.getImageData(0, 0, i.width, i.height).data] })()"
    )
    many.resize(1280, 800)
    (height, width), drawn = dots[:2], np.array(dots[2:]).reshape(*dots[:2], 4)[..., :3]
    ((y, x),) = np.argwhere((drawn == np.array(colormaps["viridis"](1.0, bytes=True))[:3]).all(axis=2))
    assert width <= 390
    assert y / height * shape[0] - 1 <= row < (y + 1) / height * shape[0]
    assert x / width * shape[1] - 1 <= column < (x + 1) / width * shape[1]
    assert many.complaints() == []


def test_hostile_words_are_only_words(many):
    many.run("location.hash = ''")
    many.wait("!$('gallery').hidden")
    assert many.run("document.title") == many.run("$('gallery-title').textContent") == HOSTILE
    turn_to(many, EVIL)
    for view in ("beside", "all", "overlay"):
        choose(many, view=view)
        assert hover(many, 3, 4)["Wire Number"] == str(X0 + 4)
    assert many.run("[typeof window.harm, document.querySelectorAll('img').length]") == ["undefined", 0]
    assert many.run("$('source').textContent") == f"{HOSTILE}, entry 3"
    assert many.run("document.querySelector('#scores .name').textContent") == HOSTILE
    assert many.run("$('text').textContent") == HOSTILE
    assert "</script><script>" in many.run("figure.plot.querySelector('.annotation-text').textContent")
    assert many.complaints() == []
    assert len(many.requests()) == 2


@pytest.fixture(scope="module")
def classes(show):
    """Show a gallery of events of two classes, two of them mistaken and one without ids."""
    likely = [("electron", 0.9), ("electron", 0.2), ("proton", 0.3), ("proton", 0.6)]
    pages = [
        event(seed, label=label, scores={"electron": score, "proton": 1 - score}, overlays=[])
        for seed, (label, score) in enumerate(likely)
    ]
    for name in ("run", "subrun", "event"):
        pages[3].event[name] = UNSET
    return show("".join(gallery(iter(pages), "Events", "score")))


def listed(tab):
    return tab.run("[...$('cards').children].filter(li => !li.hidden).map(li => Number(li.dataset.event))")


def select(tab, **values):
    for name, value in {"truth": "", "predicted": "", "verdict": "", "find": "", **values}.items():
        tab.run(
            f"(() => {{ $('{name}').value = '{value}'; $('{name}').dispatchEvent(new Event('input')) }})()"
        )


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"truth": "electron"}, [0, 1]),
        ({"predicted": "electron"}, [0, 3]),
        ({"verdict": "wrong"}, [1, 3]),
        ({"truth": "proton", "verdict": "right"}, [2]),
        ({"find": "event 45841"}, [1]),
        ({"find": "nothing"}, []),
    ],
)
def test_a_gallery_is_filtered_by_truth_prediction_and_words(classes, values, numbers):
    select(classes, **values)
    assert listed(classes) == numbers
    note = classes.run("$('gallery-note').textContent")
    assert note == (f"{len(numbers)} of 4 events, ranked by score" if values else "4 events, ranked by score")


def test_steps_go_through_the_events_that_pass(classes):
    select(classes, verdict="wrong")
    turn_to(classes, 1)
    assert classes.run("$('place').textContent") == "1 of 2"
    classes.run("$('next').click()")
    classes.wait("open && open.number === 3")
    assert classes.run("$('next').hasAttribute('href')") is False
    assert classes.run("$('ids').textContent") == "electron.root, entry 3"  # and no "Run unset"
    assert classes.run("$('source').textContent") == ""
    assert "unset" not in classes.run("document.body.innerText")
    classes.run("location.hash = ''")
    select(classes)
    assert classes.complaints() == []


def test_a_page_without_its_script_says_so(browser, tmp_path):
    path = tmp_path / "alone.html"
    path.write_text(event_page(event()), encoding="utf-8")
    tab = browser.open(path, needs="$('trouble')")
    tab.wait("!$('trouble').hidden")
    assert "is not beside it" in tab.run("$('trouble').textContent")


@pytest.mark.parametrize("view", ["beside", "image", "all"])
def test_a_page_that_is_not_visible_is_drawn_when_it_is(show, view):
    tab = show(event(seed=5))
    tab.run("$('viewer').style.display = 'none'")
    choose(tab, view=view)
    tab.run("redraw()")
    assert tab.complaints() == []  # Error: <g> attribute transform: Expected number, "rotate(0,NaN,…"
    tab.run("$('viewer').style.display = ''")
    tab.run("window.dispatchEvent(new Event('resize'))")
    tab.wait("figure.width > 0 && document.querySelectorAll('.nsewdrag').length === figure.panels.length")
    assert tab.complaints() == []
