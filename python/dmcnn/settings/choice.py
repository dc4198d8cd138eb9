"""Settings of the selection of events, which ``display`` and ``attribute`` share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dmcnn.settings.base import Conflict, Entries, Paths, setting
from dmcnn.settings.network import NetworkSettings


class SelectionSettings(NetworkSettings):
    """Keys that select events, by number or by score."""

    format: Any

    entries: Entries | None = setting(
        None, "events to look at", "entry number(s), also -n ENTRY, -n 3,7 or -n 0-3"
    )
    top: int | None = setting(
        None, "events to look at", "number of events with the highest scores; also --top K", ge=1
    )
    bottom: int | None = setting(None, "events to look at", "number of events with the lowest scores", ge=1)
    border: int | None = setting(
        None, "events to look at", "number of events with the scores nearest to border_score", ge=1
    )
    border_score: float = setting(0.5, "events to look at", "score to which border refers")
    per_file: int | None = setting(
        None,
        "events to look at",
        "largest number of events of each kind (top, bottom, …) from one file",
        ge=1,
    )
    score_csv: Paths | None = setting(
        None, "events to look at", "CSVs with the scores, one per input file, instead of the network"
    )
    score_column: str = setting("signal_score", "events to look at", "column of the score in score_csv")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "score_csv")

    @property
    def score_options(self) -> dict[str, Any]:
        """Arguments of the selection by score."""
        return {
            "top": self.top,
            "bottom": self.bottom,
            "border": self.border,
            "border_score": self.border_score,
            "per_file": self.per_file,
        }

    @property
    def formats(self) -> list[str]:
        """Formats of the pictures as a list."""
        return [self.format] if isinstance(self.format, str) else list(self.format)

    @property
    def order(self) -> str:
        """Order of the selected events, for the page of all events."""
        kinds = {
            "entry number": self.entries,
            "highest score": self.top,
            "lowest score": self.bottom,
            f"distance of the score to {self.border_score:g}": self.border,
        }
        return ", then ".join(kind for kind, count in kinds.items() if count is not None)

    @property
    def needs_scores(self) -> bool:
        """Whether the selection needs the scores of all events."""
        return any(kind is not None for kind in (self.top, self.bottom, self.border))

    @property
    def selects(self) -> bool:
        """Whether the settings select any event."""
        return self.entries is not None or self.needs_scores

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if not self.selects:
            yield (
                ("entries", "top"),
                "no events selected: give entries (-n ENTRY), top (--top K), bottom or border",
            )
        if self.weight_file is None and self.score_csv is None and self.needs_scores:
            yield ("weight_file",), "scores need weight_file or score_csv"
