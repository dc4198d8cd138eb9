"""The settings of the commands that use a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from dmcnn.settings.base import Conflict, Label, Paths
from dmcnn.settings.reading import Reading


def quarter_turn(value: Any) -> Any:
    """DM-CNN wrote ``rotation = False``; its True never worked, for the angle was undefined."""
    if value is True:
        raise ValueError("give the angle in degrees (90, 180 or 270): DM-CNN's True never named one")
    return 0 if value is False else value


class Network(Reading):
    """How a trained network is used; what is not given here comes from its checkpoint."""

    input_file: Paths = Field(description="image files: path, list, globs, or sample://name/split?events=N")
    weight_file: str | None = Field(None, description="checkpoint of dmcnn or a .pwf of DM-CNN")
    output_dir: str = Field("outputs", description="folder of everything that is written")
    batch_size: int = Field(8, ge=1, description="images per forward pass")
    precision: Literal["32", "bf16"] = Field(
        "32", description="bf16 is faster and wrong by up to 0.02 in the logit"
    )

    def network(self) -> dict[str, Any]:
        """How to open the weight file."""
        return {
            "asked": self.reading(),
            "gpuid": self.GPUID,
            "precision": self.precision,
            "batch_size": self.batch_size,
        }

    retired: ClassVar[dict[str, str]] = {
        **{f"weight_file_mpid_{plane}": "name the network of the plane in weight_file" for plane in range(3)},
        "batch": "the batch size is batch_size",
        "batch_size_test": "the batch size is batch_size",
        "run_test": "only training tests",
    }


class InferSettings(Network):
    """Score every entry of every file, into one CSV per file."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    input_csv: Paths | None = Field(
        None, description="analysis CSV joined on run, subrun, event; one per input file"
    )
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = Field(
        0, description="[degrees] turn every image first, a test of robustness"
    )
    label: Label | None = Field(None, description="as in training (default: the checkpoint's rule)")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "input_csv")


Format = Literal["png", "pdf", "html"]
Shown = Literal["png", "pdf", "gif", "mp4", "html"]


class Choosing(Network):
    """Which events to look at, and in which format."""

    format: Any

    entries: int | list[int] | None = Field(None, description="entry number(s); also -n ENTRY")
    top: int | None = Field(None, ge=1, description="so many events of highest score; also --top K")
    bottom: int | None = Field(None, ge=1, description="so many events of lowest score")
    border: int | None = Field(
        None, ge=1, description="so many events whose score is nearest to border_score"
    )
    border_score: float = Field(0.5, description="the score that border means")
    per_file: int | None = Field(None, ge=1, description="at most so many of each of these from one file")
    score_csv: Paths | None = Field(
        None, description="scores from these CSVs, one per input file, instead of the network"
    )
    score_column: str = Field("signal_score", description="column of score_csv")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "score_csv")

    @property
    def by_score(self) -> dict[str, Any]:
        """How many events of which kind of score."""
        return {
            "top": self.top,
            "bottom": self.bottom,
            "border": self.border,
            "border_score": self.border_score,
            "per_file": self.per_file,
        }

    @property
    def formats(self) -> list[str]:
        """The formats as a list."""
        return [self.format] if isinstance(self.format, str) else list(self.format)

    @property
    def order(self) -> str:
        """How the chosen events are ordered, for people."""
        kinds = {
            "entry number": self.entries,
            "highest score": self.top,
            "lowest score": self.bottom,
            f"distance of the score to {self.border_score:g}": self.border,
        }
        return ", then ".join(kind for kind, count in kinds.items() if count is not None)

    @property
    def ranks(self) -> bool:
        """Whether the choice needs the scores of all events."""
        return any(kind is not None for kind in (self.top, self.bottom, self.border))

    @property
    def chooses(self) -> bool:
        """Whether there is anything to do."""
        return self.entries is not None or self.ranks

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if not self.chooses:
            yield ("entries", "top"), "which events? give entries (-n ENTRY), top (--top K), bottom or border"
        if self.weight_file is None and self.score_csv is None and self.ranks:
            yield ("weight_file",), "scores need weight_file or score_csv"


class DisplaySettings(Choosing):
    """Draw events with their scores."""

    format: Shown | list[Shown] = Field(
        ["png", "pdf"],
        description="of the pictures; gif, mp4: time frames one after another; html: interactive pages, and one of "
        "all events in their order",
    )
    distributions: bool = Field(
        False,
        description="calorimeter: energies and times of the cells of each class, in all events of the files",
    )
    classes: list[str] | None = Field(
        None, description="names of the classes whose numbers files store (default: the network's)"
    )
    score_label: bool = Field(True, description="write the score on the picture")
    logit: bool = Field(False, description="write log(score/(1-score)) instead of the score")
    data: bool = Field(False, description="detector data, not simulation: chooses the label")
    data_label: str = Field("MicroBooNE NuMI Data", description="text on pictures of data")
    simulation_label: str = Field("MicroBooNE Simulation", description="text on pictures of simulation")
    colorbar: bool = Field(True, description="draw a colour bar")
    logo: bool | str = Field(False, description="picture file to draw in a corner")
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = Field(
        0, description="[degrees] turn the image first"
    )
    transpose: bool = Field(False, description="tick on the horizontal axis, as in DM-CNN's pictures")
    cmap: str = Field("jet", description="matplotlib colour map")
    gamma: float = Field(0.35, gt=0, description="exponent of the colour scale")
    dpi: int = Field(150, ge=30, le=600, description="[pixels per inch] of the 8-inch picture")

    @property
    def chooses(self) -> bool:
        return super().chooses or self.distributions

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        needed = self.score_label and self.entries is not None and not self.ranks
        if self.weight_file is None and self.score_csv is None and needed:
            yield ("weight_file",), "the score needs weight_file or score_csv (or score_label = False)"
        if self.logit and not self.score_label:
            yield ("logit", "score_label"), "logit = True needs score_label = True"


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


class OccludeSettings(Network):
    """Score an event again with every charged pixel's surroundings blanked; resumes where it stopped."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    entries: int | list[int] = Field(description="entry number(s) to scan; also -n ENTRY")
    occlusion_size: int = Field(4, ge=0, description="[pixels] k of the (2k+1) x (2k+1) window")
    occlusion_depth: int | None = Field(
        None, ge=0, description="[frames] half depth of the window of time frames (default: all of them)"
    )
    normalization: bool = Field(True, description="draw the maps scaled to 0..1 instead of raw scores")
    border: Literal["clip", "skip"] = Field(
        "clip", description="windows over the border: clipped to the image, or skipped as DM-CNN does"
    )
    fill: Literal["zero", "mean", "noise"] = Field(
        "zero",
        description="charge under a window: none, the mean of the plane's charged pixels, or drawn from them",
    )
    stride: int = Field(
        1,
        ge=1,
        description="[pixels] 1 = a window around every charged pixel; s = one per s x s cell with charge",
    )
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed of fill = noise")
    zoom: bool = Field(False, description="draw only the part of the image that holds charge")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file")
