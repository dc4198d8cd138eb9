"""Report pages in an independent parser: whole, escaped, without script, network or path of the machine."""

from __future__ import annotations

import base64
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from dmcnn._common.errors import InputError
from dmcnn.pages import report as pages

VOID = {"meta", "img"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Page(HTMLParser):
    """Parser that demands closed elements, and collects texts by element, and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], data))

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]


def page(*parts: pages.Html) -> Page:
    return Page(pages.report("A <b>title</b> & more", {"First": parts, "Empty": []}, "simulated"))


def test_a_page_is_self_contained_and_runs_nothing(tmp_path: Path):
    path = tmp_path / "roc.png"
    path.write_bytes(PNG)
    read = page(pages.figure(path, "ROC"), pages.figure(Figure(figsize=(1, 1)), "other"))
    sources = [value for _, name, value in read.attributes if name == "src"]
    assert len(sources) == 2
    assert base64.b64decode(sources[0].removeprefix("data:image/png;base64,")) == PNG
    assert base64.b64decode(sources[1].removeprefix("data:image/png;base64,"))[:8] == PNG[:8]
    assert {tag for tag, *_ in read.attributes}.isdisjoint({"script", "link", "iframe"})
    assert not any(name.startswith("on") for _, name, _ in read.attributes)
    policy = next(value for _, name, value in read.attributes if value.startswith("default-src"))
    assert "default-src 'none'" in policy
    assert [value for _, name, value in read.attributes if name == "href"] == ["#s0"]


def test_texts_are_escaped_and_a_dollar_stays():
    read = page(
        pages.paragraph("<script>alert(1)</script> $title"),
        pages.facts({"<i>": '"&amp;'}),
        pages.table(["a<b"], [["</td>"]], "<u>"),
        pages.preformatted("a = 1\n  b < 2"),
        pages.fold("<s>", [pages.paragraph("inside")]),
    )
    assert read.of("h1") == ["A <b>title</b> & more"]
    assert read.of("p")[:2] == ["simulated", "<script>alert(1)</script> $title"]
    assert read.of("dt") == ["<i>"]
    assert read.of("dd") == ['"&amp;']
    assert read.of("th") == ["a<b"]
    assert read.of("td") == ["</td>"]
    assert read.of("pre") == ["a = 1\n  b < 2"]
    assert read.of("summary") == ["<s>"]


def test_an_interval_stays_on_one_line():
    text = pages.table(["auc", "interval"], [(0.5, "[0.31106, 0.52196]"), (1.0, "[-1e-05, 2]")], "a, b")
    assert "[0.31106,&nbsp;0.52196]" in text
    assert "[-1e-05,&nbsp;2]" in text


def test_no_path_of_the_machine_is_on_the_page():
    text = pages.report(
        "t",
        {
            "files": [
                pages.files({Path("/home/me/a.csv"): "0f", "data/b.csv": "1e"}),
                pages.numbers(
                    {"files": [{"file": "/home/me/c.csv", "rows": 3}], "weights": "/home/me/d.ckpt"}
                ),
            ]
        },
    )
    assert "/home" not in text
    assert [name for name in Page(text).of("td") if "csv" in name] == ["a.csv", "data/b.csv", "c.csv"]
    assert Page(text).of("dd") == ["d.ckpt"]


def test_every_number_of_a_json_object_is_on_the_page():
    tree = {
        "auc": 0.938357,
        "efficiency": [0.9, 0.85, 0.95],
        "missing": None,
        "undefined": math.nan,
        "flag": True,
        "nothing": [],
        "cuts": [0.1 * at for at in range(20)],
        "eff": [0.5] * 20,
        "confusion": [[5, 1], [2, 7]],
        "networks": {"mpid": {"auc": 0.5}},
        "files": [{"file": "a.csv", "rows": 11}, {"file": "b.csv", "unscored": 13}],
    }
    read = page(pages.numbers(tree, "evaluation"))
    assert read.of("dt")[:6] == ["auc", "efficiency", "missing", "undefined", "flag", "nothing"]
    assert read.of("dd")[:5] == ["0.938357", "0.9, 0.85, 0.95", "–", "–", "yes"]
    cells = read.of("td")
    assert len(cells) == 2 * 20 + 4 + 2 * 3
    assert "1.9" in cells
    assert read.of("summary") == ["cuts, eff (20 rows)"]
    assert "evaluation: networks: mpid" in read.of("h3")


def test_an_image_of_another_format_or_a_missing_one_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"image format '\.pdf', expected one of \.png, \.svg"):
        pages.figure(tmp_path / "a.pdf")
    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        pages.figure(tmp_path / "a.png")


def test_a_saved_page_replaces_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "report.html"
    pages.save_report(path, pages.report("a\udcff", {}))
    assert "<h1>a?</h1>" in path.read_text(encoding="utf-8")
