"""Scoring of files by networks: journals, score table and histograms of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from dmcnn._common.errors import InputError
from dmcnn._common.journal import Journal
from dmcnn._common.progress import ProgressBar
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.variations import Variation
from dmcnn.inference.entries import EntrySubset, Numbers
from dmcnn.inference.network_columns import Kind, Part, combine
from dmcnn.inference.networks import NamedNetwork
from dmcnn.inference.passes import check_entries, passes_of
from dmcnn.inference.score_table import passed, score_table
from dmcnn.tables import table
from dmcnn.tables.result_table import ResultTable
from dmcnn.tables.table import Table
from dmcnn.tasks.base import Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("dmcnn")


@dataclass(frozen=True)
class FileEvents:
    """Events of one file to score, as all networks see them.

    Attributes:
        datasets: all events of the file, as each pass reads them.
        truths: truth of all events, and the label rule that gives it, of each network.
        numbers: numbers of the events to score; None = all of ``span``.
        span: first and end of the events to score among all, or among ``numbers``.
    """

    datasets: list[Dataset]
    truths: list[tuple[Truth, str]]
    numbers: Numbers | None
    span: tuple[int, int]

    def __len__(self) -> int:
        return self.span[1] - self.span[0]

    @property
    def file(self) -> Dataset:
        """All events of the file."""
        return self.datasets[0]

    @cached_property
    def which(self) -> Numbers:
        """(n,) int64 numbers of the events to score."""
        numbers = np.arange(len(self.file)) if self.numbers is None else self.numbers
        return numbers[slice(*self.span)]

    def part(self, dataset: Dataset) -> Dataset | EntrySubset:
        """Return the events to score, of one of the datasets."""
        return dataset[slice(*self.span)] if self.numbers is None else EntrySubset(dataset, self.which)

    def truth(self, network: int) -> Truth:
        """Return the truth of the events to score for a network by its number."""
        truth = self.truths[network][0]
        return truth[self.which] if isinstance(truth, np.ndarray) else [truth[i] for i in self.which.tolist()]


class Scoring:
    """Scoring of files by several networks, each chunk of a file read once for all that read images alike.

    Args:
        networks: networks, see dmcnn.inference.networks.
        rotation: [degrees] as of ``Predictor.logits``.
        variations: variations of the images whose scores are compared with those of the images as they are.
        seed: seed of their random numbers.
        cut: lowest signal score of an event that passes; None = no column ``passed``.

    Raises:
        InputError: a cut, and a network without a signal class.
    """

    def __init__(
        self,
        networks: Sequence[NamedNetwork],
        rotation: int = 0,
        variations: Sequence[Variation] = (),
        seed: int = 1,
        cut: float | None = None,
    ) -> None:
        self.networks, self.rotation, self.cut = networks, rotation, cut
        for network in networks:
            if cut is not None and network.first.card.signal is None:
                raise InputError(f"cut: network {network.name} has no signal class".replace("  ", " "))
        self.variations, self.seed = variations, seed
        self.passes = passes_of(networks, variations, seed)
        if self.passes[1:]:
            names = "; ".join(", ".join(one.name for one in group.networks.values()) for group in self.passes)
            log.info("%d passes over each file, one for equal reader options: %s", len(self.passes), names)

    @property
    def remarks(self) -> list[str]:
        """Lines on engines, scores and weights."""
        reasons = [one.reason for group in self.passes for one in group.predictors]
        return [*reasons, *(network.line() for network in self.networks)]

    def open(self, file: str, label: Any = None) -> FileEvents:
        """Open a file for all passes; ``label`` is a label rule as in a cfg, None = that of each network.

        Raises:
            InputError: a file that a reader cannot read, a rule that does not fit, or passes that find other events.
        """
        datasets = [group.open(file) for group in self.passes]
        check_entries(datasets)
        for network in self.networks:
            _warn_of_training(network, datasets[0])
        truths: dict[str, tuple[Truth, str]] = {}  # networks of one rule share its truth, and its warnings
        for key, network in zip(self._rules, self.networks, strict=True):
            if key not in truths:
                truths[key] = network.task.labels(datasets[0], label)
        return FileEvents(datasets, [truths[key] for key in self._rules], None, (0, len(datasets[0])))

    @property
    def _rules(self) -> list[str]:
        """What decides on the truth of an event for every network."""
        cards = [network.first.card for network in self.networks]
        return [repr((one.classes, one.signal, one.label, one.origin, one.targets)) for one in cards]

    def journals(self, events: FileEvents, stem: Path, bar: ProgressBar) -> list[Journal]:
        """Score events; return the finished journal of each pass, ``.<stem>.journal`` of the first one.

        Interrupted, the same work goes on from its journals; networks, reader options, events and files are those of
        the journal, or the work begins anew. ``bar`` counts the events.
        """
        journals = []
        key: dict[str, Any] = {}
        if events.numbers is not None:
            key["entries"] = xxh3_128_hexdigest(events.numbers.tobytes())
        if self.variations:
            key |= {"variations": [one.name for one in self.variations], "seed": self.seed}
        for number, (group, dataset) in enumerate(zip(self.passes, events.datasets, strict=True)):
            part, addition = events.part(dataset), f"_pass{number}" if number else ""
            with part.unchanged() as fingerprint:
                journal = group.journal(
                    stem.with_name(f".{stem.name}{addition}.journal"),
                    {"rotation": self.rotation, "file": fingerprint, **key},
                    dataset,
                    self.rotation,
                    {"file": part.old_fingerprint()},
                )
                bar.skip(len(journal) * (1 + len(self.variations)))
                for rows in group.rows(part, rotation=self.rotation, first=len(journal), bar=bar):
                    journal.append(rows)
            journals.append(journal)
            log.info("\n".join(part.report_lines()))
        return journals

    def table(
        self, events: FileEvents, rows: Sequence[NDArray[np.float64]], status: str = "scored"
    ) -> tuple[ResultTable, dict[str, Kind]]:
        """Return the score table of all networks, and the kinds of its columns.

        Args:
            events: the events.
            rows: (n, width) rows of each pass.
            status: as of ``score_table``.
        """
        parts: dict[int, Part] = {}
        for group, dataset, of_pass in zip(self.passes, events.datasets, rows, strict=True):
            part = events.part(dataset)
            for number, network in group.networks.items():
                outputs, rule = group.outputs_of(network, of_pass), events.truths[number][1]
                content = np.column_stack([network.outputs(outputs), of_pass[:, -2:]])
                about = network.task, part.events, part.sources, content, events.truth(number), status
                places: dict[str, Any] = {"origins": part.origins, "windows": part.windows()}
                one = score_table(*about, rule=rule, **places).to_dict() | network.spreads(outputs)
                if self.cut is not None:
                    one["passed"] = passed(one["signal_score"], self.cut)
                parts[number] = Part(
                    network, ResultTable(one), group is self.passes[0], rule == events.truths[0][1]
                )
        return combine([parts[number] for number in range(len(self.networks))])

    def kinds(self, events: FileEvents) -> dict[str, Kind]:
        """Return the kinds of the columns of ``table``."""
        none = replace(events, numbers=np.zeros(0, np.int64), span=(0, 0))
        return self.table(none, [np.zeros((0, group.width)) for group in self.passes])[1]

    def histograms(self, results: Table, name: str) -> dict[str, Figure]:
        """Draw the distribution of the scores of each network of classes; return the figures by network.

        Args:
            results: score table.
            name: name of the file.
        """
        figures = {}
        for network in self.networks:
            logits = [network.column(f"logit_{one}") for one in network.first.card.classes]
            outputs = [table.scores_of(results, column)[0] for column in logits]
            shape = len(logits), len(results.column("entry_number"))
            title = f"{name}, {network.name}" if network.name else name
            figure = network.task.histogram(np.array(outputs, np.float64).reshape(shape).T, title)
            if figure is not None:
                figures[network.name] = figure
        return figures


def _warn_of_training(network: NamedNetwork, dataset: Dataset) -> None:
    """Warn of events that a network, or one of an ensemble, was trained on."""
    prints = (dataset.fingerprint(), dataset.old_fingerprint())
    if any(member.card.data.get("training", {}).get("fingerprint") in prints for member in network.members):
        which = f"network {network.name}" if network.name else "the network"
        log.warning("warning: %s: holds the events that %s was trained on", dataset.files[0], which)
