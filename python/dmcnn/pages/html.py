"""The pages as text: template, style, scripts and data of events in one file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Any

from dmcnn._common.extras import need
from dmcnn.pages import packing
from dmcnn.pages.content import EventPage

SCRIPTS = (
    "data.js",
    "paint.js",
    "figure.js",
    "panels.js",
    "facts.js",
    "controls.js",
    "gallery.js",
    "page.js",
)

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser lets the page do: run these two scripts, known by their hashes, and reach no network."""


def event_page(page: EventPage) -> str:
    """The page of one event.

    Raises:
        InputError: plotly is not installed.
    """
    return "".join(_page([page], f"{page.source}, entry {int(page.event['entry'])}", {}))


def gallery(pages: Iterable[EventPage], title: str, ranked_by: str) -> Iterator[str]:
    """The page of many events, text by text as they come, so that only one has to be in memory.

    Args:
        pages: the events, in the order in which they are shown.
        title: heading of the page.
        ranked_by: what put them in this order, such as "signal score".

    Raises:
        InputError: plotly is not installed.
    """
    return _page(pages, title, {"title": title, "ranked_by": ranked_by})


def _page(pages: Iterable[EventPage], title: str, words: dict[str, Any]) -> Iterator[str]:
    plotly: str = need("plotly.offline").get_plotlyjs()
    return _texts(pages, title, words, plotly)


def _texts(pages: Iterable[EventPage], title: str, words: dict[str, Any], plotly: str) -> Iterator[str]:
    head, tail = _file("page.html").split("<!-- events -->")
    own = "\n".join(_file(name) for name in SCRIPTS)
    yield Template(head).substitute(
        title=escape(title),
        policy=POLICY.format(scripts=f"{_hash(plotly)} {_hash(own)}"),
        style=_file("page.css"),
    )
    yield _data("page-words", "json", packing.words(words | {"colours": packing.colours()}))
    for number, page in enumerate(pages):
        for part, text in enumerate(page.parts()):
            yield _data(f"event-{number}-{part}", "plain" if part else "json", text)
    yield Template(tail).substitute(plotly=plotly, own=own)


def _data(name: str, kind: str, text: str) -> str:
    """A script element that is not run: what the page reads when it is asked for."""
    family = "application" if kind == "json" else "text"
    return f'<script type="{family}/{kind}" id="{name}">{text}</script>\n'


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _file(name: str) -> str:
    return resources.files("dmcnn.pages").joinpath(name).read_text(encoding="utf-8")
