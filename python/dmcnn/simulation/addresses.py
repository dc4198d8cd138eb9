"""Addresses of simulated samples (``sample://``): each is simulated once and cached as a file."""

from __future__ import annotations

import logging
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from dmcnn import __version__, simulation
from dmcnn._common import checksum
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file, cache_folder, output_folder, record_files
from dmcnn._common.lock import lock
from dmcnn.detectors.lariat import CLASSES
from dmcnn.detectors.smartpixel import GEOMETRIES
from dmcnn.formats.origin import origin_text
from dmcnn.simulation.parts import remove_parts, resumed_batches
from dmcnn.simulation.smartpixel import LABELS
from dmcnn.writers import calorimeter, larcv3, npy, smartpixel

log = logging.getLogger("dmcnn")

SCHEME = "sample://"
PRODUCER = "image2d_binary"
SPLITS = ("train", "test", "validation")
DEFAULTS = {"events": 1000, "seed": 1}
SIMULATION = 86_400.0
"""[s] Longest time to wait for a process that simulates the same sample."""


@dataclass(frozen=True)
class SampleFormat:
    """File format of a sample.

    Attributes:
        suffixes: suffixes of file names, that of cached files first; "" for a folder.
        write: writer, called with path, batches, ``attributes`` and the options.
        options: name -> default of further arguments of ``write`` that a user may choose.
        files: function that returns the files that ``write`` would replace.
    """

    suffixes: tuple[str, ...]
    write: Callable[..., int]
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Callable[[Path], Sequence[Path]] = lambda path: [path]


LARCV3 = SampleFormat((".h5", ".hdf5"), larcv3.write, {"producer": PRODUCER, "product": "sparse2d"})

FORMATS = {
    "lariat": SampleFormat(("",), partial(npy.write, classes=CLASSES)),
    "calorimeter": SampleFormat((*calorimeter.SUFFIXES, ""), calorimeter.write, files=calorimeter.file_names),
    "smartpixel": SampleFormat(
        (smartpixel.SUFFIX, ""), partial(smartpixel.write, columns=LABELS), {"rows_per_file": 5000}
    ),
}
"""Sample -> format, for samples that are not stored as LArCV3."""

CHOICES: dict[str, dict[str, Sequence[str]]] = {"smartpixel": {"geometry": tuple(GEOMETRIES)}}
"""Sample -> name -> allowed words of the arguments that its address may have, beside the numbers."""


def format_of(sample: str) -> SampleFormat:
    """Return the file format of a sample."""
    return FORMATS.get(sample, LARCV3)


def sample_path(url: str) -> Path:
    """Return the file or folder of ``sample://name/split?events=1000&seed=1``; simulate it unless it is cached.

    ``smartpixel`` also has ``geometry``, and all but ``calorimeter`` have ``version``. The splits of one seed are
    independent. The same address with a version gives the same images on every machine and for ever. The cache is
    $DMCNN_CACHE, else $XDG_CACHE_HOME/dmcnn, else ~/.cache/dmcnn. A sample whose checksum does not fit is made again.
    A process that finds another at this work waits for it.

    Raises:
        InputError: an invalid address.
    """
    name, split, numbers, arguments = parse(url)
    events, seed = numbers["events"], numbers["seed"]
    physics = simulation.defaults(name, numbers.get("version")) | arguments
    version = physics.get("version", 1)
    sample_format = format_of(name)
    words = [name, *arguments.values(), split, events, seed, version]
    path = cache_folder() / ("-".join(map(str, words)) + sample_format.suffixes[0])
    if _is_whole(path):
        return path
    output_folder(path.parent)
    with lock(path, wait=SIMULATION):
        if not path.exists():  # another process may have made it meanwhile
            attributes: dict[str, str | int | float] = {
                "origin": origin_text({"sample": name}),
                "sample": name,
                "split": split,
                "events": events,
                "seed": seed,
                "dmcnn": __version__,
                **arguments,
                **({"version": version} if version > 1 else {}),
            }
            batches = resumed_batches(
                simulation.SAMPLES[name],
                path,
                events=events,
                seed=split_seed(seed, split),
                arguments=physics,
                key={**attributes, **physics},
                what=url,
            )
            with record_files():  # a cached sample is no output of the command
                sample_format.write(path, batches, attributes=attributes, **sample_format.options)
                _note_checksum(path)
            remove_parts(path)
    return path


def _is_whole(path: Path) -> bool:
    """Return whether a sample is in the cache and as it was written; remove a damaged one."""
    if not path.exists():
        return False
    note = _checksum_file(path)
    if not note.exists():  # of an earlier version
        with suppress(OSError):  # the cache may belong to another user
            _note_checksum(path)
        return True
    if note.read_bytes().decode("ascii", "replace") == checksum.digest(path):
        return True
    log.warning("warning: %s: damaged: its checksum does not fit; it is made again", path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return False


def _note_checksum(path: Path) -> None:
    """Write the checksum of a sample beside it."""
    with atomic_file(_checksum_file(path)) as temporary:
        temporary.write_text(checksum.digest(path))


def _checksum_file(path: Path) -> Path:
    """Return the hidden file beside a sample that holds its checksum."""
    return path.with_name(f".{path.name}.xxh3")


def parse(url: str) -> tuple[str, str, dict[str, int], dict[str, str]]:
    """Parse an address into name, split, numbers (events, seed, version) and words; InputError for the unknown."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(f"{url}: {error}, expected {SCHEME}name/split?events=1000&seed=1") from None
    name, split = parts.netloc, parts.path.strip("/")
    if not url.startswith(SCHEME) or parts.fragment:
        raise InputError(f"{url}: expected {SCHEME}name/split?events=1000&seed=1")
    for what, word, known in (("sample", name, list(simulation.SAMPLES)), ("split", split, list(SPLITS))):
        if word not in known:
            hint = nearest(word, known)
            raise InputError(f"{url}: unknown {what} {word!r}{hint}, there is {', '.join(known)}")
    numbers, arguments, choices = dict(DEFAULTS), {}, CHOICES.get(name, {})
    known = [*DEFAULTS, *choices, *(["version"] if "version" in simulation.defaults(name) else [])]
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key in choices:
            if text not in choices[key]:
                raise InputError(f"{url}: {key} = {text!r}, expected one of {', '.join(choices[key])}")
            arguments[key] = text
            continue
        if key not in known:
            raise InputError(
                f"{url}: unknown parameter {key!r}{nearest(key, known)}, known: {', '.join(known)}"
            )
        if not (text.isascii() and text.isdigit() and int(text[:20]) >= (key == "events") and len(text) < 10):
            raise InputError(f"{url}: {key} = {text!r}, expected a whole number")
        numbers[key] = int(text)
    try:
        simulation.defaults(name, numbers.get("version"))
    except InputError as error:
        raise InputError(f"{url}: {error}") from None
    return name, split, numbers, arguments


def split_seed(seed: int, split: str) -> int:
    """Return the seed of a split, which differs from those of the other splits."""
    return int(np.random.SeedSequence([seed, zlib.crc32(split.encode())]).generate_state(1)[0])
