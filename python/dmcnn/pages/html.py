"""HTML text of pages: template, style, scripts and event data; plotly lies beside all pages of a folder, once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file, note
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
    "default-src 'none'; script-src {own} 'self' file:; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""Content security policy: the browser runs the page's own script, identified by its hash, and the one beside it, and
reaches no network."""


def save_page(path: Path, texts: Iterable[str]) -> None:
    """Write a page, whole or not at all, and beside it the script of plotly that all pages of a folder share."""
    script, plotly = path.with_name(plotly_name()), need("plotly.offline").get_plotlyjs().encode()
    if script.is_file() and script.stat().st_size == len(plotly):
        note(script)
    else:
        with atomic_file(script) as temporary:
            temporary.write_bytes(plotly)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(texts)


def plotly_name() -> str:
    """Return the name of the file with the script of plotly."""
    return f"plotly-{need('plotly').__version__}.min.js"


def event_page(page: EventPage) -> str:
    """Return the HTML of the page of one event.

    Raises:
        InputError: plotly is not installed.
    """
    return "".join(_page([page], page.name, {}))


def gallery(pages: Iterable[EventPage], title: str, ranked_by: str) -> Iterator[str]:
    """Return an iterator over the HTML of the page of many events; only one event is in memory at a time.

    Args:
        pages: events in the order on the page.
        title: heading of the page.
        ranked_by: quantity that orders the events, such as "signal score".

    Raises:
        InputError: plotly is not installed.
    """
    return _page(pages, title, {"title": title, "ranked_by": ranked_by})


def _page(pages: Iterable[EventPage], title: str, words: dict[str, Any]) -> Iterator[str]:
    """Check that plotly is installed before the first text is asked for, then return the texts of the page."""
    return _texts(pages, title, words, plotly_name())


def _texts(pages: Iterable[EventPage], title: str, words: dict[str, Any], plotly: str) -> Iterator[str]:
    """Yield head, data of every event, and tail of the page."""
    head, tail = _file("page.html").split("<!-- events -->")
    own = "\n".join(_file(name) for name in SCRIPTS)
    yield Template(head).substitute(
        title=escape(title), policy=POLICY.format(own=_hash(own)), style=_file("page.css")
    )
    yield _data("page-words", "json", packing.words(words | {"colours": packing.colours(), "plotly": plotly}))
    for number, page in enumerate(pages):
        for part, text in enumerate(page.parts()):
            yield _data(f"event-{number}-{part}", "plain" if part else "json", text)
    yield Template(tail).substitute(plotly=plotly, own=own)


def _data(name: str, kind: str, text: str) -> str:
    """Return a script element of data, which the browser does not run and the page decodes on demand."""
    family = "application" if kind == "json" else "text"
    return f'<script type="{family}/{kind}" id="{name}">{text}</script>\n'


def _hash(script: str) -> str:
    """Return the hash of a script as the content security policy spells it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _file(name: str) -> str:
    """Return the text of a file of this folder."""
    return resources.files("dmcnn.pages").joinpath(name).read_text(encoding="utf-8")
