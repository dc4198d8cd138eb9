"""The images to train, validate and test on."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages
from dmcnn.training.split import stratified

log = logging.getLogger("dmcnn")


def usable(images: SparseImages, what: str) -> SparseImages:
    """The images that can be used: events without one, or with a target that is no number, are left out and counted.

    Args:
        images: labelled.
        what: "train", "validation" or "test", for people.
    """
    left_out = ~images.has_image, "hold no image"
    unknown = np.zeros(len(images), bool)
    if images.label is not None and images.label.ndim == 2:
        unknown = ~left_out[0] & ~np.isfinite(images.label).all(axis=1)
    for which, why in (left_out, (unknown, "have a target that is no number")):
        if which.any():
            log.warning("warning: %d of %d %s events %s: left out", which.sum(), len(which), what, why)
    if (left_out[0] | unknown).any():
        images = images.take(~(left_out[0] | unknown))
    if not len(images):
        raise InputError(f"no {what} event holds an image")
    return images


def split(
    images: Mapping[str, SparseImages], shares: Mapping[str, float], seed: int
) -> dict[str, SparseImages]:
    """The images with parts of the training images taken away for validation and test.

    Args:
        images: "train" and others, labelled.
        shares: of the training images, by the name of the part; of every class, where there are classes.
        seed: the same images, shares and seed give the same parts.
    """
    if not shares:
        return dict(images)
    whole = images["train"]
    label = np.asarray(whole.label)
    if label.ndim == 2:
        label = np.zeros(len(whole), np.int64)
    *parts, rest = stratified(label, list(shares.values()), seed)
    found = {**images, "train": whole.take(rest)}
    found |= {what: whole.take(part) for what, part in zip(shares, parts, strict=True)}
    for what, part in found.items():
        if not len(part):
            raise InputError(f"{len(whole)} events are too few: none is left for {what}")
    return found
