"""Inputs of a limit: histograms and covariances as a ROOT file, and a workspace of pyhf for each signal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot
from numpy.typing import NDArray

from dmcnn._common import json_files
from dmcnn._common.files import atomic_file

if TYPE_CHECKING:
    from dmcnn.evaluation.prediction import Observation, Prediction
    from dmcnn.evaluation.systematics import UncertaintySource

Floats = NDArray[np.float64]

KEPT = 0.99
"""Share of the variance by universes that correlated nuisance parameters describe; the rest is uncorrelated."""

VERSION = "1.0.0"
"""Version of the schema of pyhf's workspaces."""


def files(prediction: Prediction, observed: Observation) -> dict[str, Callable[[Path], None]]:
    """Return the function that writes each file, by the ending of its name."""
    every: dict[str, Callable[[Path], None]] = {"stack.root": partial(write_root, prediction, observed)}
    for name in prediction.signals:
        ending = "workspace.json" if len(prediction.signals) == 1 else f"workspace_{_file_word(name)}.json"
        every[ending] = partial(json_files.write, content=workspace(prediction, observed, name))
    return every


def write_root(prediction: Prediction, observed: Observation, path: Path) -> None:
    """Write a TH1D with the sums of squared weights per sample, the data, and a TH2D per covariance.

    Data of which bins stay hidden are not in the file, since an empty bin would read as no event. The axes of the
    covariances count bins, from 0 = below the range.
    """
    with atomic_file(path) as temporary, uproot.recreate(temporary) as file:
        for name in prediction.samples:
            file[f"samples/{_file_word(name)}"] = prediction.histograms[name]
        if observed.is_whole:
            counts = prediction.histograms[prediction.background[0]].copy()
            counts.view(flow=True).value = counts.view(flow=True).variance = observed.counts
            file["data"] = counts
        numbers = np.arange(prediction.axis.size + 3) - 0.5
        for name, matrix in prediction.covariances.items():
            file[f"covariance/{_file_word(name)}"] = (matrix, numbers, numbers)


def _file_word(name: str) -> str:
    """Return a name without what a path or a name in ROOT may not hold."""
    return re.sub(r"[^\w.+-]+", "_", name)


def workspace(prediction: Prediction, observed: Observation, signal: str) -> dict[str, Any]:
    """Return the workspace of pyhf for the strength ``mu`` of a signal over the stack.

    Bins in which nothing is expected are left out. Statistical errors are ``staterror``; a normalisation is a
    ``normsys`` of 1 + f and 1 / (1 + f); a detector variation is a ``histosys``. Universes are one ``histosys`` per
    eigenvector of their covariance over all samples and bins, as many as KEPT of the variance needs; the rest
    is added to the statistical errors. Without data, or if bins stay hidden, the observations are the expectation.

    Args:
        prediction: stack and signals.
        observed: data.
        signal: name of the signal.
    """
    names = [signal, *prediction.background]
    places = prediction.places(names)
    used = np.flatnonzero((prediction.total(names) > 0) & (prediction.total() >= 0))
    values = np.array([prediction.values(name)[used] for name in names])
    variances = np.array([prediction.variances(name)[used] for name in names])
    modifiers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for source in prediction.sources:
        variances += _add_source(modifiers, source, source.deviations[:, places][:, :, used], values)
    for name, variance in zip(names, variances, strict=True):
        word = (
            "stat_signal" if name == signal else "stat"
        )  # a share of the signal does not dilute the background's
        modifiers[name].append({"name": word, "type": "staterror", "data": np.sqrt(variance).tolist()})
    modifiers[signal].append({"name": "mu", "type": "normfactor", "data": None})
    counts = np.asarray(observed.counts)[used] if observed.is_whole else values[1:].sum(axis=0)
    samples = [
        {"name": name, "data": value.tolist(), "modifiers": modifiers[name]}
        for name, value in zip(names, values, strict=True)
    ]
    config = {"poi": "mu", "parameters": [_strength(values, variances)]}
    return {
        "channels": [{"name": "stack", "samples": samples}],
        "observations": [{"name": "stack", "data": counts.tolist()}],
        "measurements": [{"name": "limit", "config": config}],
        "version": VERSION,
    }


def _strength(values: Floats, variances: Floats) -> dict[str, Any]:
    """Return start and bounds of the signal strength: 20 standard deviations, at least 10."""
    signal, background = values[0], values[1:].sum(axis=0) + variances[1:].sum(axis=0)
    seen = (signal > 0) & (background > 0)
    precision = float(np.sum(signal[seen] ** 2 / background[seen]))
    highest = max(10.0, 20 / np.sqrt(precision)) if precision else 10.0
    return {"name": "mu", "inits": [1.0], "bounds": [[0.0, float(f"{highest:.2g}")]]}


def _add_source(
    modifiers: Mapping[str, list[dict[str, Any]]], source: UncertaintySource, shifts: Floats, values: Floats
) -> Floats:
    """Append the modifiers of a source to those of every sample; return the (s, b) variance that none describes.

    Args:
        modifiers: modifiers of s samples.
        source: source of uncertainty.
        shifts: (k, s, b) deviations.
        values: (s, b) expectation.
    """
    if source.kind == "normalisation":
        for name, own in modifiers.items():
            if share := source.about["samples"].get(name):
                data = {"hi": 1 + share, "lo": 1 / (1 + share)}
                own.append({"name": source.name, "type": "normsys", "data": data})
        return np.zeros_like(values)
    flat = shifts.reshape(len(shifts), -1)
    _, size, directions = np.linalg.svd(flat, full_matrices=False)
    variance = np.cumsum(size**2)
    count = 0 if not variance[-1] else int(np.searchsorted(variance, KEPT * variance[-1])) + 1
    vectors = (size[:count, None] * directions[:count]).reshape(count, *values.shape)
    for nth, vector in enumerate(vectors * np.where(vectors.sum(axis=(1, 2)) < 0, -1, 1)[:, None, None]):
        for own, value, shift in zip(modifiers.values(), values, vector, strict=True):
            if shift.any():
                data = {"hi_data": _positive(value + shift), "lo_data": _positive(value - shift)}
                word = source.name if count == 1 else f"{source.name}_{nth + 1}"
                own.append({"name": word, "type": "histosys", "data": data})
    rest = (flat**2).sum(axis=0).reshape(values.shape) - (vectors**2).sum(axis=0)
    return np.asarray(np.maximum(rest, 0.0))


def _positive(values: Floats) -> list[float]:
    """Return expected events, at least 0."""
    return [float(value) for value in np.maximum(values, 0.0)]
