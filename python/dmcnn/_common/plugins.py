"""Plug-ins: networks, losses, readers and others of one's own, by a module and a name or by an entry point.

``my_module:MyNet`` is ``MyNet`` of ``my_module``, which is looked for beside the cfg, then in the working directory,
then where Python looks. A package that is installed may give such things a word of their own, by an entry point of
one of the groups ``dmcnn.models``, ``dmcnn.losses``, ``dmcnn.optimizers``, ``dmcnn.methods`` and ``dmcnn.readers``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

_folders: list[str] = []
"""Where modules of one's own are looked for first, while a command runs."""


@contextmanager
def own_modules() -> Iterator[None]:
    """Let modules be found beside the cfg files of a command (see ``look_in``); afterwards the path is as it was."""
    before, path = list(_folders), list(sys.path)
    try:
        yield
    finally:
        _folders[:], sys.path[:] = before, path


def look_in(folder: Path) -> None:
    """Look for modules of one's own in this folder first, until the command ends."""
    _folders.insert(0, str(folder.resolve()))


def is_own(word: str) -> bool:
    """Return whether a word names a module of one's own, ``module:Name``."""
    return ":" in word


def names(group: str) -> list[str]:
    """Return the words that installed packages add to a group; none of them is imported."""
    return sorted(_points(group).names)


def _points(group: str) -> EntryPoints:
    from importlib.metadata import (
        entry_points,  # it takes longer than all else here, and most words are known
    )

    return entry_points(group=group)


def find(word: str, known: Mapping[str, Any], group: str) -> Any | None:
    """Return what a word stands for: one of the ``known``, an entry point of the group, or ``module:Name``.

    Returns:
        None if the word is none of these.

    Raises:
        InputError: one line, if the module cannot be imported or has no such name.
    """
    if word in known:
        return known[word]
    if is_own(word):
        return _named(word)
    for point in _points(group):
        if point.name == word:
            return _made(point.load, f"{word} ({point.value})")
    return None


def _named(word: str) -> Any:
    module_name, _, name = word.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise InputError(f"{word!r}, expected module:Name, such as my_module:MyNet")
    here = [folder for folder in (*_folders, str(Path.cwd())) if folder not in sys.path]
    sys.path[:0] = here
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise InputError(f"{word}: {module_name} needs {error.name}, which is not installed") from None
        places = " or ".join(dict.fromkeys([*_folders, str(Path.cwd())]))
        raise InputError(f"{word}: no module {error.name!r} in {places}, nor where Python looks") from None
    except Exception as error:
        raise InputError(f"{word}: {module_name} cannot be imported: {_said(error)}") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{word}: {module_name} has no {part!r}{nearest(part, dir(found))}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{word}: a {type(found).__name__}, expected a class or a function")
    return found


def _made(load: Callable[[], Any], what: str) -> Any:
    try:
        return load()
    except Exception as error:
        raise InputError(f"{what}: cannot be imported: {_said(error)}") from None


def _said(error: Exception) -> str:
    """Return an error as one line, with the place in the file where it was raised."""
    place = ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}:{error.lineno})"
    elif (trace := error.__traceback__) is not None:
        while trace.tb_next is not None:
            trace = trace.tb_next
        place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    text = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}{place}"
