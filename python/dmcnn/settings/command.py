"""Command lines: words to validated settings, faults to an exit status."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from dmcnn._common import interrupts, plugins
from dmcnn._common.errors import InputError, nearest, surroundings
from dmcnn._common.files import listing, record_files
from dmcnn.settings import COMMANDS, Settings
from dmcnn.settings.cfg import COMMAND_LINE, Entry, Fault, find_cfg, read_cfg, read_overrides
from dmcnn.settings.help import SHORT, SWITCHES, choices, describe, field_type

log = logging.getLogger("dmcnn")

WEIGHTS = {".ckpt", ".pwf"}
DATA = {".root", ".h5", ".hdf5", ".npy", ".parquet", ".csv"}
"""Suffixes of weight files, and of files of images and tables, that a command line may name without a key."""

S = TypeVar("S", bound=Settings)

TERMINAL = "standard output"
"""Name of the terminal, or of what stands for it, in faults."""

BUG = (
    "This is a fault of dmcnn, not of yours: please report the lines above, the command, and what "
    "`dmcnn --version` says, to the developers."
)


if TYPE_CHECKING:
    StreamHandler = logging.StreamHandler[TextIO]
else:
    StreamHandler = logging.StreamHandler  # takes no [type] when it runs in Python 3.10


class _LogLines(StreamHandler):
    """Log on the terminal; where that cannot be written, the work goes on, and its end says so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a method of logging
        """Show a fault of the message, not of the terminal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def run(command: str, work: Callable[[S], Sequence[str] | None], argv: Sequence[str] | None = None) -> int:
    """Run ``work`` on the settings of the command line ``argv`` and return the exit status, see ``exit_status``.

    Faults that ``work`` returns end the command as bad input does, but after the list of the files that it wrote.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Set before torch is imported: threads that spin while they wait halve the speed of a shared machine. GNU's may
    # for some 30 us: without, a training on rows, of many short products, spends a tenth of its time on waking them.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    logging.basicConfig(format="%(message)s", handlers=[_LogLines(sys.stdout)])
    logging.getLogger("dmcnn").setLevel(logging.INFO)  # other libraries warn, and tell nothing else

    started: list[Settings] = []

    def load_and_work() -> None:
        """Load the settings, do the work and list the files that it wrote, or describe the command."""
        if {"-h", "--help"} & set(words) or words == ["help"]:
            say(describe(command))
            return
        with plugins.own_modules(), interrupts.terminable(), record_files() as files:
            settings, warnings = load(command, words)
            for warning in warnings:
                log.warning("warning: %s", warning)
            started.append(settings)
            faults = work(settings)  # type: ignore[arg-type]  # COMMANDS pairs the command with its settings class
        if files:
            log.info("\n".join(["written:", *(f"  {line}" for line in listing(files))]))
        if faults:
            raise InputError(*faults)

    return exit_status(load_and_work, lambda: bool(started) and started[0].goes_on)


def exit_status(work: Callable[[], int | None], goes_on: Callable[[], bool] = lambda: False) -> int:
    """Run the work of a command and return its exit status.

    It is what ``work`` returns, else 0; 2 for bad input and for faults of disk, memory or threads, with one line
    each; 130 after Ctrl-C and 75 after SIGTERM; 1 for a fault of dmcnn, with its traceback.

    Args:
        work: the work.
        goes_on: whether the same command goes on after an interrupt, where the work has come to.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that is no text must not stop a log line
            stream.reconfigure(errors="backslashreplace")
    try:
        status = work() or 0
        say("")
    except InputError as error:
        return _stop(2, str(error))
    except KeyboardInterrupt as error:
        what = "goes on from here" if goes_on() else "starts anew"
        return _stop(interrupts.status(error), f"\ninterrupted: the same command {what}")
    except Exception as error:
        return _stop(*_explain(error))
    return status


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit status and the last line for an error that is no fault of the input."""
    if isinstance(error, BrokenPipeError) and error.filename == TERMINAL:  # as of `dmcnn help | head`
        return 0, ""
    if (line := surroundings(error)) is not None:
        return 2, line
    with suppress(OSError):
        traceback.print_exception(error)
    return 1, BUG


def say(text: str) -> None:
    """Write a text, and all that is left, on the terminal; where that fails, OSError names it, once for all."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, TERMINAL) from None


def _stop(status: int, line: str) -> int:
    """Write a line on standard error, if it can be written to, and return the exit status."""
    with suppress(OSError):
        say("")
    with suppress(OSError):
        sys.stderr.write(f"{line}\n" if line else "")
        sys.stderr.flush()
    return status


def load(command: str, words: Sequence[str]) -> tuple[Settings, list[str]]:
    """Load the settings of a command from ``[cfg file] [key=value …]``.

    A cfg file that does not exist is looked up among those that come with dmcnn, see ``find_cfg``.

    Returns:
        The settings, and warnings.

    Raises:
        InputError: all faults at once, in the order of the lines.
    """
    words = key_words(COMMANDS[command], words)
    has_cfg = bool(words) and _is_cfg(words[0], COMMANDS[command])
    source = str(find_cfg(words[0])) if has_cfg else COMMAND_LINE
    if has_cfg:
        plugins.look_in(Path(words[0]).parent)
    entries, faults = read_cfg(source) if has_cfg else ([], [])
    more, more_faults = read_overrides(words[1:] if has_cfg else words)
    faults = faults + more_faults
    given, warnings, unknown = _sort(command, [*entries, *more], source)
    settings, invalid = _build(COMMANDS[command], given, source, {fault.key for fault in faults})
    if has_cfg and Path(source) != Path(words[0]):
        warnings.insert(
            0, f"{words[0]}: no such file here, so this is the one that comes with dmcnn: {source}"
        )
    faults += unknown + invalid
    if settings is None or faults:
        raise InputError(*map(str, sorted(faults, key=lambda fault: (fault.line is None, fault.line or 0))))
    return settings, warnings


def _is_cfg(word: str, cls: type[Settings]) -> bool:
    """Return whether the first word names a cfg file, whose path may hold an equals sign, and is no ``key=value``."""
    key, equals, _ = word.partition("=")
    return not equals or (key not in cls.model_fields and Path(word).is_file())


def key_words(cls: type[Settings], words: Sequence[str]) -> list[str]:
    """Return the words of a command line as ``[cfg file] key=value …``.

    ``-n 3`` is ``entries=3``, ``--key value`` is ``key=value``, ``--list-layers`` is ``list_layers=True``; a weight
    file or data that stand alone, such as ``electron.root``, belong to the key that takes them.
    """
    rest, result = deque(words), []
    alone: dict[str, list[str]] = {}
    while rest:
        word = rest.popleft()
        if word in SHORT:
            result.append(f"{SHORT[word]}={rest.popleft() if rest else ''}")
        elif word.startswith("--"):
            result.append(_option(cls, SWITCHES.get(word, word).lstrip("-"), rest))
        elif key := _key_of(cls, word):
            alone.setdefault(key, []).append(word)
        else:
            result.insert(0 if word.endswith(".cfg") and "=" not in word else len(result), word)
    return [*result, *(f"{key}={paths if paths[1:] else paths[0]}" for key, paths in alone.items())]


def _option(cls: type[Settings], word: str, rest: deque[str]) -> str:
    """Return ``key=value`` for ``key=value``, or for ``key`` and the next word; a switch needs no next word."""
    key, equals, value = word.partition("=")
    key = key.replace("-", "_")
    if equals:
        return f"{key}={value}"
    is_switch = key in cls.model_fields and choices(cls.model_fields[key]) == ["True", "False"]
    if is_switch and not (rest and rest[0] in ("True", "False")):
        return f"{key}=True"
    return f"{key}={rest.popleft() if rest else ''}"


def _key_of(cls: type[Settings], word: str) -> str:
    """Return the key that takes a file which stands alone; empty for a cfg file or ``key=value``."""
    if word.endswith(".cfg") or (word.partition("=")[0].isidentifier() and "=" in word):
        return ""
    suffix = Path(word).suffix.lower()
    if suffix in WEIGHTS and "weight_file" in cls.model_fields:
        return "weight_file"
    is_data = suffix in DATA or "://" in word or any(mark in word for mark in "*?[") or Path(word).is_dir()
    return cls.data_key if is_data else ""


def _sort(
    command: str, entries: Sequence[Entry], source: str
) -> tuple[dict[str, Entry], list[str], list[Fault]]:
    """Return the entries that are keys of the command, warnings about keys without effect, faults of unknown keys."""
    cls = COMMANDS[command]
    given: dict[str, Entry] = {}
    warnings: list[str] = []
    faults: list[Fault] = []
    elsewhere: list[str] = []
    for entry in entries:
        key, place = entry.key, entry.place
        if key in cls.model_fields:
            if key in given and entry.line:
                warnings.append(f"{place}: {key} again: this line replaces line {given[key].line}")
            given[key] = entry
        elif key in cls.retired:
            warnings.append(f"{place}: {key} has no effect any more: {cls.retired[key]}")
        elif entry.line and any(
            key in other.model_fields or key in other.retired for other in COMMANDS.values()
        ):
            elsewhere.append(key)
        else:
            faults.append(
                Fault(place, f"unknown key {key!r}{nearest(key, cls.model_fields)}", key, entry.line)
            )
    if elsewhere:
        warnings.append(f"{source}: not used by {command}: {', '.join(elsewhere)}")
    return given, warnings, faults


def _build(
    cls: type[Settings], given: dict[str, Entry], source: str, broken: set[str]
) -> tuple[Settings | None, list[Fault]]:
    """Return the settings, or None, and the faults of the values, alone and together."""
    values = {key: _value(entry, cls.model_fields[key]) for key, entry in given.items()}
    faults: list[Fault] = []
    try:
        settings: Settings | None = cls(**values)
    except ValidationError as errors:
        settings = None
        by_key = {str(error["loc"][0]): error for error in reversed(errors.errors())}
        faults = [
            _fault(error, cls, given, source)
            for key, error in reversed(by_key.items())
            if not (error["type"] == "missing" and key in broken)
        ]
        broken = broken | set(by_key)
    known: dict[str, Any] = {key: value for key, value in values.items() if key not in broken}
    absent: dict[str, Any] = dict.fromkeys(
        key for key, field in cls.model_fields.items() if field.is_required()
    )
    for keys, text in (settings or cls.model_construct(**{**absent, **known})).conflicts():
        if not broken & set(keys):
            entry = next((given[key] for key in keys if key in given), None)
            place, line = (entry.place, entry.line) if entry else (source, None)
            faults.append(Fault(place, text, keys[0], line))
    return settings, faults


def _fault(error: Any, cls: type[Settings], given: dict[str, Entry], source: str) -> Fault:
    """Return the fault of one error of pydantic."""
    key = str(error["loc"][0])
    kind = field_type(cls.model_fields[key])
    if error["type"] == "missing":
        return Fault(source, f"missing key {key!r} ({kind})", key)
    entry = given[key]
    if error["type"].endswith("_type"):
        text = f"{key} must be {kind}, got {type(entry.value).__name__}"
    elif error["type"] == "literal_error":
        choices = kind.replace("'", "").split(" or ")
        text = f"{key} = {entry.value!r} must be {kind}{nearest(str(entry.value), choices)}"
    elif error["type"] == "value_error":
        text = f"{key} = {entry.value!r}: {error['ctx']['error']}"
    else:
        text = f"{key} = {entry.value!r}: {error['msg'].replace('Input should', 'should')}"
    return Fault(entry.place, text, key, entry.line)


def _value(entry: Entry, field: FieldInfo) -> Any:
    """Return the value of an entry; a number for a key of texts becomes a text: ``GPUID=0`` is ``"0"``."""
    kinds = field_type(field).split(" or ")
    number = isinstance(entry.value, int | float) and not isinstance(entry.value, bool)
    texts = "str" in kinds or all(kind.startswith("'") for kind in kinds)
    if number and texts and not {"int", "float"} & set(kinds):
        return str(entry.value) if entry.line else entry.text
    return entry.value
