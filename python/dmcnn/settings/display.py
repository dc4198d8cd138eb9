"""Settings of ``display``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator

from dmcnn.settings.base import Conflict, setting
from dmcnn.settings.choice import Choosing
from dmcnn.settings.network import quarter_turn

Shown = Literal["png", "pdf", "gif", "mp4", "html"]


class DisplaySettings(Choosing):
    """Draw events with their scores."""

    format: Shown | list[Shown] = setting(
        ["png", "pdf"],
        section="pictures",
        description="of the pictures; gif, mp4: time frames one after another; html: interactive pages, and one of "
        "all events in their order",
    )
    distributions: bool = setting(
        False,
        section="pictures",
        description="calorimeter: energies and times of the cells of each class, in all events of the files",
    )
    classes: list[str] | None = setting(
        None,
        section="classes and labels",
        description="names of the classes whose numbers files store (default: the network's)",
    )
    score_label: bool = setting(True, section="pictures", description="write the score on the picture")
    logit: bool = setting(
        False, section="pictures", description="write log(score/(1-score)) instead of the score"
    )
    data: bool = setting(
        False, section="pictures", description="detector data, not simulation: chooses the label"
    )
    data_label: str = setting(
        "MicroBooNE NuMI Data", section="pictures", description="text on pictures of data"
    )
    simulation_label: str = setting(
        "MicroBooNE Simulation", section="pictures", description="text on pictures of simulation"
    )
    colorbar: bool = setting(True, section="pictures", description="draw a colour bar")
    logo: bool | str = setting(False, section="pictures", description="picture file to draw in a corner")
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = setting(
        0, section="pictures", description="[degrees] turn the image first"
    )
    transpose: bool = setting(
        False, section="pictures", description="tick on the horizontal axis, as in DM-CNN's pictures"
    )
    cmap: str = setting("jet", section="pictures", description="matplotlib colour map")
    gamma: float = setting(0.35, gt=0, section="pictures", description="exponent of the colour scale")
    dpi: int = setting(
        150, ge=30, le=600, section="pictures", description="[pixels per inch] of the 8-inch picture"
    )

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
