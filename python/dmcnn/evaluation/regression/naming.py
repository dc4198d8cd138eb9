"""Names of networks: score tables and weight files by network and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import expand

TAG = "_DM-CNN_scores"
"""Text between the names of the input and of the run in file names of infer."""


def networks(
    scores: str | Sequence[str] | Mapping[str, str | Sequence[str | Sequence[str]]],
    names: Sequence[str] | None,
) -> dict[str, list[list[str]]]:
    """Return {network: [[score tables of the sample of a seed], …]}.

    Args:
        scores: paths and globs, one file per network; or {network: paths}, one file per seed, where an inner list is
            a sample in several files.
        names: names of the networks of a list, one per file; the same name again means another seed.
    """
    if isinstance(scores, Mapping):
        return {name: _seeds([items] if isinstance(items, str) else items) for name, items in scores.items()}
    files = expand(scores)
    grouped = group_by_name(names or short_names(files), files, "names", "score files")
    return {name: [[file] for file in group] for name, group in grouped.items()}


def weights(
    files: str | Sequence[str] | Mapping[str, str | Sequence[str]],
    scores: Mapping[str, Sequence[Sequence[str]]],
    names: Sequence[str] | None,
) -> dict[str, list[str]]:
    """Return {network: [weight file of each seed]}.

    Args:
        files: paths and globs in the order of the score tables; or {network: paths} in the order of its seeds.
        scores: result of ``networks``.
        names: argument of ``networks``.

    Raises:
        InputError: a network without scores, or another number of files than seeds.
    """
    if not isinstance(files, Mapping):
        return group_by_name(names or list(scores), expand(files), "score files", "weight files")
    by_network = {name: expand([item] if isinstance(item, str) else item) for name, item in files.items()}
    for name, paths in by_network.items():
        if name not in scores:
            raise InputError(f"weights: scores has no network {name!r}{nearest(name, scores)}")
        if len(paths) != len(scores[name]):
            raise InputError(
                f"weights: {len(paths)} files for {len(scores[name])} seeds of {name!r}: give one each"
            )
    return by_network


def group_by_name(names: Sequence[str], files: Sequence[str], kind: str, what: str) -> dict[str, list[str]]:
    """Return {name: files}; InputError if names and files differ in number.

    Args:
        names: name of each file.
        files: paths.
        kind: word for the names, for the message.
        what: word for the files, for the message.
    """
    if len(names) != len(files):
        raise InputError(f"{len(names)} {kind} for {len(files)} {what}: give one each, in order")
    grouped: dict[str, list[str]] = {}
    for name, file in zip(names, files, strict=True):
        grouped.setdefault(name, []).append(file)
    return grouped


def short_names(files: Sequence[str]) -> list[str]:
    """Return the shortest distinct names of score tables: of the run, else of the file, else the whole path."""
    stems = [Path(file).stem for file in files]
    runs = [stem.partition(f"{TAG}_")[2] or stem.removesuffix(TAG) for stem in stems]
    return next(names for names in (runs, stems, list(files)) if len(set(names)) == len(names))


def _seeds(items: Sequence[str | Sequence[str]]) -> list[list[str]]:
    """Return the score tables of each seed; an inner list is one seed, a text is one seed per file."""
    seeds: list[list[str]] = []
    for item in items:
        seeds += [[file] for file in expand(item)] if isinstance(item, str) else [expand(item)]
    return seeds
