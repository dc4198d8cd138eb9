"""Settings of ``display``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dmcnn.settings.base import Conflict
from dmcnn.settings.choice import Choosing
from dmcnn.settings.network import quarter_turn

Shown = Literal["png", "pdf", "gif", "mp4", "html"]


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
