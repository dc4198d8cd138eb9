"""Settings of ``attribute``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from dmcnn.settings.base import Conflict, Label, Paths, setting
from dmcnn.settings.choice import SelectionSettings

PictureFormat = Literal["png", "pdf", "html"]


class AttributeSettings(SelectionSettings):
    """Explain the decisions of a network: attribution maps, their quality and figures; resumes where it stopped."""

    weight_file: str = setting(
        example="outputs/DM-CNN_model_best.ckpt",
        section="input files",
        description="checkpoint of dmcnn, a .pwf of DM-CNN, or a .h5 of Keras",
    )
    disagree: int | None = setting(
        None,
        ge=1,
        section="events to look at",
        description="number of events with the largest difference of the scores of two networks",
    )
    other_weight_file: str | None = setting(
        None, section="events to look at", description="checkpoint of the other network, for disagree"
    )
    other_score_csv: Paths | None = setting(
        None,
        section="events to look at",
        description="scores of the other network instead of its checkpoint, one CSV per input file",
    )
    methods: str | list[str] = setting(
        "lariat",
        section="methods",
        description='names of methods; "lariat" = the eight of LArIAT, "all" = every method',
    )
    target: str | int = setting(
        "predicted",
        section="methods",
        description='output that is explained: a class by name or number, or "predicted"',
    )
    output: Literal["logit", "score"] = setting(
        "logit", section="methods", description="explain the logit, or the score after the activation"
    )
    layer: str | None = setting(
        None,
        section="methods",
        description="layer of the CAMs by name or grid (32x32); default: the deepest at 1/16 of the image size",
    )
    list_layers: bool = setting(
        False,
        section="methods",
        description="print name, grid and channels of every layer; also --list-layers",
    )
    smooth_of: str = setting(
        "saliency", section="methods", description="method that smooth_grad and var_grad average"
    )
    n_samples: int | None = setting(
        None,
        ge=1,
        section="methods",
        description="noisy copies, or samples of the path (default: that of the method)",
    )
    noise: float | None = setting(
        None,
        ge=0,
        section="methods",
        description="rms of the noise of the copies, as a share of the range of the image",
    )
    where: Literal["active", "all"] | None = setting(
        None, section="methods", description="pixels that receive the noise"
    )
    n_steps: int | None = setting(
        None, ge=1, section="methods", description="number of gradients of integrated gradients"
    )
    baseline: float | None = setting(
        None, section="methods", description="pixel value of the image at which integrated gradients begin"
    )
    percentile: float | None = setting(
        None, ge=0, lt=100, section="methods", description="[%] threshold of RectGrad"
    )
    occlusion_size: int | None = setting(
        None, ge=0, section="occlusion windows", description="[pixels] k of the (2k+1) x (2k+1) window"
    )
    occlusion_depth: int | None = setting(
        None,
        ge=0,
        section="occlusion windows",
        description="[frames] half depth of the window in time frames (default: all frames)",
    )
    fill: Literal["zero", "mean", "noise"] | None = setting(
        None, section="occlusion windows", description="charge under an occlusion window"
    )
    stride: int | None = setting(
        None,
        ge=1,
        section="occlusion windows",
        description="[pixels] one window per stride x stride cell with charge",
    )
    judge: bool = setting(
        True,
        section="quality",
        description="measure the quality of every map, of random maps and of the charge",
    )
    steps: int = setting(
        24, ge=1, section="quality", description="points of the deletion and insertion curves"
    )
    n_random: int = setting(
        8, ge=1, section="quality", description="random orders for comparison with these curves"
    )
    n_noise: int = setting(
        3, ge=0, section="quality", description="noisy copies for the sensitivity to noise; 0 = none"
    )
    redraw: bool = setting(
        True, section="quality", description="compare with maps of the same network with random parameters"
    )
    seed_number: int = setting(
        1, ge=0, le=2**32 - 1, section="machine", description="seed of all random numbers"
    )
    label: Label | None = setting(
        None,
        section="classes and labels",
        description="class of an event, as in training (default: the rule of the checkpoint)",
    )
    format: PictureFormat | list[PictureFormat] = setting(
        ["png", "pdf", "html"],
        section="pictures",
        description="formats of the pictures; html: interactive pages, and a page of all events",
    )
    each: bool = setting(
        False, section="pictures", description="draw a figure of every map, besides the overview of all"
    )
    signed_cmap: str = setting(
        "RdBu_r", section="pictures", description="matplotlib colour map of signed maps"
    )
    percentile_shown: float = setting(
        99.5,
        gt=0,
        le=100,
        section="pictures",
        description="[%] share of the active pixels within the colour scale of a map",
    )
    zoom: bool = setting(
        True, section="pictures", description="draw only the part of the image that holds charge"
    )

    resumes: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = (*SelectionSettings.inputs, "other_weight_file", "other_score_csv")

    @property
    def order(self) -> str:
        """Order of the selected events, for the page of all events."""
        kinds = [super().order, "disagreement" if self.disagree is not None else ""]
        return ", then ".join(filter(None, kinds))

    @property
    def needs_scores(self) -> bool:
        """Whether the selection needs the scores of all events."""
        return super().needs_scores or self.disagree is not None

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
            **self.model_dump(include={"target", "output", "redraw", "each", "zoom", "signed_cmap"}),
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
        others = (self.other_weight_file, self.other_score_csv)
        if (self.disagree is not None) != any(other is not None for other in others):
            keys = "disagree", "other_weight_file", "other_score_csv"
            yield (
                keys,
                "disagree and other_weight_file or other_score_csv go together: give both or neither",
            )
        if all(other is not None for other in others):
            yield (
                ("other_weight_file", "other_score_csv"),
                "other_weight_file and other_score_csv exclude each other: give one",
            )
