"""Which class an event belongs to: by its ids, the name of its file, its true particles, or the file's own word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.datasets.conditions import truth
from dmcnn.images.sparse import EVENT

Label = str | Mapping[Any, str | int]
Particles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Primary particles: how many each event has (n,), and the PDG codes of all, one after another (m,)."""
Names = Sequence[str]
"""The name of the file that each event comes from (n,), where one reader opens a whole folder."""

PREFIX, STORED = "prefix", "y"
"""The two labels that are words."""


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
                {file name pattern: class}; or {PDG code of a primary particle: class}; or "prefix": the longest
                class name that the file's name begins with; or "y": the class number that the file stores. A class
                is given by name or number.
            classes: names in the order of their numbers.
            signal: which of two classes a true condition means; None = the one named "signal".

        Raises:
            InputError: what is wrong with the label, and the nearest valid choice.
        """
        classes = tuple(classes)
        if label == PREFIX:
            return Prefix(classes)
        if label == STORED:
            return Stored(classes)
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
    @abstractmethod
    def setting(self) -> Label:
        """The ``label`` setting that means this rule."""

    @property
    def needs_particles(self) -> bool:
        """Whether ``apply`` wants the primary particles."""
        return False

    @abstractmethod
    def apply(
        self,
        events: NDArray[Any],
        files: Sequence[Path],
        particles: Particles | None = None,
        *,
        names: Names | None = None,
        stored: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """(n,) int64 class number of every event.

        Args:
            events: (n,) EVENT.
            files: the files that ``events["file"]`` numbers.
            particles: primary particles of the events, only for a rule on PDG codes.
            names: (n,) file name of each event; None = those of ``files``.
            stored: (n,) class numbers that the files give, -1 where one gives none; None = none does.

        Raises:
            InputError: the first event (or file) that fits none or several of the classes.
        """


def class_number(name: str | int, classes: tuple[str, ...], what: str = "label") -> int:
    """The number of a class given by name or number; ``what`` is the key that gives it."""
    if isinstance(name, str) and name in classes:
        return classes.index(name)
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(classes):
        return name
    hint = nearest(name, classes) if isinstance(name, str) else ""
    listed = ", ".join(f"{number} = {known}" for number, known in enumerate(classes))
    raise InputError(f"{what} names the class {name!r}{hint}, expected one of {listed}")


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

    @property
    def setting(self) -> Label:
        return self.text

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None, **_: Any
    ) -> NDArray[np.int64]:
        return np.where(truth(self.text, events), self.signal, 1 - self.signal).astype(np.int64)


@dataclass(frozen=True)
class NameRule(LabelRule):
    """A rule on the name of the file that an event comes from, upper and lower case distinguished."""

    def apply(
        self,
        events: NDArray[Any],
        files: Sequence[Path],
        particles: Particles | None = None,
        *,
        names: Names | None = None,
        stored: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        if names is None:
            numbers = np.array([self.of(Path(file).name, file) for file in files], np.int64)
            return np.asarray(numbers[events["file"]], np.int64)
        known: dict[str, int] = {}
        for name, number in zip(names, events["file"], strict=True):
            if name not in known:
                known[name] = self.of(name, f"{files[number]}: {name}")
        return np.array([known[name] for name in names], np.int64)

    @abstractmethod
    def of(self, name: str, place: str | Path) -> int:
        """The class number of a file name; InputError beginning with ``place`` if it fits none or several."""


@dataclass(frozen=True)
class FileName(NameRule):
    """The one pattern that a file's name matches."""

    patterns: Mapping[str, int]

    @property
    def setting(self) -> Label:
        return {pattern: self.classes[number] for pattern, number in self.patterns.items()}

    def of(self, name: str, place: str | Path) -> int:
        matches = [pattern for pattern in self.patterns if fnmatchcase(name, pattern)]
        if len(matches) != 1:
            found = f"matches {matches}" if matches else f"matches none of {list(self.patterns)}"
            raise InputError(f"{place}: its name {found}, expected exactly one label pattern")
        return self.patterns[matches[0]]


@dataclass(frozen=True)
class Prefix(NameRule):
    """The longest class name that a file's name begins with: pion_zero_7.npy is a pion_zero and no pion."""

    @property
    def setting(self) -> Label:
        return PREFIX

    def of(self, name: str, place: str | Path) -> int:
        fits = [known for known in self.classes if name.startswith(known)]
        if not fits:
            word = name.partition(".")[0].rstrip("_0123456789")
            raise InputError(
                f"{place}: its name begins with no class of {list(self.classes)}{nearest(word, self.classes)}"
            )
        return self.classes.index(max(fits, key=len))


@dataclass(frozen=True)
class Stored(LabelRule):
    """The class number that the file itself stores."""

    @property
    def setting(self) -> Label:
        return STORED

    def apply(
        self,
        events: NDArray[Any],
        files: Sequence[Path],
        particles: Particles | None = None,
        *,
        names: Names | None = None,
        stored: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        numbers = np.full(len(events), -1) if stored is None else stored
        wrong = np.flatnonzero((numbers < 0) | (numbers >= len(self.classes)))
        if len(wrong):
            first = wrong[0]
            found = "stores no class" if numbers[first] < 0 else f"stores class {numbers[first]}"
            raise InputError(
                f"{files[events['file'][first]]}: entry {events['entry'][first]}: the file {found}, expected 0 to "
                f"{len(self.classes) - 1} for {list(self.classes)}"
            )
        return np.asarray(numbers, np.int64)


@dataclass(frozen=True)
class Primary(LabelRule):
    """The class of the primary particles that have one; two of the same class are fine."""

    codes: Mapping[int, int]

    @property
    def setting(self) -> Label:
        return {code: self.classes[number] for code, number in self.codes.items()}

    @property
    def needs_particles(self) -> bool:
        return True

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None, **_: Any
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
