"""Browser, and small events for its pages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dmcnn.images.sparse import EVENT, META, UNIT_WIRE_TICK
from dmcnn.pages import EventPage, Overlay, event_page, save_page
from pages.chromium import Chromium, Page, find

SHAPE = (24, 32)
X0, Y0 = 2000, 3000  # first wire, first tick; 6 ticks per row


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests in the browser as slow, which takes seconds to start and to end."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    program = find()
    if program is None:
        pytest.skip("SKIPPED FOR WANT OF A BROWSER: no chromium on the PATH (or set DMCNN_CHROMIUM)")
    profile = Path(tempfile.mkdtemp(prefix="dmcnn-chromium-"))
    browser = Chromium(program, profile)
    try:
        browser.call("Browser.getVersion")
    except (RuntimeError, OSError) as error:  # such as the stub of a package that is not there
        browser.close()
        pytest.skip(f"SKIPPED FOR WANT OF A BROWSER: {program} does not start ({error})")
    yield browser
    browser.close()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module")
def show(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Page]:
    """Open an EventPage, or the text of a page, in a new tab and wait until it is drawn."""

    def opened(page: EventPage | str, **window: object) -> Page:
        path = tmp_path_factory.mktemp("page") / "page.html"
        save_page(path, [page if isinstance(page, str) else event_page(page)])
        tab = browser.open(path, **window)
        tab.wait("document.querySelector('.nsewdrag') || !document.getElementById('gallery').hidden")
        return tab

    return opened


def event(seed: int = 0, channels: int = 1, **changes: object) -> EventPage:
    """Return a page with a noisy image of a few active pixels, a signed map on them, and a positive map."""
    random = np.random.default_rng(seed)
    image = random.gamma(1.5, 60, (channels, *SHAPE)).astype(np.float32)
    image[random.random(image.shape) > 0.1] = 0
    meta = np.zeros(channels, META)
    meta["plane"], meta["unit"] = np.arange(channels), UNIT_WIRE_TICK
    meta["x_min"], meta["x_max"] = X0, X0 + SHAPE[1]
    meta["y_min"], meta["y_max"] = Y0, Y0 + 6 * SHAPE[0]
    ids = np.zeros((), EVENT)
    ids["run"], ids["subrun"], ids["event"], ids["entry"] = 7001, 916, 45840 + seed, 3
    signed = np.where(image > 0, random.normal(0, 3e-4, image.shape), 0)
    positive = random.random(SHAPE)
    return EventPage(
        **{
            "image": image,
            "meta": meta,
            "event": ids,
            "source": "electron.root",
            "scores": {"electron": 0.8125, "proton": 0.1875},
            "label": "proton",
            "overlays": [
                Overlay("ig", "Integrated gradients", signed, True, "1/ADC", "64 steps", "Attribution"),
                Overlay("cam", "Grad-CAM", positive, False),
            ],
            "quality": [{"method": "ig", "deletion AUC": 0.25}, {"method": "cam", "deletion AUC": 0.5}],
            "text": "MicroBooNE Simulation",
            "volume": channels > 3,
            **changes,
        }
    )
