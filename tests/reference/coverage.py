"""Coverage of confidence intervals of the AUC by experiments: ``python tests/reference/coverage.py`` gives tables.

Widths are compared with a reference, the largest of three that each know what an analysis does not:
- Newcombe's score interval with the variance of Hanley and McNeil (R. Newcombe, Stat. Med. 25 (2006) 559, method 5),
  which knows the kind of distribution;
- 2 x 1.96 true standard deviations of the AUC;
- half of 1 - 0.025^(1/n) (Clopper and Pearson): n events of the smaller class cannot tell that such a share of their
  class looks like the other one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from dmcnn.metrics.auc_limits import Placements, interval

AUCS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
SIZES = ((20, 20), (20, 2000), (200, 200))
SHAPES = ("equal", "wide", "narrow", "student3", "cauchy", "mixture")
"""Gaussians of equal width; a signal three times as wide, and as narrow; Student's t with 3 and 1 degrees of freedom;
a signal far from the background, of which a share looks like background."""

Draw = Callable[[np.random.Generator, tuple[int, int], tuple[int, int]], tuple[np.ndarray, np.ndarray]]


def sampler(shape: str, auc: float) -> Draw:
    """Return a function of a generator and two shapes of arrays that draws signal and background scores."""
    if shape in ("student3", "cauchy"):
        degrees = 3 if shape == "student3" else 1
        shift = _student_shift(degrees, auc)
        return lambda random, m, n: (random.standard_t(degrees, m) + shift, random.standard_t(degrees, n))
    if shape == "mixture":
        far = stats.norm.cdf(5 / np.sqrt(2))
        share = max((far - auc) / (far - 0.5), 0.0)
        return lambda random, m, n: (
            np.where(random.random(m) < share, 0, 5) + random.normal(size=m),
            random.normal(size=n),
        )
    width = {"equal": 1.0, "wide": 3.0, "narrow": 1 / 3}[shape]
    mean = stats.norm.ppf(auc) * np.hypot(1, width)
    return lambda random, m, n: (random.normal(mean, width, m), random.normal(size=n))


def _student_shift(degrees: float, auc: float) -> float:
    """Return the distance of two of Student's distributions with an AUC."""
    background = special.stdtrit(degrees, (np.arange(40000) + 0.5) / 40000)
    return float(
        optimize.brentq(lambda x: special.stdtr(degrees, x + background).mean() - auc, -1, 1e5, xtol=1e-9)
    )


def placements(signal: np.ndarray, background: np.ndarray) -> Placements:
    """Return the placements of (e, m) signal and (e, n) background scores without ties, e samples at once."""
    m, n = signal.shape[1], background.shape[1]
    order = np.argsort(np.concatenate([signal, background], axis=1), axis=1)
    is_signal = order < m
    signals, backgrounds = np.cumsum(is_signal, axis=1), np.cumsum(~is_signal, axis=1)
    won, lost = backgrounds[is_signal].reshape(-1, m) / n, (m - signals)[~is_signal].reshape(-1, n) / m
    area = won.mean(axis=1)
    scatter = [((values - area[:, None]) ** 2).sum(axis=1) for values in (won, lost)]
    return Placements(area, np.broadcast_to([[m], [n]], (2, len(area))), np.array(scatter))


def newcombe_width(area: float, m: int, n: int, z: float = 1.959964) -> float:
    """Return the width of Newcombe's interval."""
    half = (m + n) / 2 - 1

    def outside(t: float) -> float:
        return (t - area) ** 2 - z**2 * t * (1 - t) / (m * n) * (
            1 + half * (1 - t) / (2 - t) + half * t / (1 + t)
        )

    low = optimize.brentq(outside, 0, area - 1e-9) if outside(0) > 0 else 0.0
    high = optimize.brentq(outside, area + 1e-9, 1) if outside(1) > 0 else 1.0
    return high - low


@dataclass(frozen=True)
class Cell:
    """Result of the experiments of one cell: coverage, median width, Newcombe's width, and the reference's."""

    coverage: float
    width: float
    newcombe: float
    reference: float


def measure(shape: str, m: int, n: int, auc: float, experiments: int = 2000, seed: int = 1) -> Cell:
    """Run the experiments of one cell with 95 % intervals."""
    random = np.random.default_rng([seed, SHAPES.index(shape), m, n, round(1000 * auc)])
    found = interval(placements(*sampler(shape, auc)(random, (experiments, m), (experiments, n))), 0.95)
    newcombe = newcombe_width(float(np.median(found.value)), m, n)
    unseen = (1 - 0.025 ** (1 / min(m, n))) / 2
    return Cell(
        float(((found.low <= auc) & (auc <= found.high)).mean()),
        float(np.median(found.high - found.low)),
        newcombe,
        max(newcombe, unseen, 2 * 1.96 * float(found.value.std())),
    )


if __name__ == "__main__":
    for m, n in SIZES:
        sys.stdout.write(
            f"\n{m} + {n} events\n\n| AUC | {' | '.join(SHAPES)} |\n|{'---|' * (len(SHAPES) + 1)}\n"
        )
        for auc in AUCS:
            cells = [measure(shape, m, n, auc) for shape in SHAPES]
            texts = [
                f"{100 * one.coverage:.1f} · {one.width / one.reference:.2f} ({one.width / one.newcombe:.2f})"
                for one in cells
            ]
            sys.stdout.write(f"| {auc} | {' | '.join(texts)} |\n")
