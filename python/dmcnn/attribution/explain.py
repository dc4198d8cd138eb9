"""Explanation of one event: its maps and their quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.attribution.base import Method
from dmcnn.attribution.inputs import shift_input
from dmcnn.attribution.methods.cam import GradCamBox
from dmcnn.attribution.quality import deletion as removal
from dmcnn.attribution.quality import table
from dmcnn.attribution.quality.deletion import Curves
from dmcnn.attribution.quality.robustness import redrawn
from dmcnn.attribution.target import Target

Maps = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of an event, and their quality.

    Attributes:
        maps: name of the method -> (C, H, W) float32 map.
        boxes: name of the method -> (row0, row1, column0, column1), ends excluded, of methods with a box.
        rows: rows of the quality table: one per map, then random maps and the charge; empty without measurement.
        curves: deletion and insertion curves; None without measurement.
    """

    maps: Maps
    boxes: dict[str, tuple[int, int, int, int]]
    rows: list[dict[str, Any]]
    curves: Curves | None


def explain(
    net: nn.Module,
    image: NDArray[np.float32],
    target: Target,
    methods: Sequence[Method],
    *,
    scaling: str = "none",
    judging: Mapping[str, Any] | None = None,
    redraw: bool = True,
    ids: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Return the maps of one image, and their quality.

    Args:
        net: network on its device; its state is restored afterwards.
        image: (C, H, W) float32 image before scaling.
        target: explained number.
        methods: methods of the maps.
        scaling: one of dmcnn.images.scaling.SCALINGS.
        judging: steps, n_random, n_noise and seed of ``quality.table.judge``; None = no measurement of the quality.
        redraw: whether maps are also compared with those of the network with random parameters.
        ids: columns of the quality table that identify the event.
        progress: called with the name of the next step.
    """
    report_step = progress or (lambda _: None)
    device = next(net.parameters()).device
    with shift_input(net, torch.from_numpy(image)[None].to(device), scaling) as inputs:
        maps: Maps = {}
        for method in methods:
            report_step(method.name)
            maps[method.name] = method(net, inputs, target)[0].float().cpu().numpy()
        boxes = {
            method.name: method.box(torch.from_numpy(maps[method.name]))
            for method in methods
            if isinstance(method, GradCamBox)
        }
        if judging is None:
            return Explanation(maps, boxes, [], None)
        report_step("judging")
        options = dict(judging)
        n_noise, seed = options.pop("n_noise"), options["seed"]
        batch: dict[str, Any] = {
            "internal_batch": methods[0].internal_batch,
            "precision": methods[0].precision,
        }
        curves = removal.measure(net, inputs[0], maps, target, **options, **batch)
        rows = table.judge(
            net,
            inputs[0],
            maps,
            target,
            methods={method.name: method for method in methods if not method.costly},
            ids=ids,
            curves=curves,
            copies=redrawn(net, inputs[0], seed) if redraw else {},
            n_noise=n_noise,
            seed=seed,
        )
        return Explanation(maps, boxes, rows, curves)
