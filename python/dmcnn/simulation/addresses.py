"""Simulated samples by address: made once, kept in a cache, then files like any other."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from tqdm import tqdm

from dmcnn import __version__, simulation
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import output_folder
from dmcnn.detectors.lariat import CLASSES
from dmcnn.detectors.smartpixel import GEOMETRIES
from dmcnn.images.sparse import SparseImages
from dmcnn.simulation.smartpixel import LABELS
from dmcnn.writers import calorimeter, larcv3, npy, smartpixel

SCHEME = "sample://"
PRODUCER = "image2d_binary"
SPLITS = ("train", "test", "validation")
DEFAULTS = {"events": 1000, "seed": 1}


@dataclass(frozen=True)
class Format:
    """How samples are stored.

    Attributes:
        suffixes: what the names of files may end in, that of cached ones first; "" for a folder.
        write: called with path, batches, ``attributes`` and the options.
        options: further arguments of ``write`` that a user may choose, and their defaults.
    """

    suffixes: tuple[str, ...]
    write: Callable[..., int]
    options: Mapping[str, Any] = field(default_factory=dict)


LARCV3 = Format((".h5", ".hdf5"), larcv3.write, {"producer": PRODUCER, "product": "sparse2d"})

FORMATS = {
    "lariat": Format(("",), partial(npy.write, classes=CLASSES)),
    "calorimeter": Format((*calorimeter.SUFFIXES, ""), calorimeter.write),
    "smartpixel": Format(
        (smartpixel.SUFFIX, ""), partial(smartpixel.write, columns=LABELS), {"rows_per_file": 5000}
    ),
}
"""Formats of the samples that are not stored as LArCV3, by the name of the sample."""

CHOICES: dict[str, dict[str, Sequence[str]]] = {"smartpixel": {"geometry": tuple(GEOMETRIES)}}
"""Arguments of a sample that its address may give beside the numbers, and their values."""


def format_of(sample: str) -> Format:
    """How a sample is stored."""
    return FORMATS.get(sample, LARCV3)


def sample_path(url: str) -> Path:
    """The file, or folder, of ``sample://name/split?events=1000&seed=1``, simulated if the cache lacks it.

    That of ``smartpixel`` may choose a ``geometry`` too. The splits of one seed are independent. The same address
    gives the same images wherever it is asked for.
    The cache is $DMCNN_CACHE, else $XDG_CACHE_HOME/dmcnn, else ~/.cache/dmcnn.
    """
    name, split, numbers, chosen = parse(url)
    events, seed = numbers["events"], numbers["seed"]
    form = format_of(name)
    words = [name, *chosen.values(), split, events, seed, simulation.VERSION]
    path = cache() / ("-".join(map(str, words)) + form.suffixes[0])
    if not path.exists():
        output_folder(path.parent)
        attributes: dict[str, str | int | float] = {
            "sample": name,
            "split": split,
            "events": events,
            "seed": seed,
            "dmcnn": __version__,
            **chosen,
        }
        batches = simulation.SAMPLES[name](events=events, seed=split_seed(seed, split), **chosen)
        form.write(path, counted(batches, events, url), attributes=attributes, **form.options)
    return path


def parse(url: str) -> tuple[str, str, dict[str, int], dict[str, str]]:
    """Name, split, numbers (events, seed) and choices of a sample's address; InputError for anything unknown."""
    parts = urlsplit(url)
    name, split = parts.netloc, parts.path.strip("/")
    if not url.startswith(SCHEME) or parts.fragment:
        raise InputError(f"{url}: expected {SCHEME}name/split?events=1000&seed=1")
    for what, word, known in (("sample", name, list(simulation.SAMPLES)), ("split", split, list(SPLITS))):
        if word not in known:
            hint = nearest(word, known)
            raise InputError(f"{url}: unknown {what} {word!r}{hint}, there is {', '.join(known)}")
    numbers, chosen, choices = dict(DEFAULTS), {}, CHOICES.get(name, {})
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key in choices:
            if text not in choices[key]:
                raise InputError(f"{url}: {key} = {text!r}, expected one of {', '.join(choices[key])}")
            chosen[key] = text
            continue
        if key not in DEFAULTS:
            known = [*DEFAULTS, *choices]
            raise InputError(
                f"{url}: unknown parameter {key!r}{nearest(key, known)}, known: {', '.join(known)}"
            )
        if not (text.isascii() and text.isdigit() and int(text[:20]) >= (key == "events") and len(text) < 10):
            raise InputError(f"{url}: {key} = {text!r}, expected a whole number")
        numbers[key] = int(text)
    return name, split, numbers, chosen


def split_seed(seed: int, split: str) -> int:
    """A seed of its own for each split."""
    return int(np.random.SeedSequence([seed, zlib.crc32(split.encode())]).generate_state(1)[0])


def cache() -> Path:
    """Folder of simulated samples."""
    own, xdg = os.environ.get("DMCNN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "dmcnn"


def counted(batches: Iterator[SparseImages], events: int, what: str) -> Iterator[SparseImages]:
    """The batches, with a progress bar of ``events`` events."""
    with tqdm(total=events, unit="event", desc=what) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))
