"""Report of a campaign: table of all scanned events, summary figure, and page of every event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.extras import is_installed
from dmcnn.datasets.dataset import Dataset
from dmcnn.figures import occlusion_campaign, style
from dmcnn.figures.image_axes import quantity
from dmcnn.figures.save import save_figure
from dmcnn.images.sparse import SparseImages, id_columns
from dmcnn.inference.predictor import Predictor
from dmcnn.occlusion.campaign import Drops, Floats, distance_edges
from dmcnn.occlusion.result import OcclusionResult
from dmcnn.pages import EventPage, Overlay
from dmcnn.tables import parquet, table


@dataclass(frozen=True, eq=False)
class CampaignReport:
    """Report of the scanned events.

    Attributes:
        predictor: network of the scans.
        dataset: dataset of the events.
        label: label rule as in a cfg; None = that of the training.
        rows: row of the table of every event that was added.
    """

    predictor: Predictor
    dataset: Dataset
    label: Any = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    _profiles: list[Floats] = field(default_factory=list)

    @cached_property
    def labels(self) -> list[str | None]:
        """(n,) true class of every event of the dataset; None = unknown."""
        truth = self.predictor.task.truth(self.dataset, self.label)
        return [word if isinstance(word, str) else None for word in truth]

    def add(self, number: int, reason: str, event: SparseImages, result: OcclusionResult, npz: Path) -> None:
        """Add the scan of an event.

        Args:
            number: of the event in the dataset.
            reason: of its selection.
            event: the event, one image.
            result: of the scan.
            npz: file of the result, which tells its engine and its time.
        """
        task = self.predictor.task
        drops = Drops.of_result(result, event, task)
        row = {
            **id_columns(event.events[0], self.dataset.source(event)),
            "reason": reason,
            "label": self.labels[number],
            **_about(npz),
            "exact": 1.0 if result.exact is None else float(result.exact.mean()),
            "certificate": str(result.certificate or ""),
            "active_pixels": len(event.index),
            "windows": len(result.windows),
            "centres": len(result.windows.number),
            **drops.columns(task.names),
        }
        self.rows.append(row)
        edges = distance_edges(self.dataset.shape)
        self._profiles.append(np.stack([drops.profile(i, edges) for i in range(len(task.names))]))

    def write(self, stem: Path, formats: Sequence[str], note: str) -> None:
        """Write ``<stem>.csv``, ``.parquet`` where pyarrow is installed, and the summary figure with the note.

        Args:
            stem: path without suffix.
            formats: of the figure: png, pdf.
            note: origin of the events.
        """
        names = dict.fromkeys(name for row in self.rows for name in row) or ["file", "entry_number"]
        columns = {name: [row.get(name) for row in self.rows] for name in names}
        table.write(stem.with_name(f"{stem.name}.csv"), table.Table.from_columns(columns))
        if is_installed("pyarrow"):
            parquet.write(stem.with_name(f"{stem.name}.parquet"), columns)
        if self.rows and formats:
            events = len({(row["file"], row["entry_number"]) for row in self.rows})
            title = f"Occlusion of {events:,} events, {sum(row['windows'] for row in self.rows):,} windows"
            edges = distance_edges(self.dataset.shape)
            figure = occlusion_campaign.summary(self._panels(), edges, what=self._what, title=title)
            save_figure(figure, stem, formats, note)

    def engines(self) -> str:
        """Return the engines of the scans, with the number of scans of each."""
        counts = Counter(str(row["engine"]) for row in self.rows)
        return "engines of the scans: " + (", ".join(f"{name} {n}" for name, n in counts.items()) or "none")

    @property
    def _what(self) -> str:
        return "change" if self.predictor.card.targets else "drop"

    def _panels(self) -> list[tuple[str, list[occlusion_campaign.DropGroup]]]:
        """Return the quantities of the summary with their groups of events: classes, and sizes of the windows."""
        task, card = self.predictor.task, self.predictor.card
        if card.targets:
            return [
                (style.label(name, task.unit(name) or ""), self._groups([name] * len(self.rows)))
                for name in task.names
            ]
        if card.signal is not None:
            return [(f"{card.signal} score", self._groups([card.signal] * len(self.rows)))]
        likely = [max(task.names, key=lambda name: row[f"base_{name}"]) for row in self.rows]
        return [("score of the likeliest class", self._groups(likely))]

    def _groups(self, explained: Sequence[str]) -> list[occlusion_campaign.DropGroup]:
        """Return the events by true class, if any is known, and size; ``explained`` names the value of each event."""
        sizes = len({row["occlusion_size"] for row in self.rows}) > 1
        kinds = [
            (row["label"] or ("all" if not any(other["label"] for other in self.rows) else "unknown"))
            + (f", k = {row['occlusion_size']}" if sizes else "")
            for row in self.rows
        ]
        groups = []
        for kind in sorted(set(kinds)):
            which = [place for place, other in enumerate(kinds) if other == kind]
            outputs = [self.predictor.task.names.index(explained[place]) for place in which]
            groups.append(
                occlusion_campaign.DropGroup(
                    kind,
                    self._column(f"max_{self._what}", which, explained),
                    self._column("overlap", which, explained),
                    np.stack(
                        [self._profiles[place][output] for place, output in zip(which, outputs, strict=True)]
                    ),
                )
            )
        return groups

    def _column(self, what: str, which: Sequence[int], explained: Sequence[str]) -> Floats:
        """Return the numbers of the explained value of some events; NaN for none."""
        return np.array([self.rows[place][f"{what}_{explained[place]}"] for place in which], np.float64)

    def page(
        self, number: int, reason: str, event: SparseImages, results: Mapping[int, OcclusionResult]
    ) -> EventPage:
        """Return the content of the interactive page of an event: the changes of all values under its windows.

        Args:
            number, reason, event: as of ``add``.
            results: k of the windows -> result of the scan.
        """
        task, overlays, quality = self.predictor.task, [], []
        for size, result in results.items():
            maps, base = result.maps(task.values)
            drops = Drops.of_result(result, event, task)
            numbers = drops.columns(task.names)
            for name, one, untouched in zip(task.names, maps, base, strict=True):
                title = f"{name}, k = {size}"
                unit = task.unit(name)
                overlays.append(
                    Overlay(
                        title,
                        f"{title}, under occlusion",
                        (one - untouched).astype(np.float32),
                        signed=True,
                        unit=unit or "",
                        note=f"untouched image {untouched:.4g}",
                        quantity="Change of the score" if unit is None else "Change of the estimate",
                    )
                )
                quality.append(
                    {
                        "map": title,
                        "untouched": numbers[f"base_{name}"],
                        f"largest {drops.what}": numbers[f"max_{drops.what}_{name}"],
                        f"mean {drops.what}": numbers[f"mean_{drops.what}_{name}"],
                        "overlap with the charge": numbers[f"overlap_{name}"],
                    }
                )
        first = next(iter(results.values()))
        scores = task.event_scores(first.base[None], [np.nan] * len(task.names))
        origin = self.dataset.file_origins[int(event.events["file"][0])]
        return EventPage(
            image=event.dense()[0],
            meta=event.meta[0],
            event=event.events[0],
            source=self.dataset.short_source(event),
            scores=scores.named,
            label=self.labels[number],
            overlays=overlays,
            quality=quality,
            quantity=quantity(event.meta[0, 0]),
            text=", ".join(filter(None, [origin, reason, *scores.estimates])),
            volume=event.is_volume,
            axis0=event.axis0,
        )


def _about(path: Path) -> dict[str, Any]:
    """Return size, engine, precision and time [s] of the scan in an npz; earlier versions stored no time."""
    with np.load(path, allow_pickle=False) as file:
        key = json.loads(str(file["key"]))
        seconds = float(file["seconds"]) if "seconds" in file else np.nan
    return {
        "occlusion_size": key["k"],
        "engine": key.get("engine", "dense"),
        "precision": key["precision"],
        "seconds": seconds,
    }
