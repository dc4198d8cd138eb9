"""Settings of ``display``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from dmcnn.settings.base import Conflict, setting
from dmcnn.settings.choice import SelectionSettings
from dmcnn.settings.network import quarter_turn

PictureFormat = Literal["png", "pdf", "gif", "mp4", "html"]


class DisplaySettings(SelectionSettings):
    """Draw events with their scores."""

    format: PictureFormat | list[PictureFormat] = setting(
        ["png", "pdf"],
        section="pictures",
        description="formats of the pictures; gif, mp4: time frames one after another; html: interactive pages, "
        "and a page of all events in their order",
    )
    distributions: bool = setting(
        False,
        section="pictures",
        description="calorimeter: draw energies and times of the cells of each class, in all events of the files",
    )
    classes: list[str] | None = setting(
        None,
        section="classes and labels",
        description="names of the class numbers in the files (default: those of the network)",
    )
    score_label: bool = setting(True, section="pictures", description="write the score on the picture")
    logit: bool = setting(
        False, section="pictures", description="write log(score/(1-score)) instead of the score"
    )
    data: bool = setting(
        False,
        section="pictures",
        description="detector data, not simulation; selects the text on the pictures",
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
        0, section="pictures", description="[degrees] rotate the image first"
    )
    transpose: bool = setting(
        False, section="pictures", description="tick on the horizontal axis, as in DM-CNN's pictures"
    )
    cmap: str = setting("viridis", section="pictures", description="matplotlib colour map")
    zoom: bool = setting(
        True, section="pictures", description="draw only the part of the image that holds charge"
    )
    gamma: float = setting(0.35, gt=0, section="pictures", description="exponent of the colour scale")
    dpi: int = setting(
        150, ge=30, le=600, section="pictures", description="[pixels per inch] of the 8-inch picture"
    )

    def looks(self) -> dict[str, Any]:
        """Return the looks of the pictures, see displays.event.DisplayOptions."""
        keys = {"score_label", "logit", "colorbar", "rotation", "transpose", "zoom", "cmap", "gamma", "dpi"}
        label = self.data_label if self.data else self.simulation_label
        return {**self.model_dump(include=keys), "formats": self.formats, "label": label}

    @property
    def selects(self) -> bool:
        """Whether the settings select any event or ask for distributions."""
        return super().selects or self.distributions

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        needed = self.score_label and self.entries is not None and not self.needs_scores
        if self.weight_file is None and self.score_csv is None and needed:
            yield ("weight_file",), "the score needs weight_file or score_csv (or score_label = False)"
        if self.logit and not self.score_label:
            yield ("logit", "score_label"), "logit = True needs score_label = True"
