"""What all commands share: reading a cfg, and telling every fault in it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

import dmcnn
from dmcnn._common import plugins
from dmcnn._common.errors import InputError
from dmcnn._common.files import expand, replacing
from dmcnn.settings.cfg import write_cfg

Paths = str | list[str]
Label = str | dict[str | int, str | int]
Conflict = tuple[tuple[str, ...], str]
"""The keys that contradict each other (or the world), and what is wrong."""


OWN = "module:Name"
"""How a network, loss or other of one's own is named, see dmcnn._common.plugins."""


@dataclass(frozen=True)
class Names:
    """Words that a setting takes: the built-in ones, those of entry points, and ``module:Name``.

    Attributes:
        group: of the entry points.
        known: built-in words. None of them is imported to check a word.
    """

    group: str
    known: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, word: str) -> str:
        if word in self.known or plugins.is_own(word) or word in plugins.names(self.group):
            return word
        raise PydanticCustomError("literal_error", "Input should be one of the known words")


class Settings(BaseModel):
    """What all commands share: reading a cfg, and telling every fault in it at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    retired: ClassVar[dict[str, str]] = {}
    """Keys of DM-CNN's cfg files that nothing uses any more, and why."""

    name: str = Field("", description="tag in the names of all output files")

    inputs: ClassVar[tuple[str, ...]] = ()
    """Keys that name files which must exist."""

    def conflicts(self) -> Iterator[Conflict]:
        """Contradictions between keys that are each fine alone."""
        for key in self.inputs:
            value = getattr(self, key)
            if value is not None:
                try:
                    expand(value)
                except InputError as error:
                    yield from (((key,), f"{key}: {fault}") for fault in error.faults)

    @property
    def tag(self) -> str:
        """What the name adds to the names of output files: ``_name``, or nothing."""
        return f"_{self.name}" if self.name else ""

    def save(self, stem: Path, more: str = "") -> None:
        """Leave the used cfg as ``<stem>.cfg``, whole or not at all; ``more`` goes into its comment."""
        with replacing(stem.with_name(stem.name + ".cfg")) as temporary:
            temporary.write_text(self.text(f"dmcnn {dmcnn.__version__}{more}"))

    def text(self, comment: str) -> str:
        """The cfg that makes these settings again."""
        return write_cfg(self.model_dump(exclude_none=True), comment)
