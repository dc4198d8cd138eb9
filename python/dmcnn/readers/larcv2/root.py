"""ROOT files of LArCV trees, opened with uproot: names, columns and positions of baskets, all checked."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.formats.source import decoding_errors, split_name
from dmcnn.images.sparse import EVENT
from dmcnn.readers.larcv2.baskets import Baskets, Entries

MAGIC = b"root"
ONE, SEVERAL = 0, 41
"""TBranchElement's fType: one number per entry, or one number for each object of a vector."""
NUMBERS = {2: ">i2", 3: ">i4", 4: ">i8", 5: ">f4", 8: ">f8", 12: ">u2", 13: ">u4", 14: ">u8", 16: ">i8", 17: ">u8",
           18: "?"}  # fmt: skip
"""TBranchElement's fStreamerType (ROOT's EDataType) -> dtype as stored."""


class RootFile:
    """ROOT file, memory-mapped; it opens itself again after ``close`` or in another process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_root": None}

    def close(self) -> None:
        """Close the file."""
        if self._root is not None:
            self._root.close()
        self._root = None

    def _open(self) -> Any:
        """Return the open uproot file."""
        if self._root is None:
            import uproot  # takes 0.3 s with awkward: readers of other files need neither

            check_whole(self.path)
            with decoding_errors(str(self.path)):
                self._root = uproot.open(self.path, handler=uproot.MemmapSource, array_cache=None)
        return self._root

    def products(self) -> set[str]:
        """Return the products of which the file has trees."""
        paths = self._trees(recursive=False) or self._trees(recursive=True)
        return {product for product, _ in paths.values()}

    def _kinds(self, recursive: bool = False) -> dict[str, str]:
        """Return name -> class of the objects in the root directory, or ``folder/name`` -> class of all objects."""
        root = self._open()
        with decoding_errors(str(self.path)):
            kinds: dict[str, str] = root.classnames(recursive=recursive, cycle=False)
        return kinds

    def _trees(self, recursive: bool) -> dict[str, tuple[str, str]]:
        """Return name, with its folders, -> (product, producer) of the trees of LArCV."""
        parts = {
            name: split_name(name.rpartition("/")[2], "tree")
            for name, kind in self._kinds(recursive).items()
            if kind == "TTree"
        }
        return {name: part for name, part in parts.items() if part}

    def trees(self, product: str) -> dict[str, str]:
        """Return producer -> name of its tree of ``product``, without cycle: uproot then opens the highest.

        If there is none in the root directory, those in folders count, as art's TFileService writes them; a producer
        in several folders is called ``folder/producer``.
        """
        for recursive in (False, True):
            trees = self._trees(recursive)
            names = {name: producer for name, (kind, producer) in trees.items() if kind == product}
            if names:
                several = Counter(names.values())
                return {
                    producer if several[producer] == 1 else f"{name.rpartition('/')[0]}/{producer}": name
                    for name, producer in names.items()
                }
        content = ", ".join(sorted(self._kinds(recursive=True))) or "nothing (was it closed properly?)"
        raise InputError(f"{self.path}: no {product} tree, the file holds {content}")

    def tree(self, name: str) -> Any:
        """Return a tree; InputError if it has no entries."""
        root = self._open()
        with decoding_errors(f"{self.path}: tree {name}"):
            tree = root[name]
            entries = int(tree.num_entries)
        if entries <= 0:
            raise InputError(f"{self.path}: tree {name} has no entries")
        return tree

    def branches(self, tree: Any) -> set[str]:
        """Return the last parts of the names of all branches."""
        with decoding_errors(f"{self.path}: tree {tree.name}"):
            return {name.rpartition("/")[2] for name in tree.keys()}  # noqa: SIM118 - a tree is no dict

    def _branch(self, tree: Any, name: str) -> Any:
        """Return a branch; InputError if the tree has none of this name."""
        from uproot.exceptions import KeyInFileError

        try:
            return tree[name]
        except KeyInFileError:
            raise InputError(
                f"{self.path}: tree {tree.name} has no branch {name} (was it switched off when the file was slimmed?)"
            ) from None

    def columns(self, tree: Any, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Return name -> flat array (m,) of each branch, and the (n,) numbers of values per entry, equal in all."""
        columns: dict[str, NDArray[Any]] = {}
        counts = np.zeros(0, np.int64)
        for name in names:
            where = f"{self.path}: tree {tree.name}: branch {name}"
            columns[name], n = self._column(where, tree, name)
            if len(n) != tree.num_entries:
                raise InputError(f"{where}: {len(n)} entries, expected {tree.num_entries} as the tree has")
            if len(columns) > 1 and not np.array_equal(n, counts):
                raise InputError(f"{where}: not as many values per entry as {names[0]}, damaged file")
            counts = n
        return columns, counts

    def _column(self, where: str, tree: Any, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the values (m,) of a branch and their numbers per entry (n,); uproot decodes other types."""
        with decoding_errors(where):
            branch = self._branch(tree, name)
            dtype = number_type(branch)
            if dtype is None:
                import awkward as ak

                array = branch.array(array_cache=None)
                flat = array if array.ndim == 1 else ak.flatten(array)
                n = np.ones(len(array)) if array.ndim == 1 else ak.to_numpy(ak.num(array))
                return np.asarray(ak.to_numpy(flat)), n.astype(np.int64)
        return numbers(self.baskets(tree, name), 0, tree.num_entries, dtype)

    def events(self, tree: Any) -> NDArray[Any]:
        """Return the (n,) EVENT of all entries of a tree."""
        events = np.zeros(tree.num_entries, EVENT)
        for name, ids in self.columns(tree, ["_run", "_subrun", "_event"])[0].items():
            events[name[1:]] = ids
        events["entry"] = np.arange(len(events))
        return events

    def baskets(self, tree: Any, name: str) -> Baskets:
        """Return the positions of the baskets of a branch; InputError if they do not cover all entries."""
        where = f"{self.path}: tree {tree.name}: branch {name}"
        with decoding_errors(where):
            branch = self._branch(tree, name)
            edges = np.asarray(branch.entry_offsets, np.int64)
            seek = np.asarray(branch.member("fBasketSeek"), np.int64)
            nbytes = np.asarray(branch.member("fBasketBytes"), np.int64)
            fetch = partial(self._fetch, tree.object_path, name) if branch.embedded_baskets else None
            dtype = number_type(branch)
            item = dtype.itemsize if dtype is not None and branch.member("fType") == ONE else None
        if edges[0] != 0 or edges[-1] != tree.num_entries or np.any(np.diff(edges) < 0):
            raise InputError(f"{where}: baskets hold {edges[-1]} entries, expected {tree.num_entries}")
        if fetch is None and min(len(seek), len(nbytes)) < len(edges) - 1:
            raise InputError(f"{where}: {len(edges) - 1} baskets but {len(seek)} positions, damaged file")
        return Baskets(self.path, branch.name, edges, seek, nbytes, item, fetch)

    def _fetch(self, tree: str, name: str, number: int) -> Entries:
        """Read a basket through uproot, as those inside the tree's own record need."""
        branch = self.tree(tree)[name]
        basket = branch.basket(number)
        data = np.ascontiguousarray(basket.data, np.uint8)
        ends = basket.byte_offsets
        if ends is None:
            ends = np.linspace(0, len(data), basket.num_entries + 1)
        return data, np.asarray(ends, np.int64)


def number_type(branch: Any) -> np.dtype[Any] | None:
    """Return the stored dtype of a branch of plain numbers, one or several per entry; None for any other.

    uproot's own interpretation of a branch takes longer than reading all columns: it parses every class of the file.
    """
    if not branch.has_member("fStreamerType") or branch.member("fType") not in (ONE, SEVERAL):
        return None
    stored = NUMBERS.get(branch.member("fStreamerType"))
    return None if stored is None else np.dtype(stored)


def numbers(
    baskets: Baskets, start: int, stop: int, dtype: np.dtype[Any], n_threads: int = 1
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values (m,) of entries start..stop-1 in native byte order, and their numbers per entry (n,)."""

    def decode(
        data: NDArray[np.uint8], at: NDArray[np.int64], first: int
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        counts, rest = np.divmod(np.diff(at), dtype.itemsize)
        rest[counts < 0] = 1
        if at[0] < 0 or at[-1] > len(data) or rest.any():
            raise InputError(f"{baskets.path}: branch {baskets.name}: entry {first + int(np.argmax(rest > 0))}: "
                             f"not a whole number of {dtype}, damaged file")  # fmt: skip
        return data[at[0] : at[-1]].view(dtype).astype(dtype.newbyteorder("=")), counts

    parts = baskets.read(start, stop, decode, n_threads)
    none = np.zeros(0, dtype.newbyteorder("=")), np.zeros(0, np.int64)
    values, counts = zip(none, *parts, strict=True)
    return np.concatenate(values), np.concatenate(counts)


def check_whole(path: Path) -> None:
    """Raise InputError unless ``path`` begins as a ROOT file and is as long as its header says."""
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
