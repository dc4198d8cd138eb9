"""Settings of the selection of events, which ``display``, ``attribute`` and ``occlude`` share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dmcnn.settings.base import Conflict, Entries, Paths, setting
from dmcnn.settings.decision import CUT, Cut
from dmcnn.settings.network import NetworkSettings
from dmcnn.settings.shares import ShareSettings


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
    border_score: Cut = setting(
        CUT,
        "events to look at",
        "score to which border refers, and the lowest score of the signal for wrong; or the JSON of evaluate, whose "
        "cut it is",
    )
    wrong: int | None = setting(
        None,
        "events to look at",
        "number of misclassified events, the most wrong first, by the labels in score_csv or the label rule",
        ge=1,
    )
    signal_label: str | None = setting(
        None,
        "events to look at",
        "label of signal events in score_csv (default: that of the network, or signal)",
    )
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
    def border_count(self) -> int | None:
        """Number of events nearest to border_score."""
        return self.border

    @property
    def score_options(self) -> dict[str, Any]:
        """Arguments of the selection by score."""
        return {
            "top": self.top,
            "bottom": self.bottom,
            "border": self.border_count,
            "border_score": self.border_score,
            "wrong": self.wrong,
            "per_file": self.per_file,
        }

    @property
    def formats(self) -> list[str]:
        """Formats of the pictures as a list."""
        return [self.format] if isinstance(self.format, str) else list(self.format)

    @property
    def pictures(self) -> list[str]:
        """Formats of the pictures that are files of their own, not on a page."""
        return [kind for kind in self.formats if kind != "html"]

    @property
    def order(self) -> str:
        """Order of the selected events, for the page of all events."""
        kinds = {
            "entry number": self.entries,
            "highest score": self.top,
            "lowest score": self.bottom,
            f"distance of the score to {self.border_score:g}": self.border_count,
            "how wrong they are classified": self.wrong,
        }
        return ", then ".join(kind for kind, count in kinds.items() if count is not None)

    @property
    def needs_scores(self) -> bool:
        """Whether the selection needs the scores of all events."""
        return any(kind is not None for kind in (self.top, self.bottom, self.border_count, self.wrong))

    @property
    def selects(self) -> bool:
        """Whether the settings select any event."""
        return self.entries is not None or self.needs_scores

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if not self.selects:
            yield (
                ("entries", "top", "bottom", "border", "wrong"),
                "no events selected: give entries (-n ENTRY), top (--top K), bottom, border or wrong",
            )
        if self.weight_file is None and self.score_csv is None and self.needs_scores:
            yield ("weight_file",), "scores need weight_file or score_csv"


class ComparisonSettings(SelectionSettings, ShareSettings):
    """Keys that select events of one network, also by the difference to the scores of another, for work in shares."""

    disagree: int | None = setting(
        None,
        "events to look at",
        "number of events with the largest difference of the scores of two networks",
        ge=1,
    )
    other_weight_file: str | None = setting(
        None, "events to look at", "checkpoint of the other network, for disagree"
    )
    other_score_csv: Paths | None = setting(
        None,
        "events to look at",
        "scores of the other network instead of its checkpoint, one CSV per input file",
    )

    inputs: ClassVar[tuple[str, ...]] = (*SelectionSettings.inputs, "other_weight_file", "other_score_csv")

    @property
    def order(self) -> str:
        """Order of the selected events, for the page of all events."""
        kinds = [super().order, "disagreement" if self.disagree is not None else ""]
        return ", then ".join(filter(None, kinds))

    @property
    def needs_scores(self) -> bool:
        """Whether the selection needs the scores of all events."""
        return super().needs_scores or self.disagree is not None

    def selection(self) -> dict[str, Any]:
        """Return the selected events, see dmcnn.inference.stored_scores.select."""
        keys = {"entries", "score_csv", "score_column", "disagree", "other_weight_file", "other_score_csv"}
        keys |= {"label", "signal_label"}
        return {**self.model_dump(include=keys), **self.score_options, "network": self.network()}

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        others = (self.other_weight_file, self.other_score_csv)
        if (self.disagree is not None) != any(other is not None for other in others):
            keys = "disagree", "other_weight_file", "other_score_csv"
            yield (
                keys,
                "disagree and other_weight_file or other_score_csv go together: give both or neither",
            )
        if all(other is not None for other in others):
            yield (
                ("other_weight_file", "other_score_csv"),
                "other_weight_file and other_score_csv exclude each other: give one",
            )
        computed = (self.needs_scores and self.score_csv is None) or self.other_weight_file is not None
        if computed and (self.share is not None or self.check_shares or self.farm is not None):
            yield (
                ("share", "check_shares", "farm"),
                "every share must find the same events, and scores that each computes itself may differ by rounding: "
                "give entries, or score_csv (and other_score_csv)",
            )
