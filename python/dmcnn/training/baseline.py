"""Baseline of a classification: what sums of charge tell without a network, fitted on the same training events.

The sums of an image are its charge and number of active pixels, and the charge in central boxes of half, a quarter
and an eighth of its height and width, where a window is centred on the vertex. Logistic regression and boosted trees
are fitted to them; the one with the higher AUC in a cross-validation on the training events is the baseline.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn.images.sparse import SparseImages
from dmcnn.metrics import classification

log = logging.getLogger("dmcnn")

BOXES = (2, 4, 8)
"""Parts of height and width that the central boxes span."""

NAMES = ("charge", "active pixels", *(f"charge in the central 1/{part}" for part in BOXES))

MOST = 20_000
"""Largest number of training events of the fit; of more, evenly spaced ones are taken."""

FOLDS = 5
"""Parts of the cross-validation that chooses the model."""


@dataclass(frozen=True)
class Baseline:
    """Baseline with its AUC on the test events.

    Attributes:
        model: "logistic regression" or "boosted trees".
        auc, auc_low, auc_high: AUC on the test events with its 95 % interval.
        events: number of training events of the fit.
    """

    model: str
    auc: float
    auc_low: float
    auc_high: float
    events: int

    def line(self) -> str:
        """Return a log line."""
        return (
            f"baseline without a network: {self.model} on {len(NAMES)} sums of charge, fitted to {self.events} "
            f"training events: AUC {self.auc:.4f} [{self.auc_low:.4f}, {self.auc_high:.4f}] on the test events"
        )


def sums(images: SparseImages) -> NDArray[np.float64]:
    """Return the (n, 5) sums NAMES of n images, over all channels."""
    _, height, width = images.shape
    n, image = len(images), np.repeat(np.arange(len(images)), images.n_pixels)
    row, column = np.divmod(images.index % (height * width), width)
    off_row, off_column = np.abs(2 * row + 1 - height), np.abs(2 * column + 1 - width)
    columns = [np.bincount(image, images.value, n), images.n_pixels]
    for part in BOXES:
        inside = (off_row * part < height) & (off_column * part < width)
        columns.append(np.bincount(image[inside], images.value[inside], n))
    return np.stack(columns, axis=1).astype(np.float64)


def measure(train: SparseImages, test: SparseImages, signal: int, seed: int = 1) -> Baseline | None:
    """Fit the baseline to labelled training images and judge it on labelled test images.

    Args:
        train, test: images with class numbers as labels.
        signal: class number of the signal.
        seed: of the cross-validation.

    Returns:
        None if a part has too few events of signal or of background.

    Raises:
        InputError: scikit-learn is not installed.
    """
    selection = need("sklearn.model_selection")
    chosen = np.unique(np.linspace(0, len(train) - 1, min(len(train), MOST)).round().astype(np.int64))
    is_signal, true = (np.asarray(labels) == signal for labels in (train.label[chosen], test.label))  # type: ignore[index]
    if min(is_signal.sum(), (~is_signal).sum()) < FOLDS or true.all() or not true.any():
        return None
    values = sums(train.take(chosen) if len(chosen) < len(train) else train)
    folds = selection.StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    areas = {
        name: classification.auc(labels=is_signal, scores=_scores(selection, model, values, is_signal, folds))
        for name, model in _models(seed).items()
    }
    best = max(areas, key=lambda name: areas[name])
    fitted = _models(seed)[best].fit(values, is_signal)
    area = classification.auc_interval(labels=true, scores=fitted.predict_proba(sums(test))[:, 1])
    return Baseline(best, float(area.value), float(area.low), float(area.high), len(chosen))


def report(train: SparseImages, test: SparseImages, signal: int) -> Baseline | None:
    """Return the baseline and log it, or log what is missing."""
    try:
        baseline = measure(train, test, signal)
    except InputError as error:
        log.info("no baseline without a network: %s", error)
        return None
    log.info(
        "%s", baseline.line() if baseline else "no baseline without a network: too few events of a class"
    )
    return baseline


def _models(seed: int) -> dict[str, Any]:
    """Return the models by name, not fitted."""
    ensemble, linear = need("sklearn.ensemble"), need("sklearn.linear_model")
    pipeline, preprocessing = need("sklearn.pipeline"), need("sklearn.preprocessing")
    scaled = (
        preprocessing.FunctionTransformer(_log), preprocessing.StandardScaler(),
        linear.LogisticRegression(max_iter=1000),
    )  # fmt: skip
    return {
        "logistic regression": pipeline.make_pipeline(*scaled),
        "boosted trees": ensemble.HistGradientBoostingClassifier(
            max_leaf_nodes=8, learning_rate=0.05, random_state=seed, early_stopping=False
        ),
    }


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of sums that span decades."""
    return np.asarray(np.log1p(np.maximum(values, 0)))


def _scores(selection: Any, model: Any, values: Any, is_signal: Any, folds: Any) -> NDArray[np.float64]:
    """Return the signal scores of the training events, each by a model that has not seen it."""
    scores = selection.cross_val_predict(model, values, is_signal, cv=folds, method="predict_proba")
    return np.asarray(scores[:, 1])
