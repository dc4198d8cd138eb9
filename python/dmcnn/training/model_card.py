"""Model card of a training in JSON and Markdown: architecture, data, roles of the samples, metrics with errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn._common import json_files
from dmcnn._common.environment import without_folders
from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file, sha256
from dmcnn.images.sparse import SparseImages
from dmcnn.inference.score_table import score_table
from dmcnn.metrics import classification
from dmcnn.reports.model_card import markdown
from dmcnn.tasks import Result, Task
from dmcnn.tasks.classification import ClassificationResult
from dmcnn.training.parts import NAMES

if TYPE_CHECKING:
    from dmcnn.training.session import Run

GROUPS = 20
"""Groups of events of the jackknife that gives the standard errors."""

ROLES = {
    "training": "fit the weights",
    "validation": "choose the weights",
    "test": "judge the chosen weights, once",
}
TEST_CHOOSES = "choose the weights and judge them, so that the result is too good on average"


def model_card(run: Run, images: Mapping[str, SparseImages], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the model card of a training that begins: all but what is known at its end.

    Args:
        run: training.
        images: labelled images by part.
        files: fingerprint of every input file by its path; only names are published.
    """
    card, task = run.card, run.task
    numbers = {column: float(place) for place, column in enumerate(task.metrics)}
    curves = task.panels({column: [number] for column, number in numbers.items()})
    return {
        "name": run.files.name,
        "state": "training",
        "model": {
            "name": card.model,
            "arguments": card.arguments,
            "parameters": sum(each.numel() for each in run.net.parameters()),
            "trainable": sum(each.numel() for each in run.net.parameters() if each.requires_grad),
            "task": card.task,
            "outputs": task.names,
            "units": [task.unit(name) or "" for name in task.names],
            "signal": card.signal,
            "activation": card.activation,
            "scaling": card.scaling,
        },
        "training": {
            "loss": card.loss,
            "seed": card.seed,
            "steps": run.total,
            "steps_per_epoch": run.steps_per_epoch,
            **({"start": card.start} if card.start else {}),
        },
        "samples": {
            NAMES[part]: {
                "role": TEST_CHOOSES if (part, task.part) == ("test", "test") else ROLES[NAMES[part]],
                "events": len(batch),
                "content": "" if batch.label is None else task.about(batch.label),
            }
            for part, batch in images.items()
        },
        "data": card.data,
        "files": [{"file": Path(path).name, "fingerprint": digest} for path, digest in files.items()],
        "origin": card.origin,
        "reading": json.loads(without_folders(json.dumps(card.reading, default=str))),
        "metrics": {},
        "remarks": card.remarks,
        "environment": card.environment,
        "curves": {
            title: {name: list(numbers)[int(place)] for name, (place,) in series.items()}
            for title, series in curves.items()
        },
        "settings": _values(without_folders(card.cfg)),
    }


def with_result(
    card: dict[str, Any],
    run: Run,
    step: int,
    result: Result,
    errors: Mapping[str, float],
    evaluation: Mapping[str, float],
    baseline: Any,
) -> dict[str, Any]:
    """Return a model card with the result on the test events, its errors, and the file of the weights.

    Args:
        card: model card of the beginning.
        run: training that has ended.
        step: step after which the weights are those of the result.
        result: result on the test events.
        errors: standard errors of its numbers, see ``standard_errors``.
        evaluation: numbers of these weights on all validation events; empty without such events.
        baseline: fields of the baseline without a network; None = there is none.
    """
    metrics: dict[str, dict[str, float]] = {}
    for name, value in result.numbers.items():
        base, _, limit = name.rpartition("_")
        if limit in ("low", "high") and base in metrics:
            metrics[base][limit] = value
        elif name != "events":
            metrics[name] = {"value": value} | ({"error": errors[name]} if name in errors else {})
    if isinstance(result, ClassificationResult):
        metrics |= _accuracies(result, metrics["accuracy"])
    weights = run.files.best if run.save_every_step else None
    return {
        **card,
        "state": "finished",
        "training": {**card["training"], "chosen_step": step},
        "metrics": metrics,
        "evaluation": dict(evaluation),
        "details": run.task.summary(result),
        **({"baseline": baseline} if baseline else {}),
        **({"weights": {"file": weights.name, "sha256": sha256(weights)}} if weights else {}),
    }


def _accuracies(result: ClassificationResult, overall: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the accuracy of all events and of each class with Wilson's 95 % intervals."""
    matrix = np.array(result.confusion)
    every, right = classification.accuracy(matrix), classification.class_accuracy(matrix)
    each = zip(result.classes, right.value, right.low, right.high, strict=True)
    return {
        "accuracy": {**overall, "low": float(every.low), "high": float(every.high)},
        **{
            f"accuracy_{name}": {"value": float(value), "low": float(low), "high": float(high)}
            for name, value, low, high in each
        },
    }


def standard_errors(
    task: Task, net: nn.Module, outputs: NDArray[np.float64], images: SparseImages
) -> dict[str, float]:
    """Return the standard error of every number of an evaluation, by a jackknife that leaves out groups of events.

    The groups are drawn at random from a fixed seed: GROUPS of them, or one per event if there are fewer events.

    Args:
        task: task of the network.
        net: network, of which only the weights are used.
        outputs: (n, m) outputs.
        images: n labelled images.
    """
    n, groups = len(images), min(GROUPS, len(images))
    if groups < 2:
        return {}
    nothing = np.zeros(0)  # pixels need not be copied for every group
    bare = replace(
        images,
        offsets=np.zeros(n + 1, np.int64),
        index=nothing.astype(np.int32),
        value=nothing.astype(np.float32),
    )
    group = np.random.default_rng(1).permutation(n) % groups
    numbers = [task.evaluate(net, outputs[group != g], bare.take(group != g)).numbers for g in range(groups)]
    values = {name: np.array([each[name] for each in numbers]) for name in numbers[0]}
    return {
        name: float(np.sqrt((groups - 1) * value.var()))
        for name, value in values.items()
        if name not in ("events", "pixel_auc")
    }


def write_scores(
    path: Path, task: Task, outputs: NDArray[np.float64], images: SparseImages, files: Sequence[str]
) -> None:
    """Write the score table of a part of a training, which ``evaluate`` reads.

    Args:
        path: CSV file.
        task: task of the network.
        outputs: (n, m) outputs.
        images: n labelled images.
        files: names of the files that the events count through.
    """
    sizes = np.stack(
        [images.n_pixels, task.cluster_sizes(images.n_pixels, lambda: images.cluster_sizes)], axis=1
    )
    names = [files[number] if number < len(files) else None for number in images.events["file"]]
    truth = task.truth_of_labels(images.label, len(images))
    score_table(task, images.events, names, np.hstack([outputs, sizes]), truth).write(path)


def write_card(stem: Path, card: Mapping[str, Any]) -> None:
    """Write a model card as ``<stem>.md`` and ``<stem>.json``; a number that is not finite becomes null."""
    plain = json_files.finite(card, default=str)
    with atomic_file(stem.with_name(stem.name + ".md")) as temporary:
        temporary.write_text(markdown(plain) + "\n", encoding="utf-8")
    json_files.write(stem.with_name(stem.name + ".json"), plain)  # last: it tells that the training has ended


def is_finished(stem: Path) -> bool:
    """Return whether the model card ``<stem>.json`` is that of a training that has ended."""
    try:
        card = json_files.read(stem.with_name(f"{stem.name}.json"), "a model card", ())
    except InputError:
        return False
    return card.get("state") != "training"


def _values(cfg: str) -> dict[str, str]:
    """Return the text of every value of a cfg by key."""
    pairs = (line.partition(" = ") for line in cfg.splitlines() if not line.startswith("#"))
    return {key: value for key, equals, value in pairs if equals}
