"""Settings of ``occlude``."""

from __future__ import annotations

from typing import ClassVar, Literal

from dmcnn.settings.base import Entries, setting
from dmcnn.settings.network import NetworkSettings


class OccludeSettings(NetworkSettings):
    """Score an event again for every charged pixel, with a window around it blanked; resumes where it stopped."""

    weight_file: str = setting(
        example="outputs/DM-CNN_model_best.ckpt",
        section="input files",
        description="checkpoint of dmcnn or a .pwf of DM-CNN",
    )
    entries: Entries = setting(
        example=[0, 1],
        section="events to look at",
        description="entry number(s), also -n ENTRY, -n 3,7 or -n 0-3",
    )
    occlusion_size: int = setting(
        4, ge=0, section="occlusion windows", description="[pixels] k of the (2k+1) x (2k+1) window"
    )
    occlusion_depth: int | None = setting(
        None,
        ge=0,
        section="occlusion windows",
        description="[frames] half depth of the window in time frames (default: all frames)",
    )
    normalization: bool = setting(
        True, section="pictures", description="draw the maps scaled to 0..1 instead of raw scores"
    )
    border: Literal["clip", "skip"] = setting(
        "clip",
        section="occlusion windows",
        description="windows across the border of the image: clipped, or skipped as in DM-CNN",
    )
    fill: Literal["zero", "mean", "noise"] = setting(
        "zero",
        section="occlusion windows",
        description="charge under a window: zero, the mean of the charged pixels of the plane, or values of them",
    )
    stride: int = setting(
        1,
        ge=1,
        section="occlusion windows",
        description="[pixels] 1 = one window per charged pixel; s = one window per s x s cell with charge",
    )
    cmap: str = setting("viridis", section="pictures", description="matplotlib colour map")
    seed_number: int = setting(1, ge=0, le=2**32 - 1, section="machine", description="seed of fill = noise")
    zoom: bool = setting(
        False, section="pictures", description="draw only the part of the image that holds charge"
    )

    resumes: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file")
