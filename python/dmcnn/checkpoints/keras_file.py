"""Weight files of Keras (``.h5``, ``.hdf5``), read as plain arrays and texts without Keras."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.formats.hdf5 import open_file
from dmcnn.formats.source import decoding_errors, existing_file

VARIABLE_LENGTH = 9
"""Class of the type of texts of any length in HDF5 files."""

MAX_DEFLATE_RATIO = 1100
"""Largest ratio of the size of an array to its size in the file; deflate reaches 1032 at most."""


@dataclass(frozen=True, eq=False)
class KerasWeights:
    """Content of a weight file of Keras.

    Attributes:
        layers: {layer: {weight: float32 array}}, in the order of ``config`` or else of the list in the file, layers
            without weights included; weights are called kernel, bias, gamma, beta, moving_mean, moving_variance, …
        config: the ``model_config`` (a dict from JSON); None in a file of weights alone.
        version: version of Keras that wrote the file, or "".
        is_in_order: False if the file does not tell the order of the layers: they are sorted by kind and number.
    """

    layers: dict[str, dict[str, NDArray[np.float32]]]
    config: dict[str, Any] | None
    version: str
    is_in_order: bool = True


def read_weights(path: str | Path) -> KerasWeights:
    """Read the weights in a model file (``model.save``) or a file of weights alone (``model.save_weights``).

    Nothing is executed, links to other files are not followed, and no array is larger than the file can hold.

    Raises:
        InputError: the file is neither, or damaged.
    """
    path = existing_file(path)
    where = str(path)
    data = path.read_bytes()
    check_heaps(data, path)
    check_lengths(data, path)
    with open_file(path) as file:
        with decoding_errors(where):
            listed = ", ".join(map(repr, list(file)[:4])) or "nothing"
            is_model = "model_weights" in file
        root = walk(file, "model_weights", where) if is_model else file
        names = _texts(root, "layer_names", where)
        if names is None:
            raise InputError(f"{path}: not weights of Keras: no attribute layer_names, it holds {listed}")
        config = _config(file, path)
        layers = {name: _layer(root, name, f"{path}: layer {name!r}") for name in names}
        version = _texts(root, "keras_version", where) or [""]
    if config is not None:
        layers = in_config_order(layers, config, path)
    return KerasWeights(layers, config, version[0])


def check_heaps(data: bytes, path: Path) -> None:
    """Check that the lengths of the texts in every global heap of an HDF5 file lead to the end of the heap.

    A collection is ``GCOL``, version 1, its size in bytes, then objects of (number u16, count u16, 4 bytes, size u64)
    and their content in whole words; number 0 is the free space. libhdf5 2.0 loops forever on a damaged one.

    Raises:
        InputError: a length that leads past the end, or nowhere.
    """
    for header in re.finditer(rb"GCOL\x01\0\0\0", data):
        place, end = (
            header.end() + 8,
            header.start() + int.from_bytes(data[header.end() : header.end() + 8], "little"),
        )
        while place + 16 <= min(end, len(data)):
            number, size = struct.unpack_from("<H6xQ", data, place)
            step = 16 + -(-size // 8) * 8 if number else size
            if not 0 < step <= end - place:
                raise InputError(f"{path}: byte {place}: a text of {size} bytes, damaged file")
            place += step


def check_lengths(data: bytes, path: Path) -> None:
    """Check that no text of an attribute of an HDF5 file is said to be longer than the file.

    A message is version 1, three sizes (u16), then name, type and space, each in whole words, and for every text its
    length (u32) and 12 bytes. libhdf5 2.0 makes room for a text before it looks for it, up to 4 GB.

    Raises:
        InputError: such a length.
    """
    for message in re.finditer(rb"\x01\0(.{6})([ -~]+)\0", data, re.DOTALL):
        sizes = struct.unpack("<3H", message[1])
        _, kind, space, texts = accumulate((-(-size // 8) * 8 for size in sizes), initial=message.start() + 8)
        if sizes[0] != len(message[2]) + 1 or texts + 16 > len(data) or data[kind] & 15 != VARIABLE_LENGTH:
            continue
        rank = min(data[space + 1], (texts - space - 8) // 8)
        count = math.prod(struct.unpack_from(f"<{rank}Q", data, space + 8)) if rank > 0 else 1
        for place in range(texts, min(texts + 16 * count, len(data) - 3), 16):
            (length,) = struct.unpack_from("<I", data, place)
            if length > len(data):
                raise InputError(f"{path}: byte {place}: a text of {length} bytes, damaged file")


def _config(file: h5py.File, path: Path) -> dict[str, Any] | None:
    """Read the ``model_config``; None if the file has none."""
    where = f"{path}: model_config"
    text = _texts(file, "model_config", where)
    if text is None:
        return None
    with decoding_errors(where):
        config = json.loads(text[0])
    if not isinstance(config, dict):
        raise InputError(f"{where}: expected the description of a model, found {type(config).__name__}")
    return config


def in_config_order(
    layers: dict[str, dict[str, NDArray[np.float32]]], config: dict[str, Any], path: Path
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the layers in the order of the config; InputError for a layer with weights that it does not list."""
    with decoding_errors(f"{path}: model_config"):
        order = [str(layer["config"]["name"]) for layer in config["config"]["layers"]]
    for name, weights in layers.items():
        if weights and name not in order:
            raise InputError(f"{path}: layer {name!r} has weights but is not in the model_config")
    return {name: layers[name] for name in order if name in layers}


def _layer(root: h5py.Group, name: str, where: str) -> dict[str, NDArray[np.float32]]:
    """Read {weight: array} of one layer."""
    group = walk(root, name, where)
    weights: dict[str, NDArray[np.float32]] = {}
    for address in _texts(group, "weight_names", where) or ():
        weight = address.rpartition("/")[2].partition(":")[0]
        if weight in weights:
            raise InputError(
                f"{where} holds two weights called {weight!r}: models in models are not supported"
            )
        weights[weight] = array(walk(group, address, where), f"{where}: {address}")
    return weights


def array(data: h5py.Dataset, where: str) -> NDArray[np.float32]:
    """Read an array of floating-point numbers as float32; InputError if it is larger than the file can hold."""
    with decoding_errors(where):
        if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f" or data.dtype.itemsize > 8:
            raise InputError(f"{where}: expected an array of floating-point numbers, damaged file")
        if data.external or data.is_virtual:
            raise InputError(f"{where}: its numbers are in another file, refused")
        if data.size * data.dtype.itemsize > MAX_DEFLATE_RATIO * data.id.get_storage_size():
            raise InputError(f"{where}: shape {data.shape} is more than the file stores, damaged file")
        values: NDArray[np.float32] = np.asarray(data[()], np.float32)
    return values


def walk(group: h5py.Group, address: str, where: str) -> Any:
    """Return the group or dataset at ``address``, following hard links only, which stay in this file."""
    with decoding_errors(f"{where}: {address}"):
        for part in address.split("/"):
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise InputError(f"{where}: {address!r} is a link elsewhere, or absent: refused")
            group = group[part]
        return group


def _texts(group: h5py.Group, name: str, where: str) -> list[str] | None:
    """Read the texts in an attribute, or in ``name``0, ``name``1, … if Keras split it; None if it is absent."""
    with decoding_errors(f"{where}: {name}"):
        if not isinstance(group, h5py.Group):
            raise InputError(f"{where}: expected a group, damaged file")
        if name in group.attrs:
            return list(_attribute(group, name, where))
        parts: list[str] = []
        number = 0
        while f"{name}{number}" in group.attrs:
            parts += _attribute(group, f"{name}{number}", where)
            number += 1
    return parts if number else None


def _attribute(group: h5py.Group, name: str, where: str) -> Iterator[str]:
    """Yield the texts in an attribute; an empty list is stored as an empty array of numbers."""
    attribute = group.attrs.get_id(name)
    if 0 in attribute.shape:
        return
    if attribute.get_type().get_class() != h5py.h5t.STRING:
        raise InputError(f"{where}: {name} is no text, damaged file")
    if attribute.get_storage_size() > group.file.id.get_filesize():
        raise InputError(f"{where}: {name} is longer than the file, damaged file")
    for text in np.ravel(group.attrs[name]):
        yield text.decode() if isinstance(text, bytes) else str(text)
