"""Folders of .npy files, one image per file, whose names begin with the class."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn._common.files import note, output_folder, write_errors
from dmcnn._common.unfinished import temporary_path
from dmcnn.formats.origin import FOLDER_ORIGIN
from dmcnn.images.sparse import SparseImages


def write(
    folder: str | Path,
    batches: Iterable[SparseImages],
    *,
    classes: Sequence[str],
    attributes: Mapping[str, Any] | None = None,
) -> int:
    """Write batches of labelled images as ``<class>_<entry>.npy`` and return the number of images.

    A file is one (H, W) float32 array, zeros included. Ids and positions in the detector are not stored.

    Args:
        folder: output folder, whole or absent; an earlier one is replaced.
        batches: images of one channel, with class numbers.
        classes: name of each class number.
        attributes: numbers and texts that describe the origin of the images.

    Raises:
        InputError: ``folder`` exists and was not written by this function.
        ValueError: images with several channels, or without class numbers.
    """
    events = 0
    with atomic_folder(folder) as temporary:
        for batch in batches:
            if batch.shape[0] != 1 or batch.label is None:
                raise ValueError(f"images of shape {batch.shape}, expected labelled images of one channel")
            names = [
                f"{classes[label]}_{entry:06d}.npy"
                for label, entry in zip(batch.label.tolist(), batch.events["entry"].tolist(), strict=True)
            ]
            for name, image in zip(names, batch.dense()[:, 0], strict=True):
                with (temporary / name).open("xb") as file:
                    np.save(file, image)
            events += len(batch)
        about = {"files": events, **(attributes or {})}
        (temporary / FOLDER_ORIGIN).write_text(json.dumps(about, indent=1))
    return events


@contextmanager
def atomic_folder(folder: str | Path, suffix: str = ".npy") -> Iterator[Path]:
    """Yield a temporary folder beside ``folder`` to fill; rename it to ``folder`` if the block raises nothing.

    Args:
        folder: absent, empty, or an earlier output of this function, which is replaced.
        suffix: ending of the names of all files in it, but ``FOLDER_ORIGIN``, which holds their number as ``files``.

    Raises:
        InputError: ``folder`` exists and holds anything else.
    """
    folder = Path(folder)
    check_replaceable(folder, suffix)
    output_folder(folder.parent)
    temporary, old = temporary_path(folder), temporary_path(folder, "old")
    try:
        with write_errors(folder):
            temporary.mkdir()
            yield temporary
            check_replaceable(folder, suffix)
            if folder.exists():
                folder.replace(old)
            temporary.replace(folder)
            note(folder)
    finally:
        if old.exists() and not folder.exists():
            old.replace(folder)
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)


def check_replaceable(folder: Path, suffix: str) -> None:
    """Raise InputError unless ``folder`` is absent, empty, or unchanged since ``atomic_folder`` wrote it."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file, expected a folder or a new name")
    content = list(folder.rglob("*"))
    if not content:
        return
    try:
        files = json.loads((folder / FOLDER_ORIGIN).read_text())["files"]
    except (OSError, ValueError, TypeError, KeyError):
        files = None
    written = [path.is_file() and path.name.endswith(suffix) for path in content]
    folders = [path.is_dir() and any(path.iterdir()) for path in content]
    if files != sum(written) or sum(written) + sum(folders) + 1 != len(content):
        raise InputError(
            f"{folder}: holds files that dmcnn has not written, expected an empty folder or a new name"
        )
