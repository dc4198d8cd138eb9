"""Archive of the maps of one event, as npz."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common import npz
from dmcnn.attribution.explain import Explanation
from dmcnn.attribution.quality.deletion import Curves
from dmcnn.images.sparse import SparseImages

CURVES = ("fraction", "random", "base", "removed")


def write(
    path: Path,
    explanation: Explanation,
    key: Mapping[str, Any],
    event: SparseImages,
    about: Mapping[str, Any],
) -> None:
    """Write an explanation as npz, whole or not at all.

    The npz holds ``map_<method>`` (C, H, W) float32, ``event`` and ``meta`` as in SparseImages, the JSON texts
    ``boxes``, ``rows`` (of the quality table), ``about`` and ``key``, and, if the quality was measured, ``fraction``,
    ``random``, ``base``, ``removed``, ``deletion_<map>`` and ``insertion_<map>``, see quality.deletion.Curves.

    Args:
        path: path of the npz.
        explanation: maps and their quality.
        key: everything on which the explanation depends.
        event: the event, one image.
        about: classes and scores.
    """
    arrays: dict[str, Any] = {f"map_{name}": values for name, values in explanation.maps.items()}
    if explanation.curves is not None:
        curves = asdict(explanation.curves)
        arrays |= {name: curves[name] for name in CURVES}
        for kind in ("deletion", "insertion"):
            arrays |= {f"{kind}_{name}": curve for name, curve in curves[kind].items()}
    words = {"boxes": explanation.boxes, "rows": explanation.rows, "about": about}
    arrays |= {name: np.array(json.dumps(word)) for name, word in words.items()}
    npz.write(path, key, event=event.events, meta=event.meta, **arrays)


def read(path: Path, key: Mapping[str, Any]) -> Explanation | None:
    """Return the explanation at ``path``; None if the file is absent or damaged, or has another key."""
    arrays = npz.read(path, key)
    if arrays is None or not {"boxes", "rows"} <= arrays.keys():
        return None
    words = {name: json.loads(str(arrays.pop(name))) for name in ("boxes", "rows")}

    def by_name(kind: str) -> dict[str, Any]:
        """Return the arrays whose names begin with ``kind``, by the rest of the name."""
        return {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}

    curves = None
    if "fraction" in arrays:
        curves = Curves(
            arrays["fraction"], by_name("deletion_"), by_name("insertion_"), arrays["random"],
            float(arrays["base"]), float(arrays["removed"]),
        )  # fmt: skip
    boxes = {name: tuple(box) for name, box in words["boxes"].items()}
    return Explanation(by_name("map_"), boxes, words["rows"], curves)
