"""Self-contained report pages: text, numbers, tables, figures and lists of files in one HTML file, without script."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from io import BytesIO
from pathlib import Path, PurePath
from string import Template
from typing import Any, NewType

import numpy as np
from matplotlib.figure import Figure

from dmcnn import __version__
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file

Html = NewType("Html", str)
"""Text of a page whose content is escaped already."""

IMAGES = {".png": "image/png", ".svg": "image/svg+xml"}
"""Suffix of an image file that a page can hold, and its media type."""

INTERVAL = re.compile(r"\[[-−.\de]+, [-−.\de]+\]")
"""Text of an interval."""

LONG = 12
"""Rows above which a table is folded."""


def report(title: str, sections: Mapping[str, Iterable[Html]], subtitle: str = "") -> str:
    """Return the HTML of a page: title, table of contents, and a heading with its parts per section.

    Args:
        title: heading of the page.
        sections: heading of a section -> its parts, made by the functions of this module; one without parts is left
            out.
        subtitle: line below the title, such as the origin of the events.
    """
    filled = {name: text for name, parts in sections.items() if (text := "".join(parts))}
    links = "".join(f'<li><a href="#s{at}">{escape(name)}</a></li>' for at, name in enumerate(filled))
    bodies = (
        f'<section id="s{at}"><h2>{escape(name)}</h2>\n{text}</section>\n'
        for at, (name, text) in enumerate(filled.items())
    )
    return Template(_file("report.html")).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=_file("report.css"),
        contents=links,
        body="".join(bodies),
        version=escape(__version__),
    )


def save_report(path: str | Path, text: str) -> None:
    """Write a page, whole or not at all; a byte of a file name that is not UTF-8 becomes ``?``."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))


def paragraph(text: str) -> Html:
    """Return a paragraph."""
    return Html(f"<p>{escape(text)}</p>\n")


def preformatted(text: str) -> Html:
    """Return text whose line ends and blanks stay, such as that of a cfg."""
    return Html(f"<pre>{escape(text)}</pre>\n")


def fold(title: str, parts: Iterable[Html]) -> Html:
    """Return parts that are hidden until the reader opens their title."""
    return Html(f"<details><summary>{escape(title)}</summary>\n{''.join(parts)}</details>\n")


def facts(values: Mapping[str, Any]) -> Html:
    """Return a list of names and values."""
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(word(value))}</dd>\n" for name, value in values.items())
    return Html(f"<dl>\n{''.join(rows)}</dl>\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> Html:
    """Return a table; numbers stand to the right, and tables of many rows are folded under their caption."""
    rows = [list(row) for row in rows]
    lines = [
        "<tr>" + "".join(_cell("td", value, _is_number(value)) for value in row) + "</tr>\n" for row in rows
    ]
    numeric = [any(_is_number(row[at]) for row in rows) for at in range(len(columns))]
    head = "".join(map(_cell, ["th"] * len(columns), columns, numeric))
    is_long = len(lines) > LONG
    above = f"<caption>{escape(caption)}</caption>" if caption and not is_long else ""
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>{''.join(lines)}</tbody>"
    text = Html(f'<div class="wide"><table>{above}{body}</table></div>\n')
    return fold(f"{caption or ', '.join(columns)} ({len(lines)} rows)", [text]) if is_long else text


def figure(source: Figure | str | Path, caption: str = "") -> Html:
    """Return a figure: one of matplotlib, or a PNG or SVG file, with its bytes in the page.

    Raises:
        InputError: a file of another format, or one that cannot be read.
    """
    if isinstance(source, Figure):
        buffer = BytesIO()
        source.savefig(buffer, format="png")
        kind, content = IMAGES[".png"], buffer.getvalue()
    else:
        path = Path(source)
        if path.suffix.lower() not in IMAGES:
            known = ", ".join(IMAGES)
            raise InputError(
                f"{path}: image format {path.suffix!r}, expected one of {known}{nearest(path.suffix, IMAGES)}"
            )
        try:
            kind, content = IMAGES[path.suffix.lower()], path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    data = base64.b64encode(content).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(f'<figure><img alt="{escape(caption)}" src="data:{kind};base64,{data}">{below}</figure>\n')


def files(fingerprints: Mapping[str, str] | Mapping[Path, str], caption: str = "Files") -> Html:
    """Return a table of files and their fingerprints; of an absolute path only the name is on the page."""
    return table(
        ["file", "fingerprint"], [(str(path), digest) for path, digest in fingerprints.items()], caption
    )


def numbers(tree: Mapping[str, Any], caption: str = "") -> Html:
    """Return every number of a JSON object: single values as a list, columns and rows as tables, objects below.

    Lists of the same length, more than three, are columns of one table; a list of objects is a table with a row each.
    """
    plain: dict[str, Any] = {}
    columns: dict[int, dict[str, Sequence[Any]]] = {}
    below: list[Html] = []
    for name, value in tree.items():
        title = f"{caption}: {name}" if caption else name
        if isinstance(value, Mapping):
            below.append(numbers(value, title))
        elif _is_list(value) and value and all(isinstance(item, Mapping) for item in value):
            names = list(dict.fromkeys(key for item in value for key in item))
            below.append(table(names, [[item.get(key) for key in names] for item in value], title))
        elif _is_list(value) and value and all(_is_list(item) for item in value):
            width = max(map(len, value))
            below.append(table([str(at) for at in range(width)], value, title))
        elif _is_list(value) and len(value) > INLINE:
            columns.setdefault(len(value), {})[name] = value
        else:
            plain[name] = value
    above = [Html(f"<h3>{escape(caption)}</h3>\n")] if caption and (plain or columns) else []
    lists = [
        table(list(group), list(zip(*group.values(), strict=True)), ", ".join(group))
        for group in columns.values()
    ]
    return Html("".join([*above, *([facts(plain)] if plain else []), *lists, *below]))


INLINE = 3
"""Longest list that is written in one line, such as a value and the ends of its interval."""


def word(value: Any) -> str:
    """Return a value as text: six digits of a number, the name alone of an absolute path, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{word(name)}: {word(item)}" for name, item in value.items())
    if _is_list(value):
        return ", ".join(word(item) for item in value)
    if isinstance(value, PurePath) or (isinstance(value, str) and PurePath(value).is_absolute()):
        return PurePath(value).name if PurePath(value).is_absolute() else str(value)
    return str(value)


def _cell(tag: str, value: Any, right: bool) -> str:
    """Return a cell of a table, at the right for numbers; an interval stays on one line."""
    text = escape(word(value))
    text = text.replace(" ", "&nbsp;") if INTERVAL.fullmatch(text) else text
    return f"<{tag}{' class=n' if right else ''}>{text}</{tag}>"


def _is_number(value: Any) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    """Return whether a value is a list of any kind."""
    return isinstance(value, list | tuple | np.ndarray)


def _file(name: str) -> str:
    """Return the text of a file of this folder."""
    return resources.files("dmcnn.pages").joinpath(name).read_text(encoding="utf-8")
