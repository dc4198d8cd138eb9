"""HTML of a page in an independent parser: one file, scripts with known hashes, and inert data."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import UNSET
from dmcnn.pages import EventPage, Overlay, event_page, gallery, save_page
from dmcnn.pages.html import plotly_name
from pages.conftest import SHAPE, event


class Reader(HTMLParser):
    """Parser that collects scripts by id (or number) and every attribute of every element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[object, tuple[str, str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.title = ""
        self._at: tuple[object, str] | None = None
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._tag = tag
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "script":
            words = dict(attrs)
            self._at = (words.get("id", len(self.scripts)), words.get("type", ""))

    def handle_data(self, data):
        if self._tag == "script" and self._at is not None:
            self.scripts[self._at[0]] = (self._at[1], data)
        if self._tag == "title":
            self.title += data

    def handle_endtag(self, tag):
        self._tag, self._at = "", None

    def run(self) -> list[str]:
        return [text for kind, text in self.scripts.values() if not kind]


@pytest.fixture(scope="module")
def read():
    return Reader(event_page(event()))


def test_nothing_is_fetched_but_plotly_from_the_same_folder(read):
    fetched = [a for a in read.attributes if a[1] in ("src", "srcset", "data", "action", "integrity")]
    assert fetched == [("script", "src", plotly_name())]
    assert "/" not in plotly_name()
    assert {value[:1] for _, name, value in read.attributes if name == "href"} <= {"#"}


def test_only_the_own_script_and_its_neighbours_may_run(read):
    ((_, _, policy),) = [a for a in read.attributes if a[0] == "meta" and a[1] == "content" and "src" in a[2]]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in read.run()]
    assert f"script-src 'sha256-{digests[0]}' 'self' file:;" in policy
    assert len(digests) == 1
    assert policy.startswith("default-src 'none'")


def test_words_of_the_event(read):
    words = json.loads(read.scripts["event-0-0"][1])
    assert words["ids"] == {"run": "7001", "subrun": "916", "event": "45840"}
    assert words["shape"] == [1, *SHAPE]
    assert words["channels"] == [
        {
            "name": "Plane 0",
            "x": [2000, 2032],
            "y": [3000, 3144],
            "labels": ["Wire Number", "Drift Time [ticks]"],
            "square": True,
        }
    ]
    assert [m["title"] for m in words["maps"]] == ["Integrated gradients", "Grad-CAM"]
    assert {"event-0-1", "event-0-2", "event-0-3"} < set(read.scripts)
    assert read.title == "electron.root, entry 3"


def test_odd_words_are_told_as_they_are():
    page = event(scores={"a": np.nan, "b": np.float32(0.5)}, quality=[{"n": np.int64(3), "t": np.inf}])
    page.event["run"], page.event["event"] = UNSET, 2**63 + 1
    words = json.loads(Reader(event_page(page)).scripts["event-0-0"][1])
    assert words["ids"] == {"run": None, "subrun": "916", "event": str(2**63 + 1)}
    assert words["scores"] == [["a", None], ["b", 0.5]]
    assert words["quality"] == [{"n": 3, "t": None}]


def test_a_hostile_title_stays_a_title():
    title = "</title><script>harm()</script>$policy ${own}"
    read = Reader("".join(gallery([], title, "</script>")))
    assert read.title == title
    assert len(read.run()) == 1
    assert json.loads(read.scripts["page-words"][1])["ranked_by"] == "</script>"


def test_a_gallery_holds_one_event_at_a_time():
    asked = []

    def pages():
        for seed in range(3):
            asked.append(seed)
            yield event(seed)

    texts = gallery(pages(), "t", "score")
    seen = [next(texts) for _ in range(3)]
    assert len(asked) == 1
    assert "event-0-0" in seen[2]
    assert 'id="event-2-3"' in "".join(texts)


def test_fifteen_maps_of_noise_fit_into_ten_megabytes():
    random = np.random.default_rng(0)
    image = np.where(random.random((1, 512, 512)) > 0.99, 100, 0).astype(np.float32)
    noise = [Overlay(str(i), "", random.normal(size=image.shape), True) for i in range(3)]
    few = len(event_page(event(image=image, overlays=[])))
    size = few + 5 * (len(event_page(event(image=image, overlays=noise))) - few)
    assert few < 2e5
    assert size < 10e6


@pytest.mark.parametrize("shape", [(2, 24, 32), (24, 31), (32,)])
def test_maps_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match=r"electron.root: map 'x' has shape .*, the image \(1, 24, 32\)"):
        event(overlays=[Overlay("x", "X", np.zeros(shape), True)])
    with pytest.raises(InputError, match=r"image of shape \(24, 32\), expected \(C, H, W\)"):
        EventPage(np.zeros((24, 32), np.float32), None, event().event, "electron.root", {})


class Absent:
    """Import finder that hides plotly."""

    def find_spec(self, name, *_):
        if name.partition(".")[0] == "plotly":
            raise ModuleNotFoundError(f"No module named {name!r}", name="plotly")


def test_what_to_install_is_told(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(InputError, match="plotly is not installed; it comes with: pip install"):
        gallery([], "t", "score")


def test_pages_of_a_folder_share_one_plotly(tmp_path):
    """Twenty events were 98 MB."""
    for number in range(20):
        save_page(tmp_path / f"event_{number}.html", [event_page(event(number))])
    script = tmp_path / plotly_name()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8e6
    assert len(list(tmp_path.glob("*.js"))) == 1
    whole = script.read_bytes()
    script.write_bytes(whole[:-1])  # as an interrupted copy leaves it
    save_page(tmp_path / "event_0.html", [event_page(event())])
    assert script.read_bytes() == whole
