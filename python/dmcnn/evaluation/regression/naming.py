"""Which score table and which weight file belongs to which network and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import expand

TAG = "_DM-CNN_scores"
"""What infer puts between the name of its input and that of the run."""


def networks(
    scores: str | Sequence[str] | Mapping[str, str | Sequence[str | Sequence[str]]],
    names: Sequence[str] | None,
) -> dict[str, list[list[str]]]:
    """By network and seed, the score tables of its sample.

    Args:
        scores: paths and globs, a network for each file; or by network, a seed for each file, where a list inside
            the list is a sample in several files.
        names: of the networks of a list, one per file; the same name again is another seed.
    """
    if isinstance(scores, Mapping):
        return {name: _seeds([of] if isinstance(of, str) else of) for name, of in scores.items()}
    files = expand(scores)
    found = by_name(names or short(files), files, "names", "score files")
    return {name: [[file] for file in of] for name, of in found.items()}


def weights(
    given: str | Sequence[str] | Mapping[str, str | Sequence[str]],
    scores: Mapping[str, Sequence[Sequence[str]]],
    names: Sequence[str] | None,
) -> dict[str, list[str]]:
    """By network, the weight file of each seed.

    Args:
        given: paths and globs in the order of the score tables; or by network, in the order of its seeds.
        scores: what ``networks`` found.
        names: as given to ``networks``.

    Raises:
        InputError: a network that has no scores, or not one file per seed.
    """
    if not isinstance(given, Mapping):
        return by_name(names or list(scores), expand(given), "score files", "weight files")
    found = {name: expand([of] if isinstance(of, str) else of) for name, of in given.items()}
    for name, files in found.items():
        if name not in scores:
            raise InputError(f"weights: scores has no network {name!r}{nearest(name, scores)}")
        if len(files) != len(scores[name]):
            raise InputError(
                f"weights: {len(files)} files for {len(scores[name])} seeds of {name!r}: give one each"
            )
    return found


def by_name(names: Sequence[str], files: Sequence[str], kind: str, what: str) -> dict[str, list[str]]:
    """Files with the same name together; InputError if there are more of the one than of the other."""
    if len(names) != len(files):
        raise InputError(f"{len(names)} {kind} for {len(files)} {what}: give one each, in order")
    found: dict[str, list[str]] = {}
    for name, file in zip(names, files, strict=True):
        found.setdefault(name, []).append(file)
    return found


def short(files: Sequence[str]) -> list[str]:
    """Names for the networks of score tables: that of the run, else of the file, else the whole path."""
    stems = [Path(file).stem for file in files]
    runs = [stem.partition(f"{TAG}_")[2] or stem.removesuffix(TAG) for stem in stems]
    return next(names for names in (runs, stems, list(files)) if len(set(names)) == len(names))


def _seeds(items: Sequence[str | Sequence[str]]) -> list[list[str]]:
    found: list[list[str]] = []
    for item in items:
        found += [[file] for file in expand(item)] if isinstance(item, str) else [expand(item)]
    return found
