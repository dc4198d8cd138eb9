"""Parts of a training: images for training, validation and test."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages
from dmcnn.training.split import stratified_split

log = logging.getLogger("dmcnn")

IMBALANCE = 20
"""Ratio of the largest to the smallest class of the training events from which a remark is made."""
BLOCK = 1024
"""Events whose hashes are computed at a time."""
NAMES: dict[str, str] = {"train": "training", "validation": "validation", "test": "test"}
"""Part of a training -> its name in texts."""


def drop_unusable(images: SparseImages, part: str) -> SparseImages:
    """Return the images without events that hold no image or a target that is no number; log their numbers.

    Args:
        images: labelled images.
        part: "train", "validation" or "test", for messages.

    Raises:
        InputError: no image is left.
    """
    empty = ~images.has_image
    unknown = np.zeros(len(images), bool)
    if images.label is not None and images.label.ndim == 2:
        unknown = ~empty & ~np.isfinite(images.label).all(axis=1)
    for which, why in ((empty, "hold no image"), (unknown, "have a target that is no number")):
        if which.any():
            log.warning("warning: %d of %d %s events %s: left out", which.sum(), len(which), part, why)
    if (empty | unknown).any():
        images = images.take(~(empty | unknown))
    if not len(images):
        raise InputError(f"no {part} event holds an image")
    return images


def split(
    images: Mapping[str, SparseImages],
    shares: Mapping[str, float],
    seed: int,
    fold: tuple[int, int] | None = None,
) -> dict[str, SparseImages]:
    """Return the images of all parts, with shares of the training images moved to validation and test.

    Args:
        images: labelled images by part, among them "train".
        shares: share of the training images of each new part; for classification, of every class.
        seed: the same images, shares and seed give the same parts.
        fold: (i, n): what is left for training is cut into n folds, of which i becomes the validation part.

    Raises:
        InputError: a part without images, but for validation, which a small sample goes without.
    """
    if not shares and fold is None:
        return dict(images)
    whole = images["train"]
    label = np.asarray(whole.label)
    if label.ndim == 2:
        label = np.zeros(len(whole), np.int64)
    left, count = 1 - sum(shares.values()), fold[1] if fold else 0
    *chosen, rest = stratified_split(label, [*shares.values(), *[left / count for _ in range(count)]], seed)
    folds, chosen = chosen[len(shares) :], chosen[: len(shares)]
    if fold:
        shares, chosen = {**shares, "validation": left / count}, [*chosen, folds.pop(fold[0])]
        rest = np.sort(np.concatenate([rest, *folds]))
    parts = {**images, "train": whole.take(rest)}
    parts |= {name: whole.take(numbers) for name, numbers in zip(shares, chosen, strict=True)}
    if "validation" in shares and not len(parts["validation"]) and not fold:
        log.warning("warning: %d training events are too few to spare any for validation", len(whole))
        del parts["validation"]
    for name, part in parts.items():
        if not len(part):
            why = f" of fold {fold[0]} of {fold[1]}" if fold else ""
            raise InputError(f"{len(whole)} training events are too few: none is left for {name}{why}")
    return parts


def remarks(images: Mapping[str, SparseImages], classes: Sequence[str]) -> list[str]:
    """Return what is wrong with the parts of a training, a sentence each: classes, and events in two of them.

    Args:
        images: labelled images by part.
        classes: names of the class numbers; empty for regression.
    """
    hashes = {part: event_hashes(images[part]) for part in NAMES if part in images}
    found = []
    for part, other in combinations(hashes, 2):
        same = int((np.isin(hashes[other], hashes[part]) & (images[other].n_pixels > 0)).sum())
        if same:
            found.append(f"{same} of {len(images[other])} {NAMES[other]} events are {NAMES[part]} events too")
    for part in hashes:
        label = images[part].label
        if classes and label is not None:
            found += _class_remarks(label, classes, NAMES[part])
    return found


def _class_remarks(label: NDArray[np.int64], classes: Sequence[str], part: str) -> list[str]:
    """Return a sentence per class without an event, or one on classes of very different sizes."""
    counts = np.bincount(label, minlength=len(classes))
    missing = [f"no {part} event is {name}" for name, count in zip(classes, counts, strict=True) if not count]
    least, most = int(counts.argmin()), int(counts.argmax())
    if missing or part != "training" or counts[most] < IMBALANCE * counts[least]:
        return missing
    return [
        f"{counts[least]} training events are {classes[least]} and {counts[most]} are {classes[most]}: "
        "a network may learn to name the larger class alone"
    ]


def event_hashes(images: SparseImages) -> NDArray[np.uint64]:
    """Return an (n,) uint64 hash of the pixels of every image, and of its targets if it has some.

    Equal events have equal hashes, whatever their files and ids are; others agree with a probability of 2^-64.
    """
    hashes = np.zeros(len(images), np.uint64)
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        offsets = images.offsets[start : start + BLOCK + 1]
        pixels = slice(int(offsets[0]), int(offsets[-1]))
        bits = np.asarray(images.value[pixels], np.float32).view(np.uint32).astype(np.uint64)
        words = _mix(bits | (images.index[pixels].astype(np.uint64) << np.uint64(32)))
        sums = np.concatenate([[np.uint64(0)], np.cumsum(words, dtype=np.uint64)])
        hashes[block] = np.diff(sums[offsets - offsets[0]])  # modulo 2^64, in any order of the pixels
    if images.label is not None and images.label.ndim == 2:
        for column in np.asarray(images.label, np.float32).view(np.uint32).astype(np.uint64).T:
            hashes = _mix(hashes + column)
    return hashes


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return every word with its bits mixed, as splitmix64 does."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
