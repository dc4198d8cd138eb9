"""Logistic regression: how well a few features separate two classes."""

from __future__ import annotations

import numpy as np


def scores(features: np.ndarray, label: np.ndarray, steps: int = 20) -> np.ndarray:
    """Return (n,) linear scores of (n, k) features, fitted by Newton's method to the labels of the first half."""
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    inputs = np.column_stack([scaled, np.ones(len(scaled))])
    half, weight = len(label) // 2, np.zeros(inputs.shape[1])
    for _ in range(steps):
        guess = 1 / (1 + np.exp(-inputs[:half] @ weight))
        slope = inputs[:half].T @ (label[:half] - guess)
        bend = (inputs[:half] * (guess * (1 - guess))[:, None]).T @ inputs[:half]
        weight += np.linalg.solve(bend + 1e-6 * np.eye(len(weight)), slope)
    return inputs @ weight
