"""Which class an event belongs to: by its ids, by the name of its file, or by its true particles."""

from __future__ import annotations

import ast
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn.errors import InputError, nearest
from dmcnn.images import EVENT

Label = str | Mapping[Any, str | int]
Particles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Primary particles: how many each event has (n,), and the PDG codes of all, one after another (m,)."""
Columns = Mapping[str, NDArray[np.uint64]]


@dataclass(frozen=True)
class LabelRule(ABC):
    """Gives every event the number of its class; an event that fits none or several is an error.

    Attributes:
        classes: names of the classes, in the order of their numbers.
    """

    classes: tuple[str, ...]

    @staticmethod
    def parse(label: Label, classes: Sequence[str], signal: str | None = None) -> LabelRule:
        """The rule that a ``label`` setting means.

        Args:
            label: a condition on run, subrun, event and entry such as ``"run == 100"`` (true = signal); or
                {file name pattern: class}; or {PDG code of a primary particle: class}. A class is given by
                name or number.
            classes: names in the order of their numbers.
            signal: which of two classes a true condition means; None = the one named "signal".

        Raises:
            InputError: what is wrong with the label, and the nearest valid choice.
        """
        classes = tuple(classes)
        if isinstance(label, str):
            return Condition.of(label, classes, signal)
        if not isinstance(label, Mapping) or not label:
            raise InputError(
                f"label = {label!r}: expected a condition, {{file pattern: class}} or {{PDG code: class}}"
            )
        targets = {key: class_number(name, classes) for key, name in label.items()}
        if all(isinstance(key, str) for key in label):
            return FileName(classes, {str(key): target for key, target in targets.items()})
        if all(isinstance(key, int) and not isinstance(key, bool) for key in label):
            return Primary(classes, {int(key): target for key, target in targets.items()})
        raise InputError(f"label = {label!r}: expected only file patterns or only PDG codes as keys")

    @property
    def needs_particles(self) -> bool:
        """Whether ``apply`` wants the primary particles."""
        return False

    @abstractmethod
    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None
    ) -> NDArray[np.int64]:
        """(n,) int64 class number of every event.

        Args:
            events: (n,) EVENT.
            files: the files that ``events["file"]`` numbers.
            particles: primary particles of the events, only for a rule on PDG codes.

        Raises:
            InputError: the first event (or file) that fits none or several of the classes.
        """


def class_number(name: str | int, classes: tuple[str, ...]) -> int:
    """The number of a class given by name or number."""
    if isinstance(name, str) and name in classes:
        return classes.index(name)
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(classes):
        return name
    hint = nearest(name, classes) if isinstance(name, str) else ""
    listed = ", ".join(f"{number} = {known}" for number, known in enumerate(classes))
    raise InputError(f"label names the class {name!r}{hint}, expected one of {listed}")


@dataclass(frozen=True)
class Condition(LabelRule):
    """True = signal, false = the other of two classes."""

    signal: int
    text: str

    @classmethod
    def of(cls, text: str, classes: tuple[str, ...], signal: str | None) -> Condition:
        """The rule, once its text has proved itself on no events at all."""
        name = "signal" if signal is None else signal
        if len(classes) != 2:
            raise InputError(
                f"label = {text!r} tells 2 classes apart, there are {len(classes)}: {list(classes)}"
            )
        if name not in classes:
            raise InputError(f"label = {text!r}: which of {list(classes)} is true is not said, set signal")
        truth(text, np.zeros(0, EVENT))
        return cls(classes, classes.index(name), text)

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None
    ) -> NDArray[np.int64]:
        return np.where(truth(self.text, events), self.signal, 1 - self.signal).astype(np.int64)


@dataclass(frozen=True)
class FileName(LabelRule):
    """The one pattern that a file's name matches, upper and lower case distinguished."""

    patterns: Mapping[str, int]

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None
    ) -> NDArray[np.int64]:
        numbers = np.array([self._of(Path(file)) for file in files], np.int64)
        return np.asarray(numbers[events["file"]], np.int64)

    def _of(self, file: Path) -> int:
        matches = [pattern for pattern in self.patterns if fnmatchcase(file.name, pattern)]
        if len(matches) != 1:
            found = f"matches {matches}" if matches else f"matches none of {list(self.patterns)}"
            raise InputError(f"{file}: its name {found}, expected exactly one label pattern")
        return self.patterns[matches[0]]


@dataclass(frozen=True)
class Primary(LabelRule):
    """The class of the primary particles that have one; two of the same class are fine."""

    codes: Mapping[int, int]

    @property
    def needs_particles(self) -> bool:
        return True

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None
    ) -> NDArray[np.int64]:
        if particles is None:
            raise ValueError("a label by PDG code needs the primary particles")
        counts, pdg = particles
        named = np.isin(pdg, list(self.codes))
        event = np.repeat(np.arange(len(events)), counts)
        hit = np.zeros((len(events), len(self.classes)), bool)
        hit[event[named], [self.codes[code] for code in pdg[named].tolist()]] = True
        wrong = np.flatnonzero(hit.sum(axis=1) != 1)
        if len(wrong):
            first = wrong[0]
            raise InputError(
                f"{files[events['file'][first]]}: entry {events['entry'][first]}: primary particles "
                f"{pdg[event == first].tolist()}, expected one class among the PDG codes {sorted(self.codes)}"
            )
        return np.asarray(hit.argmax(axis=1), np.int64)


FIELDS = ("run", "subrun", "event", "entry")
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
LONGEST = 1000  # characters of a condition: deeper nesting than these can hold would exhaust the parser


def truth(text: str, events: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) bool: for which events a condition holds. Its syntax tree is read, nothing of it is executed."""
    columns = {name: events[name].astype(np.uint64) for name in FIELDS}
    try:
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        return _truth(_parsed(text), columns)
    except ValueError as error:
        raise InputError(
            f"label = {text[:80]!r}: {error}; expected comparisons of {', '.join(FIELDS)} with whole numbers "
            "joined by and, or, not"
        ) from None


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("not a condition") from None


def _truth(node: ast.expr, columns: Columns) -> NDArray[np.bool_]:
    if isinstance(node, ast.Compare):
        return _compared(node, columns)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return np.logical_not(_truth(node.operand, columns))
    if isinstance(node, ast.BoolOp):
        terms = np.stack([_truth(term, columns) for term in node.values])
        return np.asarray(terms.all(axis=0) if isinstance(node.op, ast.And) else terms.any(axis=0))
    raise ValueError(f"{ast.unparse(node)!r} is not a condition")


def _compared(node: ast.Compare, columns: Columns) -> NDArray[np.bool_]:
    """``a < b == c`` as Python means it: every neighbouring pair holds."""
    terms = [_value(term, columns) for term in (node.left, *node.comparators)]
    if all(term.ndim == 0 for term in terms) or not all(type(op) in COMPARISONS for op in node.ops):
        raise ValueError(f"{ast.unparse(node)!r} compares no id with a number")
    true = np.ones(len(columns["run"]), bool)
    for op, a, b in zip(node.ops, terms, terms[1:], strict=False):
        true &= COMPARISONS[type(op)](a, b)
    return true


def _value(node: ast.expr, columns: Columns) -> NDArray[np.uint64]:
    if isinstance(node, ast.Name) and node.id in columns:
        return columns[node.id]
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 2**64:
        return np.array(node.value, np.uint64)
    hint = nearest(node.id, columns) if isinstance(node, ast.Name) else ""
    raise ValueError(f"{ast.unparse(node)!r} is neither an id nor a whole number from 0 to 2^64-1{hint}")
