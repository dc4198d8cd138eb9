"""The table of what a network found in every entry of a file: scores of classes, or estimates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.sparse import UNSET
from dmcnn.inference.predictor import Trained
from dmcnn.metrics import gaussian
from dmcnn.tables import join, table


def of_classes(
    trained: Trained,
    dataset: Dataset,
    logits: NDArray[np.float64],
    n_pixels: NDArray[np.int64],
    labels: Sequence[str | None],
    status: str,
) -> table.Table:
    """One row per entry, in file order, with the scores of its classes; what does not exist is empty.

    Args:
        logits: (n, classes); NaN where an entry holds no image.
        n_pixels: (n,) active pixels.
        labels: (n,) true classes.
        status: of entries with an image.
    """
    scores = trained.scores(logits)
    return table.Table.from_columns(
        {
            **_ids(dataset),
            **({"signal_score": scores[:, trained.signal]} if trained.has_signal else {}),
            "entry_number": dataset.events["entry"],
            "n_pixels": n_pixels,
            "file": _files(dataset),
            **_classes(trained, scores),
            **{f"logit_{name}": logits[:, i] for i, name in enumerate(trained.card.classes)},
            "label": labels,
            "status": _status(logits, status),
        }
    )


def of_estimates(
    trained: Trained,
    dataset: Dataset,
    outputs: NDArray[np.float64],
    pixels: NDArray[np.int64],
    status: str,
) -> table.Table:
    """One row per entry, in file order: means, uncertainties and correlations in the units of the targets.

    Args:
        outputs: (n, m); NaN where an entry holds no image.
        pixels: (n, 2) active pixels of all time slices together, and pixels that are active in any of them.
        status: of entries with an image.
    """
    names, scales = trained.card.targets, np.array(trained.card.target_scales)
    mean, factor = trained.estimates(outputs)
    sigma, correlation = gaussian.sigma(factor), gaussian.correlation(factor)
    truth = truth_of(trained, dataset)
    per_unit = gaussian.nll(mean - truth, factor)
    pairs = list(combinations(range(len(names)), 2))
    return table.Table.from_columns(
        {
            **_ids(dataset),
            "entry_number": dataset.events["entry"],
            "n_pixels": pixels[:, 0],
            "cluster_size": pixels[:, 1],
            "file": _files(dataset),
            **{name: mean[:, i] for i, name in enumerate(names)},
            **{f"sigma_{name}": sigma[:, i] for i, name in enumerate(names)},
            **{f"corr_{names[i]}_{names[j]}": correlation[:, i, j] for i, j in pairs},
            **{f"true_{name}": truth[:, i] for i, name in enumerate(names)},
            "nll": per_unit - np.log(scales).sum(),  # of the scaled targets, as training counts
            "status": _status(outputs, status),
        }
    )


def truth_of(trained: Trained, dataset: Dataset) -> NDArray[np.float64]:
    """(n, k) true targets in their units; NaN if the files do not hold them."""
    try:
        return dataset.stored_targets(trained.card.targets)
    except InputError:
        return np.full((len(dataset), len(trained.card.targets)), np.nan)


def _ids(dataset: Dataset) -> dict[str, list[int | None]]:
    return {
        f"{name}_number": [None if i == UNSET else int(i) for i in dataset.events[name]]
        for name in ("run", "subrun", "event")
    }


def _files(dataset: Dataset) -> list[str]:
    """Where every entry comes from."""
    path = dataset.files[0]
    return (
        [str(path)] * len(dataset) if dataset.names is None else [str(path / name) for name in dataset.names]
    )


def _classes(trained: Trained, scores: NDArray[np.float64]) -> dict[str, Any]:
    """The class of the highest score and the scores of all, where one signal score does not tell everything."""
    names = trained.card.classes
    if trained.has_signal and len(names) == 2:
        return {}
    best = np.where(np.isnan(scores), -1.0, scores).argmax(axis=1)
    predicted = [None if np.isnan(row[0]) else names[i] for row, i in zip(scores, best, strict=True)]
    return {"predicted": predicted, **{f"p_{name}": scores[:, i] for i, name in enumerate(names)}}


def _status(outputs: NDArray[np.float64], status: str) -> NDArray[np.str_]:
    return np.where(np.isnan(outputs[:, 0]), join.NO_IMAGE, status)
