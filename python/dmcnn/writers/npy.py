"""Folders of .npy files, one image each, whose names begin with the class."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn._common.files import writable
from dmcnn.images.sparse import SparseImages

ABOUT = ".dmcnn.json"
"""Hidden file that tells where the images of a folder come from, and that the folder is ours to replace."""


def write(
    folder: str | Path,
    batches: Iterable[SparseImages],
    *,
    classes: Sequence[str],
    attributes: Mapping[str, Any] | None = None,
) -> int:
    """Write batches of labelled images as ``<class>_<entry>.npy``; return how many there are.

    A file is one (H, W) float32 array, zeros included. Ids and places in the detector are not stored.

    Args:
        folder: whole or absent; an earlier one is replaced.
        batches: images of one channel, with class numbers.
        classes: name of each class number.
        attributes: plain values that say where the images come from.

    Raises:
        InputError: ``folder`` is something that this function has not written.
        ValueError: images of several channels, or without class numbers.
    """
    events = 0
    with replacing_folder(folder) as temporary:
        for batch in batches:
            if batch.shape[0] != 1 or batch.label is None:
                raise ValueError(f"images of shape {batch.shape}, expected labelled ones of one channel")
            names = [
                f"{classes[label]}_{entry:06d}.npy"
                for label, entry in zip(batch.label.tolist(), batch.events["entry"].tolist(), strict=True)
            ]
            for name, image in zip(names, batch.dense()[:, 0], strict=True):
                with (temporary / name).open("xb") as file:
                    np.save(file, image)
            events += len(batch)
        about = {"files": events, **(attributes or {})}
        (temporary / ABOUT).write_text(json.dumps(about, indent=1))
    return events


@contextmanager
def replacing_folder(folder: str | Path, suffix: str = ".npy") -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` to fill; rename it to ``folder`` only if nothing failed.

    Args:
        folder: absent, empty, or an earlier one.
        suffix: what the names of all files in it end in, except that of ``ABOUT``, which says how many ``files``.
    """
    folder = Path(folder)
    check_ours(folder, suffix)
    writable(folder.parent)
    temporary, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    try:
        temporary.mkdir()
        yield temporary
        check_ours(folder, suffix)
        if folder.exists():
            folder.replace(old)
        temporary.replace(folder)
    finally:
        if old.exists() and not folder.exists():
            old.replace(folder)
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)


def check_ours(folder: Path, suffix: str) -> None:
    """InputError unless ``folder`` is absent, empty, or as ``replacing_folder`` has left it."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file, expected a folder or a new name")
    there = list(folder.rglob("*"))
    if not there:
        return
    try:
        files = json.loads((folder / ABOUT).read_text())["files"]
    except (OSError, ValueError, TypeError, KeyError):
        files = None
    written = [path.is_file() and path.name.endswith(suffix) for path in there]
    folders = [path.is_dir() and any(path.iterdir()) for path in there]
    if files != sum(written) or sum(written) + sum(folders) + 1 != len(there):
        raise InputError(f"{folder}: holds files that dmcnn has not written there, give another name")
