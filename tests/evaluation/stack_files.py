"""Score tables of a small stack, its data and its systematic uncertainties, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dmcnn.evaluation import EvaluationResult, stack
from dmcnn.evaluation.stack_samples import Variable
from evaluation.score_files import write

EDGES = np.linspace(0, 1, 11)


def scores(seed: int, count: int, peak: float) -> Any:
    """Return scores between 0 and 1 that pile up near ``peak``."""
    random = np.random.default_rng(seed)
    return np.round(random.beta(1 + 4 * peak, 5 - 4 * peak, count), 6)


def samples(folder: Path) -> dict[str, list[str]]:
    """Write the tables of three samples of a stack, of a signal and of data; return their paths by name."""
    shape = {"off": (1, 300, 0.1), "dirt": (2, 200, 0.2), "nu": (3, 400, 0.4), "signal": (4, 250, 0.9)}
    paths = {name: [write(folder / f"{name}.csv", scores(*about))] for name, about in shape.items()}
    data = np.concatenate([scores(11, 150, 0.1), scores(12, 60, 0.2), scores(13, 100, 0.4)])
    return paths | {"data": [write(folder / "data.csv", data)]}


SCALE = {"off": 0.5, "dirt": 0.3, "nu": 0.25, "signal": 0.02}


def judge(paths: dict[str, list[str]], drawn: bool = False, **options: Any) -> EvaluationResult:
    """Compare the data with the stack of the samples; without figures unless ``drawn``."""
    scale = {name: SCALE[name] for name in paths if name in SCALE}
    given: dict[str, Any] = {"variable": Variable(), "bins": 10, "scale": scale} | options
    names = [name for name in paths if name not in ("data", "signal")]
    signal = {"signal": paths["signal"]} if "signal" in paths else {}
    figures = stack._figures if drawn else lambda *_: {}
    with mock.patch.object(stack, "_figures", figures):
        return stack.judge({name: paths[name] for name in names}, paths.get("data", []), signal, **given)


def values(paths: list[str]) -> Any:
    """Return the scores of a table."""
    return np.genfromtxt(paths[0], delimiter=",", names=True)["signal_score"]
