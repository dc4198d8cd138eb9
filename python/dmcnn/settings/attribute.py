"""Settings of ``attribute``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from dmcnn.settings.base import Conflict, Label, Paths
from dmcnn.settings.choice import Choosing

Format = Literal["png", "pdf", "html"]


class AttributeSettings(Choosing):
    """Explain what the network looks at: attribution maps, judged and drawn; resumes where it stopped."""

    weight_file: str = Field(description="checkpoint of dmcnn, a .pwf of DM-CNN, or Keras' .h5")
    disagree: int | None = Field(None, ge=1, description="so many events on which two networks differ most")
    other_weight_file: str | None = Field(None, description="the other network, for disagree")
    other_score_csv: Paths | None = Field(None, description="or its scores, one CSV per input file")
    methods: str | list[str] = Field(
        "lariat", description='names of methods; "lariat" is eight of them, "all" every one'
    )
    target: str | int = Field(
        "predicted", description='what is explained: a class by name or number, or "predicted"'
    )
    output: Literal["logit", "score"] = Field(
        "logit", description="its logit, or its score after the activation"
    )
    layer: str | None = Field(
        None,
        description="layer of the CAMs by name or grid (32x32); default: the deepest of 1/16 of the image",
    )
    list_layers: bool = Field(
        False, description="show name, grid and channels of every layer; also --list-layers"
    )
    smooth_of: str = Field("saliency", description="the method inside smooth_grad and var_grad")
    n_samples: int | None = Field(
        None, ge=1, description="noisy copies, or samples of the path (default: theirs)"
    )
    noise: float | None = Field(None, ge=0, description="noise of these copies, share of the image's range")
    where: Literal["active", "all"] | None = Field(None, description="the pixels that get this noise")
    n_steps: int | None = Field(None, ge=1, description="most gradients of integrated gradients")
    baseline: float | None = Field(None, description="value of every pixel where integrated gradients begin")
    percentile: float | None = Field(None, ge=0, lt=100, description="[%] of RectGrad")
    occlusion_size: int | None = Field(None, ge=0, description="[pixels] k of the (2k+1) x (2k+1) window")
    occlusion_depth: int | None = Field(
        None, ge=0, description="[frames] half depth of the window of time frames (default: all of them)"
    )
    fill: Literal["zero", "mean", "noise"] | None = Field(None, description="charge under such a window")
    stride: int | None = Field(
        None, ge=1, description="[pixels] one window per stride x stride cell with charge"
    )
    judge: bool = Field(True, description="measure every map, beside random maps and the charge itself")
    steps: int = Field(24, ge=1, description="points of the deletion and insertion curves")
    n_random: int = Field(8, ge=1, description="random orders to compare these with")
    n_noise: int = Field(3, ge=0, description="noisy copies of the sensitivity; 0 = none")
    redraw: bool = Field(True, description="compare with maps of the network with random parameters")
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed of all that is random")
    label: Label | None = Field(None, description="as in training (default: the checkpoint's rule)")
    format: Format | list[Format] = Field(
        ["png", "pdf", "html"], description="of the pictures; html: interactive pages, and one of all events"
    )
    each: bool = Field(False, description="a figure of every map, beside the overview of all")
    signed_cmap: str = Field("seismic", description="matplotlib colour map of signed maps")
    percentile_shown: float = Field(
        99.5, gt=0, le=100, description="[%] of the active pixels inside the colour scale of a map"
    )
    zoom: bool = Field(True, description="draw only the part of the image that holds charge")

    inputs: ClassVar[tuple[str, ...]] = (*Choosing.inputs, "other_weight_file", "other_score_csv")

    @property
    def order(self) -> str:
        kinds = [super().order, "disagreement" if self.disagree is not None else ""]
        return ", then ".join(filter(None, kinds))

    @property
    def ranks(self) -> bool:
        return super().ranks or self.disagree is not None

    def options(self) -> dict[str, Any]:
        """Options of methods that the cfg gives."""
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

    def judging(self) -> dict[str, Any]:
        """Arguments of the measures."""
        return {
            "steps": self.steps,
            "n_random": self.n_random,
            "n_noise": self.n_noise,
            "seed": self.seed_number,
        }

    def conflicts(self) -> Iterator[Conflict]:
        if not self.list_layers:
            yield from super().conflicts()
        others = (self.other_weight_file, self.other_score_csv)
        if (self.disagree is not None) != any(other is not None for other in others):
            keys = "disagree", "other_weight_file", "other_score_csv"
            yield (
                keys,
                "disagree needs the other network: other_weight_file or other_score_csv, and they need it",
            )
        if all(other is not None for other in others):
            yield ("other_weight_file", "other_score_csv"), "other_weight_file and other_score_csv: give one"
