"""Quality table: one row of numbers per event and method.

    rows += judge(net, inputs, maps, target, methods=methods, ids=ids(event, file))    # event by event
    table.write("quality.csv", Table.from_columns(columns(rows)))
    table.write("quality_summary.csv", Table.from_columns(columns(summary(rows))))               # summary.py

Two maps that know nothing of the network are judged beside the others: ``random``, the floor, and ``charge``, the
image itself. Whatever a measure says of them it may say of any map by chance, or because there is charge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.methods.gradients import reference
from dmcnn.attribution.methods.path_integral import PathMethod
from dmcnn.attribution.quality import deletion as removal
from dmcnn.attribution.quality import localisation, robustness
from dmcnn.attribution.quality.deletion import CHARGE, RANDOM, Curves
from dmcnn.attribution.quality.robustness import Maker
from dmcnn.attribution.target import Target
from dmcnn.images.sparse import id_columns

Floats = NDArray[np.float64]
Map = NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """Quality measure of one map.

    Attributes:
        name: such as "deletion_auc".
        better: "lower" or "higher".
        floor: whether random maps tell what is reached by chance. They are perfectly stable, and perfectly
            independent of the network: of those measures they are no floor.
        meaning: one line for people.
    """

    name: str
    better: str
    floor: bool
    meaning: str

    @property
    def column(self) -> str:
        """Column in tables, with the direction, such as "deletion_auc_lower_better"."""
        return f"{self.name}_{self.better}_better"


_LAST = "rank correlation with the map of the same network with a random last layer"
_ALL = "rank correlation with the map of the same network with random parameters throughout"

MEASURES = (
    Measure(
        "deletion_auc", "lower", True, "area under the target as active pixels are removed, strongest first"
    ),
    Measure("deletion_auc_normalised", "lower", True, "the same, 0 = all removed and 1 = untouched image"),
    Measure(
        "insertion_auc",
        "higher",
        True,
        "area under the target as active pixels are inserted, strongest first",
    ),
    Measure("insertion_auc_normalised", "higher", True, "the same, 0 = all removed and 1 = untouched image"),
    Measure(
        "enrichment", "higher", True, "share of |attribution| on active pixels over their share of all pixels"
    ),
    Measure(
        "top_overlap", "higher", True, "share of the strongest pixels, as many as are active, that are active"
    ),
    Measure(
        "completeness_error", "lower", False, "|sum of the map - target difference| / |target difference|"
    ),
    Measure(
        "halving_change",
        "lower",
        False,
        "relative change (L2) of the map if half its path integral is left out",
    ),
    Measure("max_sensitivity", "lower", False, "largest relative change of the map under small noise"),
    Measure("redrawn_last_layer", "lower", False, f"{_LAST}, on active pixels"),
    Measure("redrawn_last_layer_all_pixels", "lower", False, f"{_LAST}, on all pixels"),
    Measure("redrawn_all_layers", "lower", False, f"{_ALL}, on active pixels"),
    Measure("redrawn_all_layers_all_pixels", "lower", False, f"{_ALL}, on all pixels"),
)
"""Every measure, in the order of the columns."""

ids = id_columns
IDS = ("file", "entry_number", "run_number", "subrun_number", "event_number")
EVENT_VALUES = ("base_score", "removed_score", "active_pixels", "occupancy", "random_auc", "random_auc_std")
"""Numbers of an event, the same in the rows of all methods: the target of the image and without its active pixels;
mean and standard deviation over random orders of the area under deletion or, which is the same, insertion curves."""

VALUES = (*EVENT_VALUES, *(measure.column for measure in MEASURES))
"""Every float column of a row, in order: what a journal of rows has to hold. NaN where there is no such number."""


class Random:
    """Map of uniform random numbers from ``seed``, the same for every image and network."""

    name: ClassVar[str] = RANDOM
    signed: ClassVar[bool] = False

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed

    def __call__(self, net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
        """Return (B, C, H, W) attributions in 0..1, the same for all B images."""
        return torch.from_numpy(self.map(inputs.shape[1:])).to(inputs.device).expand(inputs.shape)

    def map(self, shape: Sequence[int]) -> NDArray[np.float32]:
        """Draw the (C, H, W) float32 map."""
        return np.random.default_rng(self.seed).random(tuple(shape), np.float32)


class Charge:
    """Map that is the image itself: brightest pixels first."""

    name: ClassVar[str] = CHARGE
    signed: ClassVar[bool] = False

    def __call__(self, net: nn.Module, inputs: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the (B, C, H, W) inputs."""
        return inputs


def judge(
    net: nn.Module,
    inputs: torch.Tensor,
    maps: Mapping[str, Map],
    target: Target,
    *,
    methods: Mapping[str, Maker] | None = None,
    ids: Mapping[str, Any] | None = None,
    curves: Curves | None = None,
    copies: Mapping[str, nn.Module] | None = None,
    radius: float = 0.02,
    n_noise: int = 10,
    seed: int = 1,
    **removing: Any,
) -> list[dict[str, Any]]:
    """Return the rows of one event: one per map, then ``random`` (the mean over random maps) and ``charge``.

    Args:
        net: runs in evaluation mode, and is left as it was.
        inputs: (C, H, W) the image, on the device of the network.
        maps: name -> (C, H, W) attribution. A map that is not finite gets NaN in every measure.
        methods: name -> the method that made the map; a map without one gets NaN in what needs new maps
            (completeness, halving, sensitivity, redrawn networks). Completeness is judged of methods that promise it:
            they have ``complete = True``, and a ``baseline`` if theirs is not an empty image. Halving is that of a
            PathMethod.
        ids: columns that go first, such as ``ids()`` gives.
        curves: from ``curves.measure`` with this net, image and target and all of these maps; by default measured
            here.
        copies: from ``stability.redrawn``, once for all events of a network; by default made here; {} leaves the
            redrawn networks out.
        radius, n_noise: of ``stability.sensitivity``; n_noise = 0 leaves it out.
        seed: of all that is random.
        removing: steps, n_random, baseline, internal_batch and precision of ``curves.measure``.
    """
    if curves is None:
        curves = removal.measure(net, inputs, maps, target, seed=seed, **removing)
    if copies is None:
        copies = robustness.redrawn(net, inputs, seed) if methods else {}
    makers: dict[str, Maker] = {**methods, RANDOM: Random(seed), CHARGE: Charge()} if methods else {}
    image = inputs.cpu().numpy()
    areas = removal.area(curves.fraction, curves.random)
    random = [Random(seed + nth).map(inputs.shape) for nth in range(len(areas))]
    event = _event(curves, image != 0, areas)
    rows = []
    for name, drawn in {
        **{name: [one] for name, one in maps.items()},
        RANDOM: random,
        CHARGE: [image],
    }.items():
        measures = event | _placed(curves, name, drawn, image != 0)
        if name in makers and np.isfinite(drawn[0]).all():
            noise = {"radius": radius, "n_noise": n_noise, "seed": seed}
            measures |= _depending(makers[name], net, inputs, target, drawn[0], copies, **noise)
        numbers = {column: float(measures.get(column, np.nan)) for column in VALUES}
        rows.append(
            {**(ids or {}), "method": name, "target": target.number, "target_kind": target.kind, **numbers}
        )
    return rows


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns, for ``Table.from_columns`` and ``parquet.write``; None for missing values."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


SHOWN = {
    "deletion_auc_normalised": "deletion",
    "insertion_auc_normalised": "insertion",
    "enrichment": "enrichment",
    "completeness_error": "completeness error",
    "halving_change": "change at half the gradients",
    "max_sensitivity": "sensitivity",
    "redrawn_all_layers": "likeness to random network",
}
"""The measures of an event's page, in few words."""

ARROWS = {"lower": "↓", "higher": "↑"}


def page_columns(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of one event for its page: method, and the measures of SHOWN that any map has."""
    shown = [measure for measure in MEASURES if measure.name in SHOWN]
    shown = [
        measure for measure in shown if any(np.isfinite(row.get(measure.column, np.nan)) for row in rows)
    ]
    method = "method (↓ lower, ↑ higher is better)"
    return [
        {method: row["method"]}
        | {
            f"{SHOWN[measure.name]} {ARROWS[measure.better]}": row.get(measure.column, np.nan)
            for measure in shown
        }
        for row in rows
    ]


def _event(curves: Curves, active: NDArray[np.bool_], areas: Floats) -> dict[str, float]:
    """Return the numbers that all rows of an event share."""
    numbers = curves.base, curves.removed, active.sum(), active.mean(), areas.mean(), areas.std()
    return dict(zip(EVENT_VALUES, map(float, numbers), strict=True))


def _placed(curves: Curves, name: str, drawn: list[Map], active: NDArray[np.bool_]) -> dict[str, float]:
    """Return the measures of a map alone: areas of its curves and localisation; of several maps their mean."""
    if name == RANDOM:
        deletion = insertion = removal.area(curves.fraction, curves.random).mean()
    else:
        deletion = removal.area(curves.fraction, curves.deletion[name])
        insertion = removal.area(curves.fraction, curves.insertion[name])
    return _columns(
        deletion_auc=deletion,
        deletion_auc_normalised=curves.share(deletion),
        insertion_auc=insertion,
        insertion_auc_normalised=curves.share(insertion),
        enrichment=np.mean([localisation.enrichment(values, active) for values in drawn]),
        top_overlap=np.mean([localisation.top_overlap(values, active) for values in drawn]),
    )


def _depending(
    maker: Maker,
    net: nn.Module,
    inputs: torch.Tensor,
    target: Target,
    values: Map,
    copies: Mapping[str, nn.Module],
    **noise: Any,
) -> dict[str, float]:
    """Return the measures that need the network: completeness, sensitivity, dependence on the parameters."""
    measures = {"max_sensitivity": robustness.sensitivity(maker, net, inputs, target, values, **noise)}
    if getattr(maker, "complete", False):
        start = reference(getattr(maker, "baseline", 0.0), inputs[None])[0]
        measures["completeness_error"] = robustness.completeness_error(net, inputs, target, values, start)
    if isinstance(maker, PathMethod):
        maps = torch.from_numpy(values).to(inputs)[None]
        measures["halving_change"] = maker.halving_change(net, inputs[None], maps, target).item()
    for name, pair in robustness.correlations(maker, copies, inputs, target, values).items():
        measures[f"redrawn_{name}"], measures[f"redrawn_{name}_all_pixels"] = pair
    return _columns(**measures)


def _columns(**measured: Any) -> dict[str, float]:
    column = {measure.name: measure.column for measure in MEASURES}
    return {column[name]: float(value) for name, value in measured.items()}
