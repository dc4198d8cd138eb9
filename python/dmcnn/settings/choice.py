"""Choice of the events to look at: the keys that ``display`` and ``attribute`` share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dmcnn.settings.base import Conflict, Paths, setting
from dmcnn.settings.network import Network


class Choosing(Network):
    """Which events to look at, and in which format."""

    format: Any

    entries: int | list[int] | None = setting(
        None, section="events to look at", description="entry number(s); also -n ENTRY"
    )
    top: int | None = setting(
        None, ge=1, section="events to look at", description="so many events of highest score; also --top K"
    )
    bottom: int | None = setting(
        None, ge=1, section="events to look at", description="so many events of lowest score"
    )
    border: int | None = setting(
        None,
        ge=1,
        section="events to look at",
        description="so many events whose score is nearest to border_score",
    )
    border_score: float = setting(0.5, section="events to look at", description="the score that border means")
    per_file: int | None = setting(
        None, ge=1, section="events to look at", description="at most so many of each of these from one file"
    )
    score_csv: Paths | None = setting(
        None,
        section="events to look at",
        description="scores from these CSVs, one per input file, instead of the network",
    )
    score_column: str = setting(
        "signal_score", section="events to look at", description="column of score_csv"
    )

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "score_csv")

    @property
    def by_score(self) -> dict[str, Any]:
        """How many events of which kind of score."""
        return {
            "top": self.top,
            "bottom": self.bottom,
            "border": self.border,
            "border_score": self.border_score,
            "per_file": self.per_file,
        }

    @property
    def formats(self) -> list[str]:
        """The formats as a list."""
        return [self.format] if isinstance(self.format, str) else list(self.format)

    @property
    def order(self) -> str:
        """How the chosen events are ordered, for people."""
        kinds = {
            "entry number": self.entries,
            "highest score": self.top,
            "lowest score": self.bottom,
            f"distance of the score to {self.border_score:g}": self.border,
        }
        return ", then ".join(kind for kind, count in kinds.items() if count is not None)

    @property
    def ranks(self) -> bool:
        """Whether the choice needs the scores of all events."""
        return any(kind is not None for kind in (self.top, self.bottom, self.border))

    @property
    def chooses(self) -> bool:
        """Whether there is anything to do."""
        return self.entries is not None or self.ranks

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if not self.chooses:
            yield ("entries", "top"), "which events? give entries (-n ENTRY), top (--top K), bottom or border"
        if self.weight_file is None and self.score_csv is None and self.ranks:
            yield ("weight_file",), "scores need weight_file or score_csv"
