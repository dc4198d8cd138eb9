"""Page of a training: result, curves, ROC, scores, model card, settings and files, from the files in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common import json_files
from dmcnn._common.environment import without_folders
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import sha256
from dmcnn.figures import classification, regression
from dmcnn.formats import origin
from dmcnn.pages import report as pages
from dmcnn.reports.model_card import result_rows, sample_rows
from dmcnn.tables import table

CARD = "DM-CNN_training_card"
"""Beginning of the name of a model card, before the name of the training."""


@dataclass(frozen=True)
class TrainingFolder:
    """Files of one training in a folder.

    Attributes:
        folder: ``output_directory`` of the training.
        name: name of the training; empty = none.
        card: its model card.
    """

    folder: Path
    name: str
    card: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path, name: str | None = None) -> TrainingFolder:
        """Open the training of a name, or the only one, in a folder.

        Raises:
            InputError: no such training, several ones and no name, or a card that cannot be read.
        """
        folder = Path(folder)
        known = {name_of_card(path): path for path in sorted(folder.glob(f"{CARD}*.json"))}
        if not known:
            raise InputError(
                f"{folder}: no {CARD}*.json: expected the output_directory of a training (where dmcnn was older, the "
                "same command of train writes it)"
            )
        if name is None and len(known) > 1:
            raise InputError(f"{folder}: holds several trainings, choose one: name={' or name='.join(known)}")
        chosen = next(iter(known)) if name is None else name
        if chosen not in known:
            raise InputError(
                f"{folder}: no training called {chosen!r}{nearest(chosen, known)}; there are {', '.join(known)}"
            )
        return cls(folder, chosen, _read(known[chosen]))

    def path(self, what: str, end: str) -> Path:
        """Return the path of a file of the training, such as ("metrics", ".csv")."""
        return self.folder / ("_".join(filter(None, [f"DM-CNN_training_{what}", self.name])) + end)

    def files(self) -> list[Path]:
        """Return all files of the training in the folder, but for reports."""
        others = [name_of_card(path) for path in self.folder.glob(f"{CARD}*.json")]
        longer = [f"_{name}" for name in others if len(name) > len(self.name) and name.endswith(self.name)]
        ends = tuple(f"_{self.name}{suffix}" if self.name else suffix for suffix in ("", "_best", "_last"))
        return [
            path
            for path in sorted(self.folder.glob("DM-CNN_[mt]*"))
            if path.is_file()
            and path.stem.startswith(("DM-CNN_model", "DM-CNN_training"))
            and path.stem.endswith(ends)
            and not path.stem.startswith("DM-CNN_training_report")
            and not any(path.stem.endswith(name + end) for name in longer for end in ("", "_best", "_last"))
        ]


def training_page(training: TrainingFolder) -> str:
    """Return the HTML of the page of a training; of one that goes on, what there is."""
    card = training.card
    title = " ".join(filter(None, ["Training", training.name or card["model"]["name"]]))
    state = "" if card["state"] == "finished" else "the training has not ended"
    subtitle = " · ".join(filter(None, [origin.common_text(card["origin"]), state]))
    return pages.report(
        title,
        {
            "Result": _result(card),
            "Training curves": _curves(training),
            "Test events": _scores(training),
            "Samples": [pages.table(["sample", "role", "events", "content"], sample_rows(card))],
            "Network": _network(card),
            "Data": _data(card),
            "Environment": [pages.facts(card["environment"])],
            "Settings": _settings(training),
            "Files": [
                pages.files({path.name: sha256(path) for path in training.files()}, "Files, by SHA-256")
            ],
        },
        subtitle,
    )


def _result(card: Mapping[str, Any]) -> Iterator[pages.Html]:
    """Yield remarks and the table of the result."""
    for remark in card["remarks"]:
        yield pages.paragraph(f"Remark: {remark}.")
    if card["metrics"]:
        yield pages.table(
            ["quantity", "value", "standard error", "95 % interval"],
            result_rows(card),
            "Result on the test events",
        )
        yield pages.paragraph(
            "Standard errors are those of a jackknife over groups of test events: they say how the numbers would "
            "scatter with other test events, and not how they would with other training events or seeds."
        )


def _curves(training: TrainingFolder) -> Iterator[pages.Html]:
    """Yield the figure of the metrics table."""
    path = training.path("metrics", ".csv")
    if not path.exists():
        return
    rows = table.read(path)
    if not len(rows):
        return
    columns = {name: rows.numbers(name) for name in rows.columns}
    panels = {
        title: {name: columns[column] for name, column in series.items() if column in columns}
        for title, series in training.card["curves"].items()
    }
    yield pages.figure(classification.training(columns["step"], panels), "Evaluations during the training")


def _scores(training: TrainingFolder) -> Iterator[pages.Html]:
    """Yield the figures of the scores, or residuals, of the test events."""
    path = training.path("test_scores", ".csv")
    if not path.exists():
        return
    yield from score_figures(training.card["model"], path)
    details = training.card.get("details", {})
    if "confusion" in details:
        matrix = np.array(details["confusion"])
        yield pages.figure(classification.confusion(matrix, details["classes"]), "True and predicted classes")


def score_figures(model: Mapping[str, Any], path: Path) -> Iterator[pages.Html]:
    """Yield the figures of a score table: ROC curves and scores, or residuals and pulls.

    Args:
        model: entry ``model`` of a model card.
        path: score table.
    """
    rows = table.read(path)
    yield from _residuals(model, rows) if model["task"] == "regression" else _classes(model, rows)


def _classes(model: Mapping[str, Any], rows: table.Table) -> Iterator[pages.Html]:
    """Yield ROC curves and histograms of the signal score, or of the score of each class against the others."""
    label = np.array(rows.column("label"))
    classes = [model["signal"]] if model["signal"] else model["outputs"]
    scores = {name: rows.numbers("signal_score" if model["signal"] else f"p_{name}") for name in classes}
    pairs = {
        name: (score[(label == name) & np.isfinite(score)], score[(label != name) & np.isfinite(score)])
        for name, score in scores.items()
    }
    if pairs := {name: pair for name, pair in pairs.items() if all(map(len, pair))}:
        yield pages.figure(
            classification.roc(
                {f"{name} against {_rest(model, name)}": pair for name, pair in pairs.items()}
            ),
            "ROC curves",
        )
    for name, score in scores.items():
        samples = {each: score[label == each] for each in model["outputs"] if (label == each).any()}
        yield pages.figure(classification.score_histogram(samples), f"Score of {name} by true class")


def _rest(model: Mapping[str, Any], name: str) -> str:
    """Return what a class is told apart from: the other one of two, else "the rest"."""
    others = [other for other in model["outputs"] if other != name]
    return others[0] if len(others) == 1 else "the rest"


def _residuals(model: Mapping[str, Any], rows: table.Table) -> Iterator[pages.Html]:
    """Yield histograms of residuals and pulls."""
    names = model["outputs"]
    estimate, truth, sigma = (
        np.stack([rows.numbers(f"{prefix}{name}") for name in names], axis=1)
        for prefix in ("", "true_", "sigma_")
    )
    good = np.isfinite(estimate + truth + sigma).all(axis=1)
    residual = (estimate - truth)[good]
    yield pages.figure(regression.residuals({"test": residual}, names, model["units"]), "Residuals")
    yield pages.figure(regression.pulls({"test": residual / sigma[good]}, names), "Pulls")


def _network(card: Mapping[str, Any]) -> Iterator[pages.Html]:
    """Yield architecture, training and weights."""
    yield pages.facts(
        {key: value for key, value in card["model"].items() if value is not None and key != "units"}
    )
    yield pages.facts(
        {
            **card["training"],
            **{f"weights: {key}": value for key, value in card.get("weights", {}).items()},
        }
    )


def _data(card: Mapping[str, Any]) -> Iterator[pages.Html]:
    """Yield the input files and the options of their reader."""
    yield pages.files(
        {each["file"]: each["fingerprint"] for each in card["files"]}, "Input files, by XXH3-128"
    )
    yield pages.facts({key: value for key, value in card["reading"].items() if value is not None})
    yield pages.table(
        ["sample", "fingerprint", "events"],
        [(name, each["fingerprint"], each["events"]) for name, each in card["data"].items()],
        "Samples as they were read",
    )


def _settings(training: TrainingFolder) -> Iterator[pages.Html]:
    """Yield the cfg of the training, with names of files in the place of absolute paths."""
    path = training.path("config", ".cfg")
    if path.exists():
        text = without_folders(path.read_text(encoding="utf-8", errors="replace"))
        yield pages.fold(path.name, [pages.preformatted(text)])


def name_of_card(path: Path) -> str:
    """Return the name of the training that a model card belongs to."""
    return path.stem.removeprefix(CARD).removeprefix("_")


def _read(path: Path) -> Mapping[str, Any]:
    """Return a model card; InputError if it is damaged."""
    fields = ["state", "model", "training", "samples", "data", "files", "origin", "reading", "metrics", "remarks",
              "environment", "curves"]  # fmt: skip
    return json_files.read(path, "the model card of a training", fields)
