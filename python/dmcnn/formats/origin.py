"""Origin of the events of a file, as the file itself states it: simulated by dmcnn, a detector, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Origin = Mapping[str, str]
"""``sample`` and ``dmcnn`` (version) of events that dmcnn simulated, or ``detector``; empty if nothing is known."""

FOLDER_ORIGIN = ".dmcnn.json"
"""Hidden file in which a folder of dmcnn's states its origin."""


def read_origin(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the origin that the attributes of a file state."""
    texts = {name: attributes[name] for name in ("sample", "dmcnn", "detector") if name in attributes}
    known = {name: text for name, text in texts.items() if isinstance(text, str) and text.isprintable()}
    if {"sample", "dmcnn"} <= known.keys():
        return {"sample": known["sample"], "dmcnn": known["dmcnn"]}
    return {"detector": known["detector"]} if known.get("detector") else {}


def folder_origin(folder: Path, suffix: str) -> dict[str, str]:
    """Return the origin of the files in a folder that dmcnn wrote; nothing once files were added or removed.

    Args:
        folder: the folder.
        suffix: ending of the names of its files, which may lie in folders of it.
    """
    try:
        about = json.loads((folder / FOLDER_ORIGIN).read_text())
        whole = about.get("files") == sum(1 for _ in folder.rglob(f"*{suffix}"))
    except (OSError, ValueError, AttributeError):
        return {}
    return read_origin(about) if whole else {}


def origin_text(origin: Origin) -> str:
    """Return the text for figures, pages and tables; "" if nothing is known."""
    return f"dmcnn simulation: {origin['sample']}" if "sample" in origin else origin.get("detector", "")


def common_text(origins: Iterable[Origin]) -> str:
    """Return the texts of several files, each once; "" if nothing is known of any."""
    return ", ".join(filter(None, dict.fromkeys(map(origin_text, origins))))
