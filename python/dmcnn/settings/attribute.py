"""Settings of ``attribute``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from dmcnn.settings.base import Conflict, Label, setting
from dmcnn.settings.choice import ComparisonSettings

PictureFormat = Literal["png", "pdf", "html"]


class AttributeSettings(ComparisonSettings):
    """Explain the decisions of a network: attribution maps, their quality and figures; resumes where it stopped."""

    weight_file: str = setting(
        ...,
        "input files",
        "checkpoint of dmcnn, a .pwf of DM-CNN, or a .h5 of Keras",
        example="outputs/DM-CNN_model_best.ckpt",
    )
    methods: str | list[str] = setting(
        "lariat", "methods", 'names of methods; "lariat" = the eight of LArIAT, "all" = every method'
    )
    target: str | int = setting(
        "predicted", "methods", 'output that is explained: a class by name or number, or "predicted"'
    )
    output: Literal["logit", "score"] = setting(
        "logit", "methods", "explain the logit, or the score after the activation"
    )
    layer: str | None = setting(
        None,
        "methods",
        "layer of the CAMs by name or grid (32x32); default: the deepest at 1/16 of the image size",
    )
    list_layers: bool = setting(
        False, "methods", "print name, grid and channels of every layer; also --list-layers"
    )
    smooth_of: str = setting("saliency", "methods", "method that smooth_grad and var_grad average")
    n_samples: int | None = setting(
        None, "methods", "noisy copies, or samples of the path (default: that of the method)", ge=1
    )
    noise: float | None = setting(
        None, "methods", "rms of the noise of the copies, as a share of the range of the image", ge=0
    )
    where: Literal["active", "all"] | None = setting(None, "methods", "pixels that receive the noise")
    n_steps: int | None = setting(None, "methods", "number of gradients of integrated gradients", ge=1)
    baseline: float | None = setting(
        None, "methods", "pixel value of the image at which integrated gradients begin"
    )
    percentile: float | None = setting(None, "methods", "[%] threshold of RectGrad", ge=0, lt=100)
    occlusion_size: int | None = setting(
        None, "occlusion windows", "[pixels] k of the (2k+1) x (2k+1) window", ge=0
    )
    occlusion_depth: int | None = setting(
        None,
        "occlusion windows",
        "[frames] half depth of the window in time frames (default: all frames)",
        ge=0,
    )
    fill: Literal["zero", "mean", "noise", "local_mean"] | None = setting(
        None, "occlusion windows", "charge under an occlusion window"
    )
    stride: int | None = setting(
        None, "occlusion windows", "[pixels] one window per stride x stride cell with charge", ge=1
    )
    judge: bool = setting(
        True, "quality", "measure the quality of every map, of random maps and of the charge"
    )
    steps: int = setting(24, "quality", "points of the deletion and insertion curves", ge=1)
    n_random: int = setting(8, "quality", "random orders for comparison with these curves", ge=1)
    n_noise: int = setting(3, "quality", "noisy copies for the sensitivity to noise; 0 = none", ge=0)
    redraw: bool = setting(True, "quality", "compare with maps of the same network with random parameters")
    seed_number: int = setting(1, "machine", "seed of all random numbers", ge=0, le=2**32 - 1)
    label: Label | None = setting(
        None, "classes and labels", "class of an event, as in training (default: the rule of the checkpoint)"
    )
    format: PictureFormat | list[PictureFormat] = setting(
        ["png", "pdf", "html"],
        "pictures",
        "formats of the pictures; html: interactive pages, and a page of all events",
    )
    each: bool = setting(False, "pictures", "draw a figure of every map, besides the overview of all")
    signed_cmap: str = setting("RdBu_r", "pictures", "matplotlib colour map of signed maps")
    percentile_shown: float = setting(
        99.5, "pictures", "[%] share of the active pixels within the colour scale of a map", gt=0, le=100
    )
    zoom: bool = setting(True, "pictures", "draw only the part of the image that holds charge")

    resumes: ClassVar[bool] = True

    def options(self) -> dict[str, Any]:
        """Return the options of attribution methods that the cfg gives."""
        names = (
            "layer",
            "n_samples",
            "noise",
            "where",
            "n_steps",
            "baseline",
            "percentile",
            "fill",
            "stride",
        )
        given = self.model_dump(include=set(names), exclude_none=True)
        window = {"k": self.occlusion_size, "depth": self.occlusion_depth}
        return given | {name: size for name, size in window.items() if size is not None}

    def report(self) -> dict[str, Any]:
        """Return the contents and looks of the report of an event, see attribution.report.ReportOptions."""
        return {
            **self.model_dump(
                include={"target", "output", "redraw", "each", "zoom", "signed_cmap", "engine"}
            ),
            "percentile": self.percentile_shown,
            "formats": self.formats,
            "judging": self.quality_options() if self.judge else None,
        }

    def quality_options(self) -> dict[str, Any]:
        """Return the arguments of the quality measures."""
        return {
            "steps": self.steps,
            "n_random": self.n_random,
            "n_noise": self.n_noise,
            "seed": self.seed_number,
        }

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        if not self.list_layers:
            yield from super().conflicts()
