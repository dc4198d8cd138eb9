"""Parts of a sample that is being simulated: its finished batches, from which an interrupted simulation resumes."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common.files import atomic_file
from dmcnn._common.progress import ProgressBar
from dmcnn.images.sparse import SparseImages

COLUMNS = ("offsets", "index", "value", "events", "meta", "label")


def resumed_batches(
    sample: Callable[..., Iterator[SparseImages]],
    path: Path,
    *,
    events: int,
    seed: int,
    arguments: Mapping[str, Any],
    key: Mapping[str, Any],
    what: str,
) -> Iterator[SparseImages]:
    """Return an iterator over all batches of a sample, with a progress bar; none is simulated twice.

    Finished batches lie in a hidden folder beside the output, from which an interrupted simulation resumes and which
    ``remove_parts`` removes.

    Args:
        sample: simulation, called with events, seed, start and ``arguments``.
        path: output file or folder.
        events, seed, arguments: of the sample.
        key: what identifies the events, in JSON; batches of another key are removed.
        what: title of the progress bar.

    Raises:
        InputError: arguments outside their ranges; raised by the call, before anything is written.
    """
    make = partial(sample, events, seed, **arguments)
    make()
    return _resumed(make, path, {**key, "events": events, "seed": seed}, events, what)


def _resumed(
    make: Callable[..., Iterator[SparseImages]], path: Path, key: Mapping[str, Any], events: int, what: str
) -> Iterator[SparseImages]:
    """Yield the batches that are there, then those that are missing, which are stored first."""
    folder = _folder(path, key)
    with ProgressBar(total=events, unit="event", desc=what) as bar:
        start = 0
        while start < events and (batch := _read(folder / f"{start}.npz")) is not None:
            yield batch
            start += len(batch)
            bar.skip(len(batch))
        for batch in make(start=start):
            _write(folder / f"{start}.npz", batch)
            yield batch
            start += len(batch)
            bar.update(len(batch))


def remove_parts(path: Path) -> None:
    """Remove the batches beside a finished output."""
    shutil.rmtree(_place(path), ignore_errors=True)


def _place(path: Path) -> Path:
    """Return the folder of the batches of an output."""
    return path.with_name(f".{path.name}.parts")


def _folder(path: Path, key: Mapping[str, Any]) -> Path:
    """Return the folder of the batches of an output, emptied if they belong to another key."""
    folder, text = _place(path), json.dumps(key, sort_keys=True)
    about = folder / "key.json"
    if not (about.is_file() and about.read_text() == text):
        shutil.rmtree(folder, ignore_errors=True)
        with atomic_file(about, is_output=False) as temporary:
            temporary.write_text(text)
    return folder


def _write(path: Path, batch: SparseImages) -> None:
    """Write a batch, whole or not at all."""
    columns = {name: getattr(batch, name) for name in COLUMNS if getattr(batch, name) is not None}
    with atomic_file(path, is_output=False) as temporary:
        np.savez(temporary, shape=batch.shape, axis0=batch.axis0, **columns)


def _read(path: Path) -> SparseImages | None:
    """Read a batch; None if it is absent or damaged, which the checksums of the archive tell."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in COLUMNS if name in stored}
            channels, height, width = map(int, stored["shape"])
            return SparseImages(**columns, shape=(channels, height, width), axis0=str(stored["axis0"]))  # type: ignore[arg-type]  # as it was written
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
