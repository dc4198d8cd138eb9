"""Base of the settings: declaration of keys, conflicts between them, and the saved cfg."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

import dmcnn
from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file, expand
from dmcnn._common.lock import lock
from dmcnn._common.provenance import Provenance, check_provenance, comments, provenance_of
from dmcnn.settings.cfg import write_cfg

log = logging.getLogger("dmcnn")

Paths = str | list[str]
Label = str | dict[str | int, str | int]
Conflict = tuple[tuple[str, ...], str]
"""Keys that contradict each other or a file, and the message."""


def setting(
    default: Any,
    section: str,
    description: str,
    *,
    example: Any = None,
    resume: Literal["same", "free"] = "same",
    trials: Literal["same", "free", "none"] = "same",
    tune: str = "",
    sample: bool = True,
    **bounds: Any,
) -> Any:
    """Declare a key of a cfg.

    Args:
        default: value where the cfg does not give one; ``...`` makes the key required.
        section: heading under which the help lists the key.
        description: meaning, with the unit in brackets first.
        example: value in the annotated cfg of a required key.
        resume: "free" where a resumed training may have another value, because no step depends on it.
        trials: "free" where trials of one search may have other values, because no result depends on it; "none" where
            they must have the default, because other values are no single training.
        tune: why a search cannot draw the key; "" = it can.
        sample: False for keys of ``simulate`` that belong to the command and not to the sample.
        bounds: limits, as pydantic.Field takes them (ge, gt, le, lt, min_length, max_length).
    """
    marks: dict[str, JsonValue] = {
        "section": section, "resume": resume, "trials": trials, "tune": tune, "sample": sample,
    }  # fmt: skip
    examples = None if example is None else [example]
    return Field(default, description=description, examples=examples, json_schema_extra=marks, **bounds)


def _file_word(text: str) -> str:
    """Return a text that may be a part of a file name; ValueError for any other."""
    if {"/", "\\"} & set(text) or ".." in text or not text.isprintable():
        raise ValueError("expected a part of a file name, without /, \\, .. and line ends")
    return text


OWN = "module:Name"
"""Form of the name of a plug-in, see dmcnn._common.plugins."""


def entry_numbers(value: Any) -> Any:
    """Return the numbers of a text of numbers and ranges, such as "0-3,7", as a list; any other value as it is."""
    if not isinstance(value, str):
        return value
    numbers: list[int] = []
    for part in value.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError("expected numbers and ranges, such as 3 or 0-3,7")
        if not 0 <= int(last or first) - int(first) < MOST_ENTRIES:
            raise ValueError(f"{part.strip()} is no range of 1 to {MOST_ENTRIES:,} entries")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


MOST_ENTRIES = 100_000
"""Largest number of entries that a range selects."""

Entries = Annotated[int | list[int], BeforeValidator(entry_numbers)]
"""Entry numbers: one, a list, or a text of numbers and ranges."""


@dataclass(frozen=True)
class Names:
    """Valid words of a setting: built-in names, names of entry points, and ``module:Name``.

    Attributes:
        group: group of the entry points.
        known: built-in names. A check imports none of them.
    """

    group: str
    known: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Add the check to the schema of pydantic."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, word: str) -> str:
        """Return a valid word; raise the error of pydantic for any other."""
        if word in self.known or plugins.is_own(word) or word in plugins.names(self.group):
            return word
        raise PydanticCustomError("literal_error", "Input should be one of the known words")


class Settings(BaseModel):
    """Values of the keys of one command, frozen."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False,
        protected_namespaces=(),  # for keys that begin with model_
        defer_build=True,  # a command uses its own class only
    )  # fmt: skip

    retired: ClassVar[dict[str, str]] = {}
    """Keys of cfg files of DM-CNN that have no effect any more -> reason."""

    name: Annotated[str, AfterValidator(_file_word)] = setting(
        "",
        "outputs",
        "tag in the names of all output files",
        trials="free",
        tune="the search names its trials",
        sample=False,
    )

    inputs: ClassVar[tuple[str, ...]] = ()
    """Keys that name files, which must exist."""

    data_key: ClassVar[str] = ""
    """Key that takes files which the command line names without one."""

    resumes: ClassVar[bool] = False
    """Whether an interrupted command goes on where it stopped."""

    @property
    def goes_on(self) -> bool:
        """Whether the same command, started again after an interrupt, goes on where it stopped."""
        return self.resumes

    @classmethod
    def keys(cls, **marks: Any) -> set[str]:
        """Return the keys whose declaration has these marks, such as ``resume="free"``."""
        declared = {key: field.json_schema_extra for key, field in cls.model_fields.items()}
        return {
            key for key, mark in declared.items() if isinstance(mark, dict) and marks.items() <= mark.items()
        }

    @classmethod
    def section(cls, key: str) -> str:
        """Return the heading of a key in the help."""
        return cls._mark(key, "section") or "files"

    @classmethod
    def untunable(cls, key: str) -> str:
        """Return why a search cannot draw a key; "" if it can."""
        return cls._mark(key, "tune")

    @classmethod
    def _mark(cls, key: str, mark: str) -> str:
        """Return a mark of the declaration of a key; "" without one."""
        marks = cls.model_fields[key].json_schema_extra
        return str(marks.get(mark, "")) if isinstance(marks, dict) else ""

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        for key in self.inputs:
            value = getattr(self, key)
            if value is not None:
                try:
                    expand(value)
                except InputError as error:
                    yield from (((key,), f"{key}: {fault}") for fault in error.faults)

    @property
    def tag(self) -> str:
        """Addition to the names of output files: ``_name``, or an empty text."""
        return f"_{self.name}" if self.name else ""

    @contextmanager
    def results_at(
        self,
        stem: Path,
        files: Iterable[str | Path] | Provenance = (),
        weights: str = "",
        *,
        named_by_file: bool = False,
        wait: float = 0.0,
        note: str = "",
    ) -> Iterator[list[str]]:
        """Lock the output name ``stem`` while the block runs, and save the settings as ``<stem>.cfg`` at its end.

        Yield a list, to which the block may add remarks; they become comments of the cfg.

        Args:
            stem: path of the output files, without suffix.
            files: files that the results are made from, or their provenance.
            weights: SHA-256 of the weight file; "" = no network.
            named_by_file: see ``check_provenance``.
            wait: [s] longest time to wait for another process with this name.
            note: addition to the first line of the cfg.

        Raises:
            InputError: another process writes these files, or they are results of other input files.
        """
        cfg, more = stem.with_name(stem.name + ".cfg"), f", weights {weights}" if weights else ""
        with lock(stem, wait):
            new = files if isinstance(files, dict) else provenance_of(files)
            provenance = check_provenance(cfg, new, named_by_file=named_by_file)
            if cfg.exists() and more not in cfg.read_text(encoding="utf-8", errors="replace"):
                log.info("%s: made again with other weights", stem)
            remarks: list[str] = []
            yield remarks
            lines = [f"dmcnn {dmcnn.__version__}{more}{note}", *comments(provenance), *filter(None, remarks)]
            comment = "\n".join(lines)
            with atomic_file(cfg) as temporary:
                temporary.write_text(self.text(comment), encoding="utf-8")

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the values of the keys that a cfg does not give, but for None."""
        fields = cls.model_fields.items()
        return {
            key: field.default
            for key, field in fields
            if not field.is_required() and field.default is not None
        }

    @classmethod
    def default_text(cls) -> str:
        """Return the text of a cfg with the defaults."""
        return write_cfg(cls.defaults(), "")

    def text(self, comment: str) -> str:
        """Return the text of a cfg that reads back as these settings."""
        return write_cfg(self.model_dump(exclude_none=True), comment)
