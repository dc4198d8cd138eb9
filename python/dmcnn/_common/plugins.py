"""Plug-ins: networks, losses, readers and others from a user's module or from an entry point.

``my_module:MyNet`` is ``MyNet`` of ``my_module``, which is searched in the folder of the cfg, then in the working
directory, then in the path of Python. An installed package may name a plug-in by an entry point of one of the groups
``dmcnn.models``, ``dmcnn.losses``, ``dmcnn.optimizers``, ``dmcnn.methods`` and ``dmcnn.readers``.
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
"""Folders that are searched first for modules of the user while a command runs."""

_in_command = False


@contextmanager
def own_modules() -> Iterator[None]:
    """Restore the search path of modules after the block, see ``look_in``."""
    global _in_command
    before, path, outer = list(_folders), list(sys.path), _in_command
    _in_command = True
    try:
        yield
    finally:
        _folders[:], sys.path[:], _in_command = before, path, outer


def look_in(folder: Path) -> None:
    """Search modules of the user in this folder first, until the command ends."""
    _folders.insert(0, str(folder.resolve()))


def folders() -> list[str]:
    """Return the folders that are searched for modules of the user."""
    return list(_folders)


def is_own(word: str) -> bool:
    """Return whether a word is ``module:Name``, a plug-in in a module of the user."""
    return ":" in word


def names(group: str) -> list[str]:
    """Return the words that installed packages add to a group; none of them is imported."""
    return sorted({point.name for point in _points(group)})


def _points(group: str) -> EntryPoints:
    """Return the entry points of a group."""
    from importlib.metadata import entry_points  # slow to import, and rarely needed

    return entry_points(group=group)


def find(word: str, known: Mapping[str, Any], group: str) -> Any | None:
    """Return the object of a word: one of ``known``, an entry point of the group, or ``module:Name``.

    Returns:
        None if the word is none of these.

    Raises:
        InputError: one line, if the module cannot be imported or has no such name.
    """
    if word in known:
        return known[word]
    if is_own(word):
        return _import_name(word)
    for point in _points(group):
        if point.name == word:
            return _load(point.load, f"{word} ({point.value})")
    return None


def _import_name(word: str) -> Any:
    """Import ``module:Name`` and return the class or function."""
    module_name, _, name = word.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise InputError(f"{word!r}, expected module:Name, such as my_module:MyNet")
    folders = [folder for folder in (*_folders, str(Path.cwd())) if folder not in sys.path]
    sys.path[:0] = folders
    try:
        plugin: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise InputError(f"{word}: {module_name} needs {error.name}, which is not installed") from None
        places = " or ".join(dict.fromkeys([*_folders, str(Path.cwd())]))
        raise InputError(f"{word}: no module {error.name!r} in {places}, nor in the path of Python") from None
    except Exception as error:
        raise InputError(f"{word}: {module_name} cannot be imported: {_line(error)}") from None
    finally:
        if not _in_command:  # the path of a notebook stays as its user made it
            sys.path[:] = [folder for folder in sys.path if folder not in folders]
    for part in name.split("."):
        if not hasattr(plugin, part):
            raise InputError(f"{word}: {module_name} has no {part!r}{nearest(part, dir(plugin))}")
        plugin = getattr(plugin, part)
    if not callable(plugin):
        raise InputError(f"{word}: a {type(plugin).__name__}, expected a class or a function")
    return plugin


def _load(load: Callable[[], Any], what: str) -> Any:
    """Load an entry point; InputError if its import fails."""
    try:
        return load()
    except Exception as error:
        raise InputError(f"{what}: cannot be imported: {_line(error)}") from None


def _line(error: Exception) -> str:
    """Return an error as one line, with the place in the file where it was raised."""
    place = ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}:{error.lineno})"
    elif (trace := error.__traceback__) is not None:
        while trace.tb_next is not None:
            trace = trace.tb_next
        file = trace.tb_frame.f_code.co_filename
        place = "" if file.startswith("<") else f" ({file}:{trace.tb_lineno})"
    text = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}{place}"
