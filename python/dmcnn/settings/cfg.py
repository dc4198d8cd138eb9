"""Text of cfg files and command lines: ``key = value`` with literals, which are parsed and never executed."""

from __future__ import annotations

import ast
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmcnn._common.errors import InputError, nearest

CASTS = {"int": int, "float": float, "str": str, "bool": bool}
"""Casts around literals in cfg files of DM-CNN: ``adc_lo=float(10)``, ``GPUID=str("9")``."""


COMMAND_LINE = "command line"

PACKAGE = Path(__file__).parents[1]
SHIPPED = PACKAGE / "cfg" if (PACKAGE / "cfg").is_dir() else PACKAGE.parents[1] / "cfg"
"""Folder of the cfg files that come with dmcnn: inside an installed package, beside the sources otherwise."""


@dataclass(frozen=True)
class Entry:
    """Setting in a cfg or on the command line: key, value, text, and place for messages."""

    key: str
    value: Any
    text: str
    place: str
    line: int | None = None


@dataclass(frozen=True)
class Fault:
    """Fault in a cfg or on the command line: message, key, and place."""

    place: str
    text: str
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def literal(text: str) -> Any:
    """Return the Python literal of ``text``; a trailing comment is ignored.

    Numbers, strings, lists, dicts, True, False and None are literals, also inside int(), float(), str() or bool();
    tuples become lists.

    Raises:
        ValueError: any other text.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in CASTS or len(node.args) != 1 or node.keywords:
                raise ValueError(name)
            value = CASTS[name](ast.literal_eval(node.args[0]))
        else:
            value = ast.literal_eval(node)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError) as error:
        raise ValueError(f"{text.strip()} is not a number, string, list or True/False") from error
    if not _is_plain(value):
        raise ValueError(f"{text.strip()} is not a number, string, list or True/False")
    return list(value) if isinstance(value, tuple) else value


def _is_plain(value: Any) -> bool:
    """Return whether a literal is made of numbers of 64 bits and texts that a file may hold or be called."""
    if isinstance(value, list | tuple | dict):
        return all(map(_is_plain, value)) and (
            not isinstance(value, dict) or all(map(_is_plain, value.values()))
        )
    if isinstance(value, str):
        return "\0" not in value and _is_unicode(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float | None)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be a file name: Unicode, or bytes that the system calls a name."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def find_cfg(path: str | Path) -> Path:
    """Return ``path``, or the shipped cfg file where only that exists: of ``NAME.cfg`` and ``cfg/NAME.cfg``."""
    path = Path(path)
    shipped = SHIPPED / path.name
    if not path.exists() and path.parent in (Path(), Path("cfg")) and shipped.is_file():
        return shipped
    return path


def read_cfg(path: str | Path) -> tuple[list[Entry], list[Fault]]:
    """Read the entries and faults of a cfg file; InputError if there is no such text file."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        folder = path.parent
        folders = [folder, SHIPPED] if folder in (Path(), Path("cfg")) else [folder]
        names = [p.name for where in folders if where.is_dir() for p in where.glob("*.cfg")]
        raise InputError(f"{path}: no such file{nearest(path.name, names)}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a text file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except ValueError:
        raise InputError(f"{str(path)!r}: not a path") from None
    entries: list[Entry] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        place = f"{path}:{number}"
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key.isidentifier():
            faults.append(Fault(place, f"{text!r} is not 'key = value'", line=number))
            continue
        try:
            entries.append(Entry(key, literal(value), value, place, number))
        except ValueError:
            quotes = f'; a text stands in quotes: {key} = "{value}"' if _is_text(value) else ""
            message = f"{key} = {value!r} is not a number, string, list or True/False{quotes}"
            faults.append(Fault(place, message, key, number))
    return entries, faults


def _is_text(value: str) -> bool:
    """Return whether a value was most likely meant as a text: a word, a path or an address."""
    return bool(re.fullmatch(r"[\w./:~*?=&+-]+", value))


def read_overrides(words: Sequence[str]) -> tuple[list[Entry], list[Fault]]:
    """Read the entries and faults of ``key=value`` words; a value that is no literal is text."""
    entries: list[Entry] = []
    faults: list[Fault] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            faults.append(Fault(COMMAND_LINE, f"{word!r} is neither a cfg file nor key=value"))
            continue
        try:
            value = literal(text)
        except ValueError:
            value = text
        entries.append(Entry(key, value, text, COMMAND_LINE))
    return entries, faults


def checksum(text: str) -> str:
    """Return 8 digits for the settings in the text of a cfg, without its comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return f"{zlib.crc32(chr(10).join(lines).encode('utf-8', 'surrogateescape')):08x}"


def is_own(path: Path) -> bool:
    """Return whether dmcnn wrote the cfg ``path``, and nobody changed it since; earlier versions had no checksum."""
    text = path.read_bytes().decode("utf-8", "replace")
    mark = re.match(r"# dmcnn \d\S*(?:, checksum (\w+))?\n", text)
    return mark is not None and mark[1] in (None, checksum(text))


def write_cfg(values: dict[str, Any], comment: str) -> str:
    """Return the text of a cfg file that reads back as ``values``."""
    lines = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*lines, *(f"{key} = {value!r}" for key, value in values.items())]) + "\n"
