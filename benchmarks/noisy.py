"""LArCV2 file of noisy images for the benchmarks: a real file with other pixels and image sizes.

New baskets and the new record of the tree are appended to the file, and the list of keys points to the record. Counts
in the records keep their widths, so that nothing else moves.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

TREE = "image2d_data_tree"


def noise(side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw (side, side) float32 charges [ADC]: Gaussian noise in regions of a quarter of the ticks, and a track."""
    image = np.zeros((side, side), np.float32)
    for wire in range(side):
        for start in random.integers(0, side - 25, side // 90):
            image[wire, start : start + 25] = random.normal(0, 4, 25)
    along = np.arange(side // 8, side // 2)
    image[along, along] = random.gamma(4, 20, len(along))
    return image


def write(source: Path, target: Path, side: int = 512, seed: int = 1) -> Path:
    """Write a copy of ``source`` (electron.root: one event per basket, 3 planes) with noisy side x side images.

    Args:
        source: LArCV2 file.
        target: path of the copy, which is returned.
        side: rows and columns of the images [pixels].
        seed: seed of the noise.
    """
    random = np.random.default_rng(seed)
    with uproot.open(source) as file:
        key, tree = file.key(TREE), file[TREE]
        file_bytes = bytearray(source.read_bytes())
        payload = bytearray(_payload(file_bytes, key.fSeekKey))
        n_events = tree.num_entries
        pixels = [_entry([noise(side, random) for _ in range(3)]) for _ in range(n_events)]
        _replace(file_bytes, payload, tree["_image_v._img"], pixels)
        for name in ("_row_count", "_col_count"):
            sizes = [struct.pack(">3Q", side, side, side) for _ in range(n_events)]
            _replace(file_bytes, payload, tree[f"_image_v._meta.{name}"], [b"".join(sizes)], sizes)
        _replace_tree(file_bytes, payload, key.fSeekKey)
    file_bytes[12:16] = struct.pack(">i", len(file_bytes))
    target.write_bytes(file_bytes)
    return target


def _payload(file_bytes: bytearray, seek: int) -> bytes:
    """Return the decompressed record of a key at byte ``seek``."""
    nbytes, _, _, _, keylen = struct.unpack_from(">ihiIh", file_bytes, seek)
    return zlib.decompress(file_bytes[seek + keylen + 9 : seek + nbytes])


def _entry(images: list[NDArray[np.float32]]) -> bytes:
    """Return the bytes of one entry of the branch of pixels."""
    body = b"".join(struct.pack(">i", image.size) + image.astype(">f4").tobytes() for image in images)
    return struct.pack(">IH", 0x40000000 | len(body) + 2, 9) + body


def _replace(
    file_bytes: bytearray,
    payload: bytearray,
    branch: Any,
    baskets: list[bytes],
    entries: list[bytes] | None = None,
) -> None:
    """Append new baskets (of one entry each, or of ``entries``) and write their places into the tree's record."""
    most = branch.member("fMaxBaskets")
    seeks = payload.index(b"\1" + struct.pack(">q", branch.member("fBasketSeek")[0])) + 1
    sizes = seeks - 2 - 12 * most  # before them: i32 sizes, u8 1, i64 first entries, u8 1
    for number, content in enumerate(baskets):
        old, new = int(branch.member("fBasketSeek")[number]), len(file_bytes)
        (keylen,) = struct.unpack_from(">h", file_bytes, old + 14)
        starts = np.cumsum([keylen] + [len(e) for e in entries or [content]])[:-1].tolist()
        whole = content + struct.pack(f">{len(starts) + 2}i", len(starts) + 1, *starts, 0)
        packed = zlib.compress(whole, 1)
        stored = b"ZL\x08" + len(packed).to_bytes(3, "little") + len(whole).to_bytes(3, "little") + packed
        head = bytearray(file_bytes[old : old + keylen])
        struct.pack_into(">i", head, 0, keylen + len(stored))
        struct.pack_into(">i", head, 6, len(whole))
        struct.pack_into(">q", head, 18, new)
        struct.pack_into(">i", head, keylen - 5, keylen + len(content))
        struct.pack_into(">i", payload, sizes + 4 * number, keylen + len(stored))
        struct.pack_into(">q", payload, seeks + 8 * number, new)
        file_bytes += head + stored


def _replace_tree(file_bytes: bytearray, payload: bytearray, seek: int) -> None:
    """Append the record of the tree, uncompressed, and write its place into the list of keys."""
    (keylen,) = struct.unpack_from(">h", file_bytes, seek + 14)
    old = bytes(file_bytes[seek : seek + keylen])
    head = bytearray(old)
    struct.pack_into(">i", head, 0, keylen + len(payload))
    struct.pack_into(">i", head, 18, len(file_bytes))
    listed = file_bytes.index(old, seek + keylen)
    file_bytes[listed : listed + keylen] = head
    file_bytes += head + payload
