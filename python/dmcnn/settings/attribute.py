"""Settings of ``attribute``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from dmcnn.settings.base import Conflict, Label, Paths, setting
from dmcnn.settings.choice import Choosing

Format = Literal["png", "pdf", "html"]


class AttributeSettings(Choosing):
    """Explain what the network looks at: attribution maps, judged and drawn; resumes where it stopped."""

    weight_file: str = setting(
        example="outputs/DM-CNN_model_best.ckpt",
        section="input files",
        description="checkpoint of dmcnn, a .pwf of DM-CNN, or Keras' .h5",
    )
    disagree: int | None = setting(
        None,
        ge=1,
        section="events to look at",
        description="so many events on which two networks differ most",
    )
    other_weight_file: str | None = setting(
        None, section="events to look at", description="the other network, for disagree"
    )
    other_score_csv: Paths | None = setting(
        None, section="events to look at", description="or its scores, one CSV per input file"
    )
    methods: str | list[str] = setting(
        "lariat",
        section="methods",
        description='names of methods; "lariat" is eight of them, "all" every one',
    )
    target: str | int = setting(
        "predicted",
        section="methods",
        description='what is explained: a class by name or number, or "predicted"',
    )
    output: Literal["logit", "score"] = setting(
        "logit", section="methods", description="its logit, or its score after the activation"
    )
    layer: str | None = setting(
        None,
        section="methods",
        description="layer of the CAMs by name or grid (32x32); default: the deepest of 1/16 of the image",
    )
    list_layers: bool = setting(
        False,
        section="methods",
        description="show name, grid and channels of every layer; also --list-layers",
    )
    smooth_of: str = setting(
        "saliency", section="methods", description="the method inside smooth_grad and var_grad"
    )
    n_samples: int | None = setting(
        None, ge=1, section="methods", description="noisy copies, or samples of the path (default: theirs)"
    )
    noise: float | None = setting(
        None, ge=0, section="methods", description="noise of these copies, share of the image's range"
    )
    where: Literal["active", "all"] | None = setting(
        None, section="methods", description="the pixels that get this noise"
    )
    n_steps: int | None = setting(
        None, ge=1, section="methods", description="gradients of integrated gradients"
    )
    baseline: float | None = setting(
        None, section="methods", description="value of every pixel where integrated gradients begin"
    )
    percentile: float | None = setting(None, ge=0, lt=100, section="methods", description="[%] of RectGrad")
    occlusion_size: int | None = setting(
        None, ge=0, section="occlusion windows", description="[pixels] k of the (2k+1) x (2k+1) window"
    )
    occlusion_depth: int | None = setting(
        None,
        ge=0,
        section="occlusion windows",
        description="[frames] half depth of the window of time frames (default: all of them)",
    )
    fill: Literal["zero", "mean", "noise"] | None = setting(
        None, section="occlusion windows", description="charge under such a window"
    )
    stride: int | None = setting(
        None,
        ge=1,
        section="occlusion windows",
        description="[pixels] one window per stride x stride cell with charge",
    )
    judge: bool = setting(
        True, section="quality", description="measure every map, beside random maps and the charge itself"
    )
    steps: int = setting(
        24, ge=1, section="quality", description="points of the deletion and insertion curves"
    )
    n_random: int = setting(8, ge=1, section="quality", description="random orders to compare these with")
    n_noise: int = setting(
        3, ge=0, section="quality", description="noisy copies of the sensitivity; 0 = none"
    )
    redraw: bool = setting(
        True, section="quality", description="compare with maps of the network with random parameters"
    )
    seed_number: int = setting(
        1, ge=0, le=2**32 - 1, section="machine", description="seed of all that is random"
    )
    label: Label | None = setting(
        None, section="classes and labels", description="as in training (default: the checkpoint's rule)"
    )
    format: Format | list[Format] = setting(
        ["png", "pdf", "html"],
        section="pictures",
        description="of the pictures; html: interactive pages, and one of all events",
    )
    each: bool = setting(
        False, section="pictures", description="a figure of every map, beside the overview of all"
    )
    signed_cmap: str = setting(
        "seismic", section="pictures", description="matplotlib colour map of signed maps"
    )
    percentile_shown: float = setting(
        99.5,
        gt=0,
        le=100,
        section="pictures",
        description="[%] of the active pixels inside the colour scale of a map",
    )
    zoom: bool = setting(
        True, section="pictures", description="draw only the part of the image that holds charge"
    )

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
