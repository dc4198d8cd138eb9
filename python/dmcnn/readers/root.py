"""One ROOT file of LArCV trees through uproot: names, columns and basket bytes, checked on the way in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from dmcnn.errors import InputError
from dmcnn.images import EVENT
from dmcnn.readers.source import reading, split_name

MAGIC = b"root"


class RootFile:
    """An open ROOT file, memory-mapped; it opens itself again after ``close`` or in another process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root: Any = None
        self._last: tuple[Any, NDArray[np.uint8], NDArray[np.int64]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_root": None, "_last": None}

    def close(self) -> None:
        """Let go of the file and of the basket kept from the last read."""
        if self._root is not None:
            self._root.close()
        self._root = self._last = None

    def _open(self) -> Any:
        if self._root is None:
            check_whole(self.path)
            with reading(str(self.path)):
                self._root = uproot.open(self.path, handler=uproot.MemmapSource, array_cache=None)
        return self._root

    def trees(self, product: str) -> dict[str, str]:
        """Producer -> name of its tree of ``product``, without cycle: uproot then takes the highest."""
        root = self._open()
        with reading(str(self.path)):
            kinds = root.classnames(recursive=False, cycle=False)
        names = {name: split_name(name, "tree") for name, kind in kinds.items() if kind == "TTree"}
        found = {parts[1]: name for name, parts in names.items() if parts and parts[0] == product}
        if not found:
            there = ", ".join(sorted(kinds)) or "nothing (was it closed properly?)"
            raise InputError(f"{self.path}: no {product} tree, the file holds {there}")
        return found

    def tree(self, name: str) -> Any:
        """A tree that has entries."""
        root = self._open()
        with reading(f"{self.path}: tree {name}"):
            tree = root[name]
            entries = int(tree.num_entries)
        if entries <= 0:
            raise InputError(f"{self.path}: tree {name} has no entries")
        return tree

    def branches(self, tree: Any) -> set[str]:
        """Last parts of the names of all branches."""
        with reading(f"{self.path}: tree {tree.name}"):
            return {name.rpartition("/")[2] for name in tree.keys()}  # noqa: SIM118 - a tree is no dict

    def columns(self, tree: Any, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Branches as flat arrays (m,) by name, and how many values each entry has (n,), equal in all."""
        columns: dict[str, NDArray[Any]] = {}
        counts = np.zeros(0, np.int64)
        for name in names:
            where = f"{self.path}: tree {tree.name}: branch {name}"
            with reading(where):
                array = tree[name].array(array_cache=None)
                flat = array if array.ndim == 1 else ak.flatten(array)
                n = np.ones(len(array)) if array.ndim == 1 else ak.to_numpy(ak.num(array))
                columns[name] = np.asarray(ak.to_numpy(flat))
            if len(n) != tree.num_entries:
                raise InputError(f"{where}: {len(n)} entries, expected {tree.num_entries} as the tree has")
            if len(columns) > 1 and not np.array_equal(n, counts):
                raise InputError(f"{where}: not as many values per entry as {names[0]}, damaged file")
            counts = n.astype(np.int64)
        return columns, counts

    def events(self, tree: Any) -> NDArray[Any]:
        """(n,) EVENT: the identity of every entry of a tree."""
        events = np.zeros(tree.num_entries, EVENT)
        for name, ids in self.columns(tree, ["_run", "_subrun", "_event"])[0].items():
            events[name[1:]] = ids
        events["entry"] = np.arange(len(events))
        return events

    def baskets(self, tree: Any, name: str) -> tuple[Any, NDArray[np.int64]]:
        """A branch, and the entry where each of its baskets begins and the last one ends."""
        where = f"{self.path}: tree {tree.name}: branch {name}"
        with reading(where):
            branch = tree[name]
            edges = np.asarray(branch.entry_offsets, np.int64)
        if edges[0] != 0 or edges[-1] != tree.num_entries or np.any(np.diff(edges) < 0):
            raise InputError(f"{where}: baskets hold {edges[-1]} entries, expected {tree.num_entries}")
        return branch, edges

    def basket(
        self, branch: Any, number: int, first: int, last: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Decompressed bytes of a basket (entries first..last-1), and where each entry begins and ends.

        The last one is kept: small images share a basket, and chunks of entries end inside it.
        """
        key = (branch.name, branch.tree.name, number)
        if self._last is not None and self._last[0] == key:
            return self._last[1:]
        where = f"{self.path}: branch {branch.name}: entries {first}..{last - 1}"
        with reading(where):
            basket = branch.basket(number)
            data = np.ascontiguousarray(basket.data, np.uint8)
            ends = basket.byte_offsets
            ends = np.array([0, len(data)] if ends is None else ends, np.int64)
        if len(ends) != last - first + 1 or ends[0] < 0 or ends[-1] > len(data) or np.any(np.diff(ends) < 0):
            raise InputError(f"{where}: the basket does not say where its entries begin, damaged file")
        self._last = (key, data, ends)
        return data, ends


def check_whole(path: Path) -> None:
    """InputError unless ``path`` begins as a ROOT file and is as long as its header says."""
    with path.open("rb") as file:
        head = file.read(20)
    size = path.stat().st_size
    if head[:4] != MAGIC:
        raise InputError(f"{path}: not a ROOT file ({size} bytes, begins with {head[:4]!r})")
    if len(head) < 20:
        raise InputError(f"{path}: truncated, only {size} bytes")
    large = struct.unpack(">i", head[4:8])[0] >= 1_000_000  # files beyond 2 GB count in 64 bits
    end = struct.unpack(">q", head[12:20])[0] if large else struct.unpack(">i", head[12:16])[0]
    if size < end:
        raise InputError(f"{path}: truncated, {size} of {end} bytes")
