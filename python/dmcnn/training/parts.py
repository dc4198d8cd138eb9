"""Parts of a training: images for training, validation and test."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages
from dmcnn.training.split import stratified_split

log = logging.getLogger("dmcnn")


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
    images: Mapping[str, SparseImages], shares: Mapping[str, float], seed: int
) -> dict[str, SparseImages]:
    """Return the images of all parts, with shares of the training images moved to validation and test.

    Args:
        images: labelled images by part, among them "train".
        shares: share of the training images of each new part; for classification, of every class.
        seed: the same images, shares and seed give the same parts.

    Raises:
        InputError: a part without images.
    """
    if not shares:
        return dict(images)
    whole = images["train"]
    label = np.asarray(whole.label)
    if label.ndim == 2:
        label = np.zeros(len(whole), np.int64)
    *chosen, rest = stratified_split(label, list(shares.values()), seed)
    parts = {**images, "train": whole.take(rest)}
    parts |= {name: whole.take(numbers) for name, numbers in zip(shares, chosen, strict=True)}
    for name, part in parts.items():
        if not len(part):
            raise InputError(f"{len(whole)} training events are too few: none is left for {name}")
    return parts
