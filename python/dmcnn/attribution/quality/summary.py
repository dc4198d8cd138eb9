"""Summary of the quality table: means over events per method and measure, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmcnn._common.errors import InputError
from dmcnn.attribution.quality.deletion import RANDOM
from dmcnn.attribution.quality.table import IDS, MEASURES, Measure
from dmcnn.metrics.classification import Interval, wilson

Floats = NDArray[np.float64]
Key = tuple[Any, ...]


def summary(
    rows: Sequence[Mapping[str, Any]], *, level: float = 0.95, n_resamples: int = 2000, seed: int = 1
) -> list[dict[str, Any]]:
    """Return one row per method and measure, over all events (and targets) that have such a number.

    A row holds which direction is ``better``, ``n`` events, ``mean`` with its ``standard_error`` and bootstrap
    interval ``low`` to ``high``, and ``median``. Where random maps are a floor, it holds also, over the ``n_pairs``
    events in which both have a number, the mean ``difference`` to the random maps of the same event with its
    bootstrap interval, and in how many the map is better than they are: ``n_better``, and ``better_share`` with
    Wilson's interval. What does not exist is None or NaN: an empty cell.

    Args:
        rows: from ``quality.judge``, of any number of events.
        level: confidence level of the intervals.
        n_resamples, seed: of the bootstrap.

    Raises:
        InputError: two rows of one method are about the same event and target.
    """
    of: dict[str, dict[Key, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        event = *(row.get(name) for name in IDS), row["target"], row["target_kind"]
        if event in of[row["method"]]:
            raise InputError(
                f"two rows of method {row['method']!r} for the event {dict(zip(IDS, event, strict=False))}"
            )
        of[row["method"]][event] = row
    random = of.get(RANDOM, {})
    options = {"level": level, "n_resamples": n_resamples, "seed": seed}
    return [
        {"method": method, "measure": measure.name, "better": measure.better}
        | _alone(_finite(mine, measure), **options)
        | (_against(measure, mine, random, **options) if measure.floor and method != RANDOM else UNPAIRED)
        for method, mine in of.items()
        for measure in MEASURES
    ]


UNPAIRED = dict.fromkeys(
    ("n_pairs", "difference", "difference_low", "difference_high",
     "n_better", "better_share", "better_share_low", "better_share_high")
)  # fmt: skip
"""Columns of a row without a comparison with random maps."""


def bootstrap(values: ArrayLike, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 1) -> Interval:
    """Compute the mean of (n,) values and its bias-corrected and accelerated bootstrap interval.

    B. Efron, "Better bootstrap confidence intervals", J. Am. Stat. Assoc. 82 (1987) 171. One value tells nothing of
    the spread: its limits are NaN.
    """
    x = np.asarray(values, np.float64)
    mean = np.asarray(x.mean() if len(x) else np.nan)
    if len(x) < 2 or not np.ptp(x) > 0:
        limit = mean if len(x) > 1 else np.asarray(np.nan)
        return Interval(mean, limit, limit)
    means = np.sort(_resampled(x, n_resamples, seed))
    # Half of the ties counts as below: a few values have few different means.
    below = (means < mean).mean() / 2 + (means <= mean).mean() / 2
    unit = NormalDist()
    bias = unit.inv_cdf(float(np.clip(below, 0.5 / n_resamples, 1 - 0.5 / n_resamples)))
    off = x - mean  # (n - 1) times how far each jackknife mean falls below their mean
    acceleration = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    z = [bias + unit.inv_cdf((1 + side * level) / 2) for side in (-1, 1)]
    low, high = np.quantile(means, [unit.cdf(bias + one / (1 - acceleration * one)) for one in z])
    return Interval(mean, np.asarray(low), np.asarray(high))


def _resampled(x: Floats, n_resamples: int, seed: int) -> Floats:
    """Return the (n_resamples,) means of n values drawn from the n with replacement, in parts that fit the memory."""
    random = np.random.default_rng(seed)
    part = max(1, 2_000_000 // len(x))
    return np.concatenate(
        [
            x[random.integers(0, len(x), (min(part, n_resamples - start), len(x)))].mean(axis=1)
            for start in range(0, n_resamples, part)
        ]
    )


def _finite(rows: Mapping[Key, Mapping[str, Any]], measure: Measure) -> dict[Key, float]:
    """Return the finite values of one measure by event."""
    column = {event: row.get(measure.column) for event, row in rows.items()}
    return {event: float(x) for event, x in column.items() if x is not None and np.isfinite(x)}


def _alone(numbers: Mapping[Key, float], **options: Any) -> dict[str, Any]:
    values = np.array([*numbers.values()])
    interval = bootstrap(values, **options)
    n = len(values)
    return {
        "n": n,
        "mean": float(interval.value),
        "standard_error": float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
        "low": float(interval.low),
        "high": float(interval.high),
        "median": float(np.median(values)) if n else float("nan"),
    }


def _against(
    measure: Measure,
    rows: Mapping[Key, Mapping[str, Any]],
    random: Mapping[Key, Mapping[str, Any]],
    **options: Any,
) -> dict[str, Any]:
    mine, floor = _finite(rows, measure), _finite(random, measure)
    pairs = np.array([value - floor[event] for event, value in mine.items() if event in floor])
    interval = bootstrap(pairs, **options)
    n_better = np.count_nonzero(pairs < 0 if measure.better == "lower" else pairs > 0)
    share = wilson(n_better, len(pairs), options["level"])
    return {
        "n_pairs": len(pairs),
        "difference": float(interval.value),
        "difference_low": float(interval.low),
        "difference_high": float(interval.high),
        "n_better": int(n_better),
        "better_share": float(share.value),
        "better_share_low": float(share.low),
        "better_share_high": float(share.high),
    }
