"""Weight files of Keras 3 (``.weights.h5``, ``.keras``), read as plain arrays and texts without Keras."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.keras_file import (
    MAX_DEFLATE_RATIO,
    KerasWeights,
    array,
    check_heaps,
    in_config_order,
    walk,
)
from dmcnn.formats.hdf5 import open_file
from dmcnn.formats.source import decoding_errors

WEIGHTS, CONFIG, METADATA = "model.weights.h5", "config.json", "metadata.json"
"""Parts of a ``.keras`` file, which is a zip file."""

VARIABLES: dict[str, tuple[str, ...]] = {
    "conv2d": ("kernel", "bias"),
    "conv3d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
"""Kind of a layer -> names of its variables, which the files number."""


def is_archive(path: Path) -> bool:
    """Return whether a file is a ``.keras`` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return WEIGHTS in archive.namelist()
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        struct.error,
    ):  # no zip file, or a damaged one
        return False


def read(path: Path) -> KerasWeights | None:
    """Read a file of Keras 3; None if it is a file of Keras 2, or of something else.

    Raises:
        InputError: a damaged file.
    """
    if is_archive(path):
        return read_archive(path)
    with open_file(path) as file, decoding_errors(str(path)):
        if "layer_names" in file.attrs or not isinstance(file.get("layers", getlink=True), h5py.HardLink):
            return None
    check_heaps(path.read_bytes(), path)
    with open_file(path) as file:
        return read_layers(file, path)


def read_archive(path: Path) -> KerasWeights:
    """Read a ``.keras`` file; InputError if it is damaged."""
    with decoding_errors(str(path)), zipfile.ZipFile(path) as archive:
        parts = {name: _part(archive, name, path) for name in (WEIGHTS, CONFIG, METADATA)}
        config, metadata = json.loads(parts[CONFIG]), json.loads(parts[METADATA])
        if not isinstance(config, dict) or not isinstance(metadata, dict):
            raise InputError(f"{path}: expected the description of a model in {CONFIG} and {METADATA}")
    check_heaps(parts[WEIGHTS], path)
    with decoding_errors(str(path)):
        file = h5py.File(io.BytesIO(parts[WEIGHTS]), "r")
    with file:
        return read_layers(file, path, config or None, str(metadata.get("keras_version", "3")))


def _part(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Read a part of the file, whose checksum zipfile checks."""
    about = archive.getinfo(name)
    if about.file_size > MAX_DEFLATE_RATIO * about.compress_size + 1:
        raise InputError(
            f"{path}: {name} of {about.file_size} bytes is more than the file holds, damaged file"
        )
    return archive.read(name)


def read_layers(
    file: h5py.File, path: Path, config: dict[str, Any] | None = None, version: str = "3"
) -> KerasWeights:
    """Read the layers of an open file: ``layers/<kind>_<number>/vars/<0, 1, …>``, numbered within their kind.

    Args:
        config: description of the model, which gives the order; without it the layers are sorted by kind and number.

    Raises:
        InputError: a model inside the model, or a damaged file.
    """
    where = str(path)
    root = walk(file, "layers", where)
    with decoding_errors(where):
        names = sorted(root, key=_kind_and_number)
    layers = {}
    for name in names:
        group = walk(root, name, where)
        with decoding_errors(where):
            if "layers" in group:
                raise InputError(f"{path}: layer {name!r} is a model in the model, which is not supported")
            label = group["vars"].attrs.get("name", name) if "vars" in group else name
        layers[str(label)] = _variables(group, name, f"{path}: layer {name!r}")
    if config is None:
        return KerasWeights(layers, None, version, is_in_order=False)
    return KerasWeights(in_config_order(layers, config, path), config, version)


def _variables(group: h5py.Group, name: str, where: str) -> dict[str, NDArray[np.float32]]:
    """Read {weight: array} of one layer."""
    with decoding_errors(where):
        count = len(group["vars"]) if "vars" in group else 0
    names: Sequence[str] = VARIABLES.get(_kind_and_number(name)[0], [f"variable {n}" for n in range(count)])
    if count > len(names) or (names == VARIABLES["batch_normalization"] and 0 < count < len(names)):
        raise InputError(f"{where}: {count} variables, expected {', '.join(names)}")
    return {
        weight: array(walk(group, f"vars/{n}", where), f"{where}: {weight}")
        for n, weight in enumerate(names[:count])
    }


def _kind_and_number(name: str) -> tuple[str, int]:
    """Return ("conv2d", 1) of "conv2d_1", and ("conv2d", 0) of "conv2d"."""
    match = re.fullmatch(r"(.+?)(?:_(\d{1,9}))?", name, re.DOTALL)
    return (match[1], int(match[2] or 0)) if match else (name, 0)
