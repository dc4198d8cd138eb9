"""Page of a cross-validation: out-of-fold scores of all events, and the spread over the folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmcnn._common import json_files
from dmcnn.formats import origin
from dmcnn.metrics.distributions import format_estimate
from dmcnn.pages import report as pages
from dmcnn.reports.training import CARD, TrainingFolder, name_of_card, score_figures


def only_folds(folder: str | Path) -> str | None:
    """Return the name of the cross-validation whose folds are all trainings of a folder; None if there is none."""
    begin = _path(Path(folder), "").stem
    names = [path.stem.removeprefix(begin).removeprefix("_") for path in Path(folder).glob(f"{begin}*.json")]
    trainings = [name_of_card(path) for path in Path(folder).glob(f"{CARD}*.json")]
    if len(names) == 1 and all(name.startswith(f"{names[0]}_fold".lstrip("_")) for name in trainings):
        return names[0]
    return None


def has_folds(folder: str | Path, name: str | None) -> bool:
    """Return whether a folder holds the result of a cross-validation of this name."""
    return _path(Path(folder), name or "").exists()


def folds_page(folder: str | Path, name: str) -> str:
    """Return the HTML of the page of a cross-validation.

    Raises:
        InputError: a file of it that is missing or damaged.
    """
    path = _path(Path(folder), name)
    result = _read(path)
    count = result["folds"]
    names = [f"{name}_fold{number}of{count}".lstrip("_") for number in range(count)]
    folds = [TrainingFolder.open(folder, each) for each in names]
    scores = path.with_name(path.name.replace("training_folds", "training_out_of_fold_scores")).with_suffix(
        ".csv"
    )
    rows = [
        (key, format_estimate(about["mean"], about["spread"]), *about["values"])
        for key, about in result["spread"].items()
        if all(value is not None and value == value for value in about["values"])
    ]
    return pages.report(
        " ".join(filter(None, ["Cross-validation", name])),
        {
            "Result": [
                *(pages.paragraph(f"Remark: {remark}.") for remark in result["remarks"]),
                pages.numbers(result["out_of_fold"], "All events, each by the network that did not see it"),
            ],
            "Out-of-fold scores": score_figures(folds[0].card["model"], scores) if scores.exists() else [],
            "Folds": [
                pages.fold(
                    f"Every number, as mean ± standard deviation and of each of {count} folds",
                    [pages.table(["number", "mean ± spread", *map(str, range(count))], rows)],
                ),
                pages.paragraph(f"Each fold has a page of its own: name={names[0]}, …"),
            ],
        },
        origin.common_text(folds[0].card["origin"]),
    )


def _path(folder: Path, name: str) -> Path:
    """Return the path of the numbers of a cross-validation."""
    return folder / ("_".join(filter(None, ["DM-CNN_training_folds", name])) + ".json")


def _read(path: Path) -> Mapping[str, Any]:
    """Return the numbers of a cross-validation; InputError if they are damaged."""
    return json_files.read(
        path, "the result of a cross-validation", ["folds", "out_of_fold", "spread", "remarks"]
    )
