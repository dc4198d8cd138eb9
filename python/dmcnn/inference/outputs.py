"""Outputs of a scoring: tables as CSV and parquet, and ROOT trees that are friends of the input files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file
from dmcnn.images.sparse import UNSET
from dmcnn.inference.network_columns import Kind
from dmcnn.tables import table
from dmcnn.tables.table import Table

FORMATS = ("csv", "parquet", "root")
"""Formats of score tables, by the suffix of their files."""

NO_SCORE, NO_NUMBER = -999999.9, -1
"""Missing score, and missing number of an entry or of pixels, in tables of DM-CNN."""

TREE = "scores"
"""Name of the tree in a ROOT file."""

About = Mapping[str, Any]
"""What a file says of itself: networks, conventions, weights, input file."""


def write(
    stem: Path,
    formats: Sequence[str],
    joined: Table,
    results: Table,
    kinds: Mapping[str, Kind],
    events: NDArray[Any] | None,
    about: About,
    is_legacy: bool = False,
) -> None:
    """Write a score table in several formats.

    Args:
        stem: path of the files, without suffix.
        formats: some of FORMATS.
        joined: table for csv and parquet.
        results: rows of entries before any join, for root.
        kinds, events, about, is_legacy: as of ``write_root``.
    """
    rows = legacy(joined, kinds) if is_legacy else joined
    for word in formats:
        path = stem.with_name(f"{stem.name}.{word}")
        if word == "csv":
            table.write(path, rows)
        elif word == "parquet":
            write_parquet(path, rows, kinds, about)
        elif events is not None:
            write_root(path, results, kinds, events, about, is_legacy=is_legacy)


def legacy(results: Table, kinds: Mapping[str, Kind]) -> Table:
    """Return a table with the numbers that DM-CNN writes where a score or a number is missing."""
    words = {"float": str(NO_SCORE), "int": str(NO_NUMBER)}
    columns = {name: results.column(name) for name in results.columns}
    for name in results.columns:
        if (word := words.get(str(kinds.get(name)))) is not None:
            columns[name] = [own or word for own in columns[name]]
    return Table.from_columns(columns)


def write_parquet(path: Path, results: Table, kinds: Mapping[str, Kind], about: About) -> None:
    """Write a table as parquet; integers stay integers, and what is missing is null.

    Columns without a kind, those of an analysis table, are integers or floats if all their texts are.
    """
    arrow, parquet = need("pyarrow"), need("pyarrow.parquet")
    columns = {name: _arrow(arrow, results.column(name), kinds.get(name)) for name in results.columns}
    content = arrow.table(columns).replace_schema_metadata({"dmcnn": json.dumps(about)})
    with atomic_file(path) as temporary:
        parquet.write_table(content, temporary)


def _arrow(arrow: Any, words: Sequence[str], kind: Kind | None) -> Any:
    """Return texts as a pyarrow array of a kind; an empty text is null."""
    texts = arrow.array([_utf8(word) if word else None for word in words], arrow.string())
    types = {"uint": arrow.uint64(), "int": arrow.int64(), "float": arrow.float64()}
    wanted = [types[kind]] if kind in types else list(types.values())[1:] if kind is None else []
    for one in wanted:
        try:
            return texts.cast(one)
        except arrow.ArrowInvalid:
            continue
    return texts


def _utf8(word: str) -> str:
    """Return a text with a mark for every byte that is no UTF-8."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def write_root(
    path: Path,
    results: Table,
    kinds: Mapping[str, Kind],
    events: NDArray[Any],
    about: About,
    *,
    is_legacy: bool = False,
) -> None:
    """Write a flat tree with one row for every entry of the input file, in its order, so that it is a friend of it.

    Classes are their numbers, and texts of other kinds are left out; ``scored`` says whether an entry has a score. A
    missing float is NaN, a missing integer -1, and an id that was never set 2^64 - 1.

    Args:
        path: the file, which holds the tree TREE and the text ``about``.
        results: rows of some of the entries, by ``entry_number``.
        kinds: kinds of the columns.
        events: (n,) EVENT of all entries of the input file.
        about: text beside the tree, as JSON.
        is_legacy: whether missing floats are NO_SCORE.
    """
    import uproot

    entries = np.array(results.column("entry_number"), np.int64)
    columns: dict[str, NDArray[Any]] = {
        f"{name}_number": np.asarray(events[name], np.uint64) for name in ("run", "subrun", "event")
    }
    columns["entry_number"] = np.asarray(events["entry"], np.int64)
    row_of = np.full(len(events), -1)
    row_of[np.searchsorted(columns["entry_number"], entries)] = np.arange(len(entries))
    for name in results.columns:
        if name not in (*table.IDS, "entry_number") and kinds.get(name, "text") != "text":
            values, missing = _numbers(results.column(name), kinds[name], is_legacy)
            columns[_branch(name, columns)] = np.append(values, missing)[row_of]
    has_score = np.isin(results.column("status"), ("scored", ""))
    columns["scored"] = np.append(has_score, [False])[row_of]
    with atomic_file(path) as temporary, uproot.recreate(temporary) as file:
        file.mktree(TREE, {name: values.dtype for name, values in columns.items()}, title="scores of dmcnn")
        file[TREE].extend(columns)
        file["about"] = json.dumps({**about, "classes": _class_numbers(kinds)})


def _branch(name: str, columns: Mapping[str, Any]) -> str:
    """Return a column's name as a branch, which C++ can spell; InputError if another one has that name."""
    branch = re.sub(r"\W", "_", name)
    if branch in columns:
        raise InputError(
            f"{name!r} and another column would be branch {branch!r}: choose other names of networks or classes"
        )
    return branch


def _numbers(words: Sequence[str], kind: Kind, is_legacy: bool) -> tuple[NDArray[Any], Any]:
    """Return texts as numbers of their kind, and the number that stands for a missing one."""
    if isinstance(kind, tuple):
        number = {"": NO_NUMBER, **{name: place for place, name in enumerate(kind)}}
        return np.array([number[word] for word in words], np.int32), np.int32(NO_NUMBER)
    if kind == "float":
        missing = NO_SCORE if is_legacy else np.nan
        return np.array([float(word) if word else missing for word in words], np.float64), np.float64(missing)
    none, dtype = (UNSET, np.uint64) if kind == "uint" else (np.int64(NO_NUMBER), np.int64)
    return np.array([int(word) if word else none for word in words], dtype), none


def _class_numbers(kinds: Mapping[str, Kind]) -> dict[str, dict[str, int]]:
    """Return branch -> class -> number."""
    return {
        name: {word: place for place, word in enumerate(kind)}
        for name, kind in kinds.items()
        if isinstance(kind, tuple)
    }


# ---- what is finished

FINISHED = "finished "
"""Beginning of the comment of a cfg on finished files."""


def finished_line(state: str, paths: Sequence[Path]) -> str:
    """Return the comment of a cfg that says of what state the files beside it are."""
    return FINISHED + json.dumps({"state": state, "files": sorted({path.name for path in paths})})


def is_finished(cfg: Path, state: str) -> bool:
    """Return whether the files beside a cfg are of a state, all there, and unchanged since."""
    try:
        lines = cfg.read_text(encoding="utf-8").splitlines()
        (line,) = (one for one in lines if one.startswith(f"# {FINISHED}"))
        known = json.loads(line.removeprefix(f"# {FINISHED}"))
        latest = max(cfg.with_name(name).stat().st_mtime_ns for name in known["files"])
        return bool(known["state"] == state and latest <= cfg.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return False
