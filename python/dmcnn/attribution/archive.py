"""The maps of one event on disk (npz), so that they are made once and can be read by anything that reads NumPy."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.files import atomic_file
from dmcnn.attribution.explain import Explanation
from dmcnn.attribution.quality.deletion import Curves
from dmcnn.images.sparse import SparseImages

CURVES = ("fraction", "random", "base", "removed")


def write(
    path: Path, found: Explanation, key: Mapping[str, Any], event: SparseImages, about: Mapping[str, Any]
) -> None:
    """Store an explanation, whole or not at all.

    The npz holds ``map_<method>`` (C, H, W) float32, ``event`` and ``meta`` as in SparseImages, ``boxes``, ``rows``
    (the quality table) and ``about`` as JSON, ``key`` as JSON, and where the maps were judged ``fraction``,
    ``random``, ``base``, ``removed``, ``deletion_<map>`` and ``insertion_<map>``.
    """
    arrays: dict[str, Any] = {f"map_{name}": values for name, values in found.maps.items()}
    if found.curves is not None:
        curves = asdict(found.curves)
        arrays |= {name: curves[name] for name in CURVES}
        for kind in ("deletion", "insertion"):
            arrays |= {f"{kind}_{name}": curve for name, curve in curves[kind].items()}
    words = {"boxes": found.boxes, "rows": found.rows, "about": about, "key": key}
    arrays |= {name: np.array(json.dumps(word, sort_keys=name == "key")) for name, word in words.items()}
    with atomic_file(path) as temporary:
        np.savez_compressed(temporary, event=event.events, meta=event.meta, **arrays)


def read(path: Path, key: Mapping[str, Any]) -> Explanation | None:
    """The explanation at ``path`` if it is that of ``key``; None if there is none, another, or a broken one."""
    try:
        with np.load(path, allow_pickle=False) as old:
            if "key" not in old or str(old["key"]) != json.dumps(key, sort_keys=True):
                return None
            words = {name: json.loads(str(old[name])) for name in ("boxes", "rows")}
            arrays = {name: old[name] for name in old.files if name not in ("key", "boxes", "rows", "about")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None

    def those(kind: str) -> dict[str, Any]:
        return {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}

    curves = None
    if "fraction" in arrays:
        curves = Curves(
            arrays["fraction"], those("deletion_"), those("insertion_"), arrays["random"],
            float(arrays["base"]), float(arrays["removed"]),
        )  # fmt: skip
    boxes = {name: tuple(box) for name, box in words["boxes"].items()}
    return Explanation(those("map_"), boxes, words["rows"], curves)
