"""Settings of the random changes of training images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dmcnn.settings.base import Conflict, Settings, setting


class AugmentationSettings(Settings):
    """Keys of the random changes of training images."""

    augment: bool = setting(True, "augmentation", "random flips and transposition of training images")
    augment_shift: float = setting(
        0.0, "augmentation", "random shifts of training images, up to this share of either side", ge=0, lt=1
    )
    augment_rotation: float = setting(
        0.0,
        "augmentation",
        "[degrees] random rotations of the pixels of training images, up to this angle both ways",
        ge=0,
        le=180,
    )
    augment_rot90: bool = setting(
        False,
        "augmentation",
        "random turns of training images by multiples of 90 degrees (180 if not square), without the mirror images "
        "of augment",
    )
    augment_charge: float = setting(
        0.0,
        "augmentation",
        "random factors of the charge of training images, from 1 less this number to 1 plus it",
        ge=0,
        lt=1,
    )
    augment_dead_wires: float = setting(
        0.0,
        "augmentation",
        "probability that a wire (column) of a training image is dead",
        ge=0,
        lt=1,
    )
    augment_noise: float = setting(
        0.0, "augmentation", "rms of the noise that is added to active pixels of training images", ge=0
    )
    augment_mask: float = setting(
        0.0, "augmentation", "probability that an active pixel of a training image is removed", ge=0, lt=1
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.augment and self.augment_rot90:
            keys = "augment", "augment_rot90"
            yield (
                keys,
                "augment_rot90 turns images without mirroring them, and augment mirrors them: give one",
            )

    def augmentation(self, height: int, width: int) -> dict[str, Any]:
        """Return the random changes of images of a size in pixels, see training.batches.Batches."""
        return {
            "augment": self.augment,
            "shift": (round(self.augment_shift * height), round(self.augment_shift * width)),
            "rot90": self.augment_rot90,
            "rotation": self.augment_rotation,
            "charge": self.augment_charge,
            "dead_wires": self.augment_dead_wires,
            "noise": self.augment_noise,
            "mask": self.augment_mask,
        }
