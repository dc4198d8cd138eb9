"""Predictions from score tables of regression: estimates, covariances and truth of every event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn.detectors.smartpixel import UNITS
from dmcnn.evaluation import weights
from dmcnn.evaluation.rows import Read
from dmcnn.metrics import gaussian
from dmcnn.metrics.gaussian import Floats
from dmcnn.tables import table
from dmcnn.tables.table import Table

SIGMA, CORRELATION, TRUE = "sigma_", "corr_", "true_"
"""Prefixes of the columns of uncertainties, correlations (``corr_<a>_<b>``) and truth; ``<a>`` is the estimate."""

SIZE = "cluster_size"


def unit(target: str) -> str:
    """Return the unit of a target of pixel frames, or an empty text."""
    return UNITS.get(target, "")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Estimates and truth of n events for k targets, in the units of the targets.

    Attributes:
        targets: k names.
        truth: (n, k).
        residual: (n, k) estimate minus truth.
        factor: (n, k, k) Cholesky factors of the covariances; NaN where one is not positive definite.
        sigma: (n, k) uncertainties; never NaN.
        nll: (n,) negative log likelihood of the scaled truth [nats]; NaN where the table has none.
        size: (n,) number of pixels with charge; None if the tables lack it.
        weight: (n,) weights above 0; None if all are equal, which is the same.
        files: path of each table, and counts of its rows by their use.
    """

    targets: tuple[str, ...]
    truth: Floats
    residual: Floats
    factor: Floats
    sigma: Floats
    nll: Floats
    size: Floats | None
    files: list[dict[str, Any]]
    weight: Floats | None = None

    @property
    def pull(self) -> Floats:
        """(n, k) residual over uncertainty."""
        return self.residual / self.sigma

    @property
    def chi2(self) -> Floats:
        """(n,) chi2 of all targets together."""
        return gaussian.chi2(self.residual, self.factor)


def estimated_targets(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the targets with columns of estimate and uncertainty; none in tables of another kind."""
    names = (name.removeprefix(SIGMA) for name in columns if name.startswith(SIGMA))
    return tuple(name for name in names if name in columns)


def read(
    paths: Sequence[str],
    targets: Sequence[str] = (),
    event_weight: weights.Rule = None,
    read_table: Read = table.read,
) -> Predictions:
    """Read the events of tables one after another.

    Rows without estimate or without truth are left out, and those of numbers beyond float32. Rows whose covariance is
    not positive definite stay, because some quantities need the uncertainties alone. ``files`` holds the counts of
    all three.

    Args:
        paths: score tables of one sample.
        targets: targets that every table must have; default: those of the first.
        event_weight: weights of the events; those of weight 0 are left out.
        read_table: function that reads a table.

    Raises:
        InputError: a table of another kind or with other targets, a text that is no number, or no event with truth.
    """
    parts = []
    for path in paths:
        rows = read_table(path)
        targets = targets or estimated_targets(rows.columns)
        _check(rows, targets)
        parts.append(_predictions(rows, tuple(targets), event_weight))
    events = join(parts)
    if not len(events.truth):
        raise InputError(f"no event with estimate and truth in {', '.join(paths)}")
    return events


def join(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate events with the same targets."""

    def all_of(name: str) -> Floats:
        """Concatenate one array of all parts."""
        return np.concatenate([getattr(part, name) for part in parts])

    return Predictions(
        targets=parts[0].targets,
        truth=all_of("truth"),
        residual=all_of("residual"),
        factor=all_of("factor"),
        sigma=all_of("sigma"),
        nll=all_of("nll"),
        size=all_of("size") if all(part.size is not None for part in parts) else None,
        files=[file for part in parts for file in part.files],
        weight=_join_weights(parts),
    )


def _join_weights(parts: Sequence[Predictions]) -> Floats | None:
    """Return the weights of all events; None if all are equal."""
    given = np.concatenate([np.ones(len(one.truth)) if one.weight is None else one.weight for one in parts])
    return None if len(given) == 0 or (given == given[0]).all() else given


def _check(rows: Table, targets: Sequence[str]) -> None:
    """Raise InputError unless a table estimates exactly ``targets`` and holds their truth."""
    estimates = estimated_targets(rows.columns)
    if not estimates:
        raise InputError(f"{rows.path}: no column {SIGMA}<target>, expected a table of infer for regression")
    if set(estimates) != set(targets):
        raise InputError(
            f"{rows.path}: estimates {', '.join(estimates)}; expected {', '.join(targets)} as in the first table"
        )
    rows.need(f"{TRUE}{name}" for name in targets)


def _predictions(rows: Table, targets: tuple[str, ...], event_weight: weights.Rule) -> Predictions:
    """Return the events of one table."""
    k = len(targets)
    mean, sigma, truth = (
        np.stack([rows.numbers(prefix + name) for name in targets], axis=1) for prefix in ("", SIGMA, TRUE)
    )
    matrix = np.broadcast_to(np.eye(k), (len(mean), k, k)).copy()
    for a in range(k):
        for b in range(a + 1, k):
            matrix[:, a, b] = matrix[:, b, a] = _correlation(rows, targets[a], targets[b])
    limits = np.finfo(np.float32)  # of a network's outputs; beyond them squares and fourth powers overflow
    estimated = ((np.abs(mean) <= limits.max) & (sigma >= limits.tiny) & (sigma <= limits.max)).all(axis=1)
    known = (np.abs(truth) <= limits.max).all(axis=1)
    weight = weights.of_rows(rows, event_weight)
    if weight is not None and (negative := np.flatnonzero(weight < 0)).size:
        raise InputError(
            f"{rows.place(int(negative[0]))}: event weight {weight[negative[0]]:g}, expected at least 0: widths and "
            "shares of residuals need it"
        )
    use = np.asarray(estimated & known & (True if weight is None else weight > 0))
    sigma = sigma[use]
    factor = gaussian.factorise(matrix[use]) * sigma[:, :, None]
    singular = int(np.isnan(factor[:, 0, 0]).sum())
    counts = {
        "rows": len(use),
        "without_estimate": int((~estimated).sum()),
        "without_truth": int((estimated & ~known).sum()),
        "used": int(use.sum()),
        "not_positive_definite": singular,
    }
    return Predictions(
        targets,
        truth[use],
        mean[use] - truth[use],
        factor,
        sigma,
        rows.numbers("nll")[use] if "nll" in rows.columns else np.full(int(use.sum()), np.nan),
        rows.numbers(SIZE)[use] if SIZE in rows.columns else None,
        [{"file": rows.path, **counts}],
        None if weight is None else weight[use],
    )


def _correlation(rows: Table, a: str, b: str) -> Floats | float:
    """Return the (n,) correlation of two targets in either order; 0 in tables without correlations."""
    for name in (f"{CORRELATION}{a}_{b}", f"{CORRELATION}{b}_{a}"):
        if name in rows.columns:
            return rows.numbers(name)
    if any(name.startswith(CORRELATION) for name in rows.columns):
        rows.need([f"{CORRELATION}{a}_{b}"])
    return 0.0
