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
        "pictures",
        "formats of the pictures; gif, mp4: time frames one after another; html: interactive pages, "
        "and a page of all events in their order",
    )
    distributions: bool = setting(
        False,
        "pictures",
        "calorimeter: draw energies and times of the cells of each class, in all events of the files",
    )
    classes: list[str] | None = setting(
        None, "classes and labels", "names of the class numbers in the files (default: those of the network)"
    )
    score_label: bool = setting(True, "pictures", "write the score on the picture")
    logit: bool = setting(False, "pictures", "write log(score/(1-score)) instead of the score")
    data: bool = setting(
        False,
        "pictures",
        "detector data, not simulation; selects the text on the pictures of files that do not state where their "
        "events come from",
    )
    data_label: str = setting(
        "", "pictures", "text on pictures if data = True, such as the name of the experiment"
    )
    simulation_label: str = setting(
        "", "pictures", "text on pictures if data = False; files that dmcnn simulated say so themselves"
    )
    colorbar: bool = setting(True, "pictures", "draw a colour bar")
    logo: bool | str = setting(False, "pictures", "picture file to draw in a corner")
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = setting(
        0, "pictures", "[degrees] rotate the image first"
    )
    transpose: bool = setting(False, "pictures", "tick on the horizontal axis, as in DM-CNN's pictures")
    zoom: bool = setting(True, "pictures", "draw only the part of the image that holds charge")
    cmap: str = setting("viridis", "pictures", "matplotlib colour map")
    gamma: float = setting(0.35, "pictures", "exponent of the colour scale", gt=0)
    dpi: int = setting(150, "pictures", "[pixels per inch] of the 8-inch picture", ge=30, le=600)

    def looks(self) -> dict[str, Any]:
        """Return the looks of the pictures, see displays.event.DisplayOptions."""
        keys = {"score_label", "logit", "colorbar", "rotation", "transpose", "zoom", "cmap", "gamma", "dpi"}
        label = self.data_label or "Data" if self.data else self.simulation_label
        return {**self.model_dump(include=keys), "formats": self.formats, "label": label, "data": self.data}

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
