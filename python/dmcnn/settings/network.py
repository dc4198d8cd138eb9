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


class DisplaySettings(Network):
    """Draw events with their scores."""

    entries: int | list[int] | None = Field(None, description="entry number(s) to draw; also -n ENTRY")
    top: int | None = Field(None, ge=1, description="draw the events of highest score; also --top K")
    score_csv: str | None = Field(None, description="scores from this CSV instead of the network")
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

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "score_csv")

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if (self.entries is None) == (self.top is None):
            yield ("entries", "top"), "which events? give either entries (-n ENTRY) or top (--top K)"
        if self.weight_file is None and self.score_csv is None and (self.score_label or self.top):
            yield ("weight_file",), "the score needs weight_file or score_csv (or score_label = False)"
        if self.logit and not self.score_label:
            yield ("logit", "score_label"), "logit = True needs score_label = True"


class OccludeSettings(Network):
    """Score an event again with every charged pixel's surroundings blanked; resumes where it stopped."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    entries: int | list[int] = Field(description="entry number(s) to scan; also -n ENTRY")
    occlusion_size: int = Field(4, ge=0, description="[pixels] k of the (2k+1) x (2k+1) window")
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
