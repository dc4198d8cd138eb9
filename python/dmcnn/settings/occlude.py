"""Settings of ``occlude``."""

from __future__ import annotations

from typing import ClassVar, Literal

from dmcnn.settings.base import Entries, setting
from dmcnn.settings.network import NetworkSettings


class OccludeSettings(NetworkSettings):
    """Score an event again for every charged pixel, with a window around it blanked; resumes where it stopped."""

    weight_file: str = setting(
        ...,
        "input files",
        "checkpoint of dmcnn or a .pwf of DM-CNN",
        example="outputs/DM-CNN_model_best.ckpt",
    )
    entries: Entries = setting(
        ..., "events to look at", "entry number(s), also -n ENTRY, -n 3,7 or -n 0-3", example=[0, 1]
    )
    occlusion_size: int = setting(4, "occlusion windows", "[pixels] k of the (2k+1) x (2k+1) window", ge=0)
    occlusion_depth: int | None = setting(
        None,
        "occlusion windows",
        "[frames] half depth of the window in time frames (default: all frames)",
        ge=0,
    )
    normalization: bool = setting(True, "pictures", "draw the maps scaled to 0..1 instead of raw scores")
    border: Literal["clip", "skip"] = setting(
        "clip",
        "occlusion windows",
        "windows across the border of the image: clipped, or skipped as in DM-CNN",
    )
    fill: Literal["zero", "mean", "noise"] = setting(
        "zero",
        "occlusion windows",
        "charge under a window: zero, the mean of the charged pixels of the plane, or values of them",
    )
    stride: int = setting(
        1,
        "occlusion windows",
        "[pixels] 1 = one window per charged pixel; s = one window per s x s cell with charge",
        ge=1,
    )
    cmap: str = setting("viridis", "pictures", "matplotlib colour map")
    seed_number: int = setting(1, "machine", "seed of fill = noise", ge=0, le=2**32 - 1)
    zoom: bool = setting(False, "pictures", "draw only the part of the image that holds charge")

    resumes: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file")
