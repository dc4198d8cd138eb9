"""Labels: class of each event from its ids, the name of its file, its primary particles, or a number in the file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest
from dmcnn.datasets.conditions import evaluate, names_in
from dmcnn.formats.origin import origin_text
from dmcnn.images.sparse import EVENT, UNSET
from dmcnn.simulation import LABELS

if TYPE_CHECKING:
    from dmcnn.datasets.event_files import EventFiles

Label = str | Mapping[Any, str | int]
Particles = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Primary particles: number in each event (n,), and PDG codes of all events one after another (m,)."""
Names = Sequence[str]
"""File name of each event (n,), where one reader opens a whole folder."""

PREFIX, STORED = "prefix", "y"
"""Labels that are words: class name at the beginning of the file name, and class number in the file."""


@dataclass(frozen=True)
class LabelRule(ABC):
    """Rule that gives every event a class number; an event that fits no class or several is an error.

    Attributes:
        classes: names of the classes, in the order of their numbers.
    """

    classes: tuple[str, ...]

    fits_any: ClassVar[bool] = False
    """True if the rule gives the events of any file a class: only the kind of a file tells whether it is meant so."""

    @staticmethod
    def parse(label: Label, classes: Sequence[str], signal: str | None = None) -> LabelRule:
        """Parse the ``label`` setting into a rule.

        Args:
            label: a condition on run, subrun, event and entry such as ``"run == 100"`` (true = signal);
                {file name pattern: class}; {PDG code of a primary particle: class}; "prefix", the longest class
                name that the file name begins with; or "y", the class number in the file. A class is given by
                name or number.
            classes: names in the order of their numbers.
            signal: class of a true condition; None = the class named "signal".

        Raises:
            InputError: an invalid label; the message gives the nearest valid choice.
        """
        classes = tuple(classes)
        if isinstance(label, str) and label in RULES:
            return RULES[label](classes)
        if isinstance(label, str):
            return Condition.from_text(label, classes, signal)
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
    def text(self) -> str:
        """The rule as text, for tables."""
        return self.setting if isinstance(self.setting, str) else json.dumps(self.setting)

    @property
    def needs_particles(self) -> bool:
        """Return whether ``apply`` needs the primary particles."""
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
        """Return the (n,) int64 class number of every event.

        Args:
            events: (n,) EVENT.
            files: files in the order of ``events["file"]``.
            particles: primary particles of the events, only for a rule on PDG codes.
            names: (n,) file name of each event; None = those of ``files``.
            stored: (n,) class numbers in the files, -1 where a file has none; None = no file has one.

        Raises:
            InputError: an event (or file) that fits no class or several; the message names the first.
        """


def class_number(name: str | int, classes: tuple[str, ...], what: str = "label") -> int:
    """Return the number of a class that is given by name or number.

    Args:
        name: name or number.
        classes: names in the order of their numbers.
        what: key that gives the class, for the message.

    Raises:
        InputError: no such class.
    """
    if isinstance(name, str) and name in classes:
        return classes.index(name)
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(classes):
        return name
    hint = nearest(name, classes) if isinstance(name, str) else ""
    listed = ", ".join(f"{number} = {known}" for number, known in enumerate(classes))
    raise InputError(f"{what} names the class {name!r}{hint}, expected one of {listed}")


@dataclass(frozen=True)
class Condition(LabelRule):
    """Rule on run, subrun, event and entry: the signal class where a condition is true, else the other class."""

    fits_any = True
    signal: int
    condition: str

    @classmethod
    def from_text(cls, text: str, classes: tuple[str, ...], signal: str | None) -> Condition:
        """Parse the rule and check it against an empty event table.

        Raises:
            InputError: other than two classes, no signal class, or an invalid condition.
        """
        name = "signal" if signal is None else signal
        if len(classes) != 2:
            raise InputError(
                f"label = {text!r} tells 2 classes apart, there are {len(classes)}: {list(classes)}"
            )
        if name not in classes:
            raise InputError(
                f"label = {text!r}: the class of a true condition is unknown, set signal to one of {list(classes)}"
            )
        evaluate(text, np.zeros(0, EVENT))
        return cls(classes, classes.index(name), text)

    @property
    def setting(self) -> Label:
        return self.condition

    def apply(
        self, events: NDArray[Any], files: Sequence[Path], particles: Particles | None = None, **_: Any
    ) -> NDArray[np.int64]:
        for name in names_in(self.condition):
            for first in np.flatnonzero(events[name] == UNSET)[:1]:
                place = f"{files[events['file'][first]]}: entry {events['entry'][first]}"
                raise InputError(
                    f"{place} has no {name} number, so label = {self.condition!r} cannot be judged: set label to "
                    "{file pattern: class} or to 'prefix' (file names begin with the class)"
                )
        return np.where(evaluate(self.condition, events), self.signal, 1 - self.signal).astype(np.int64)


@dataclass(frozen=True)
class NameRule(LabelRule):
    """Rule on the file name of an event; upper and lower case differ."""

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
            numbers = np.array([self.class_of(Path(file).name, file) for file in files], np.int64)
            return np.asarray(numbers[events["file"]], np.int64)
        known: dict[str, int] = {}
        for name, number in zip(names, events["file"], strict=True):
            if name not in known:
                known[name] = self.class_of(name, f"{files[number]}: {name}")
        return np.array([known[name] for name in names], np.int64)

    @abstractmethod
    def class_of(self, name: str, place: str | Path) -> int:
        """Return the class number of a file name.

        Args:
            name: file name.
            place: file, for the message.

        Raises:
            InputError: the name fits no class or several.
        """


@dataclass(frozen=True)
class FileName(NameRule):
    """Rule on patterns: a file name must match exactly one of them."""

    patterns: Mapping[str, int]

    @property
    def setting(self) -> Label:
        return {pattern: self.classes[number] for pattern, number in self.patterns.items()}

    def class_of(self, name: str, place: str | Path) -> int:
        matches = [pattern for pattern in self.patterns if fnmatchcase(name, pattern)]
        if len(matches) != 1:
            result = f"matches {matches}" if matches else f"matches none of {list(self.patterns)}"
            raise InputError(f"{place}: its name {result}, expected exactly one label pattern")
        return self.patterns[matches[0]]


@dataclass(frozen=True)
class Prefix(NameRule):
    """Rule on the longest class name that a file name begins with: pion_zero_7.npy is a pion_zero, not a pion."""

    @property
    def setting(self) -> Label:
        return PREFIX

    def class_of(self, name: str, place: str | Path) -> int:
        fits = [known for known in self.classes if name.startswith(known)]
        if not fits:
            word = name.partition(".")[0].rstrip("_0123456789")
            raise InputError(
                f"{place}: its name begins with no class of {list(self.classes)}{nearest(word, self.classes)}"
            )
        return self.classes.index(max(fits, key=len))


@dataclass(frozen=True)
class StoredClass(LabelRule):
    """Rule on the class number in the file."""

    fits_any = True

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
            content = "stores no class" if numbers[first] < 0 else f"stores class {numbers[first]}"
            raise InputError(
                f"{files[events['file'][first]]}: entry {events['entry'][first]}: the file {content}, expected 0 to "
                f"{len(self.classes) - 1} for {list(self.classes)}"
            )
        return np.asarray(numbers, np.int64)


@dataclass(frozen=True)
class Primary(LabelRule):
    """Rule on PDG codes of the primary particles; several particles of one class are valid."""

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


def check_kinds(rule: LabelRule, dataset: EventFiles, kinds: Sequence[Mapping[str, str]]) -> None:
    """Raise InputError if a rule gives any file an answer, but is not meant for a file of the dataset.

    It is meant for files of ``kinds``, and for samples of dmcnn whose own rule it is.

    Args:
        rule: rule that the user has not given for these files.
        dataset: events.
        kinds: kinds of files for which it is meant, see ``EventFile.kind``.
    """
    for file, kind in zip(dataset.files, dataset.file_kinds, strict=True) if rule.fits_any else ():
        if kind in kinds or LABELS.get(kind.get("sample", "")) == rule.setting:
            continue
        meant = " or ".join(map(_kind_words, kinds)) or "files of a kind that is not known"
        raise InputError(
            f"{file}: label = {rule.text!r} is the rule of {meant}, not of {_kind_words(kind)}; give "
            f"label (label={rule.text!r} if it holds here too)"
        )


def _kind_words(kind: Mapping[str, str]) -> str:
    """Return the kind of a file as text, such as "LArCV2 (producer wire)"."""
    if "sample" in kind:
        return origin_text(kind)
    more = ", ".join(f"{name} {text}" for name, text in kind.items() if name != "format")
    return f"{kind.get('format', '')} ({more})" if more else kind.get("format", "")


RULES: dict[str, Callable[[tuple[str, ...]], LabelRule]] = {PREFIX: Prefix, STORED: StoredClass}
"""Word of a ``label`` setting -> rule of the classes."""
