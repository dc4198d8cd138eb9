"""Settings of ``occlude``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from dmcnn.settings.base import Conflict, Label, setting
from dmcnn.settings.choice import ComparisonSettings

PictureFormat = Literal["png", "pdf", "html"]
Border = Literal["clip", "skip"]
ScanEngine = Literal["auto", "sparse", "incremental", "delta", "first_order", "cascade", "dense"]


def _sizes(value: int | list[int]) -> int | list[int]:
    """Return the sizes; ValueError for a size below 0, one that stands twice, or none."""
    sizes = [value] if isinstance(value, int) else value
    if not sizes or min(sizes) < 0 or len(set(sizes)) < len(sizes):
        raise ValueError("expected whole numbers >= 0, each once")
    return value


class OccludeSettings(ComparisonSettings):
    """Score events again for every charged pixel, with a window around it blanked; resumes where it stopped."""

    weight_file: str = setting(
        ...,
        "input files",
        "checkpoint of dmcnn or a .pwf of DM-CNN",
        example="outputs/DM-CNN_model_best.ckpt",
    )
    border: Annotated[int, Field(ge=1)] | Border | None = setting(  # type: ignore[assignment]  # once window_border
        None,
        "events to look at",
        "number of events with the scores nearest to border_score; clip and skip are the older spelling of "
        "window_border",
    )
    engine: ScanEngine = setting(  # type: ignore[assignment]
        "auto",
        "machine",
        "exact ones: dense = every window evaluates all places; sparse = each distinct window of a map once; "
        "incremental = what the window reaches alone, in networks with fixed statistics; for a tolerance: delta = "
        "differences to the untouched event, multiplied in bfloat16; first_order = changes of the statistics count "
        "linearly; cascade = delta, or first_order if that will do; auto = the fastest by estimate, and of work that "
        "goes on the one with which it began",
        resume="free",
        trials="free",
        tune="no result depends on it but for rounding",
    )
    tolerance: float = setting(
        0.0,
        "occlusion windows",
        "allowed error at 95 % of the pixels, in standard deviations of the map, certified against exact windows "
        "drawn at random; 0 = exact",
        ge=0,
        lt=float("inf"),
    )
    label: Label | None = setting(
        None, "classes and labels", "class of an event, as in training (default: the rule of the checkpoint)"
    )
    occlusion_size: Annotated[int | list[int], AfterValidator(_sizes)] = setting(
        4, "occlusion windows", "[pixels] k of the (2k+1) x (2k+1) window; a list scans every event with each"
    )
    occlusion_depth: int | None = setting(
        None,
        "occlusion windows",
        "[frames] half depth of the window in time frames (default: all frames)",
        ge=0,
    )
    normalization: bool = setting(True, "pictures", "draw the maps scaled to 0..1 instead of raw scores")
    window_border: Border = setting(
        "clip",
        "occlusion windows",
        "windows across the border of the image: clipped, or skipped as in DM-CNN",
    )
    fill: Literal["zero", "mean", "noise", "local_mean"] = setting(
        "zero",
        "occlusion windows",
        "charge under a window: zero, the mean of the charged pixels of the plane, values of them, or the mean of "
        "those around the windows",
    )
    stride: int = setting(
        1,
        "occlusion windows",
        "[pixels] 1 = one window per charged pixel; s = one window per s x s cell with charge",
        ge=1,
    )
    format: PictureFormat | list[PictureFormat] = setting(
        ["png", "pdf"],
        "pictures",
        "formats of the pictures; html: interactive pages, and a page of all events; [] = none",
    )
    cmap: str = setting("viridis", "pictures", "matplotlib colour map")
    seed_number: int = setting(1, "machine", "seed of fill = noise", ge=0, le=2**32 - 1)
    zoom: bool = setting(False, "pictures", "draw only the part of the image that holds charge")
    dry_run: bool = setting(
        False, "outputs", "tell windows, core-hours and bytes of the scan, and write nothing"
    )

    resumes: ClassVar[bool] = True
    free_in_shares: ClassVar[frozenset[str]] = ComparisonSettings.free_in_shares | {"dry_run"}

    @model_validator(mode="before")
    @classmethod
    def _rename_border(cls, values: Any) -> Any:
        """Take the older spelling border = "clip" or "skip" for window_border."""
        if isinstance(values, dict) and values.get("border") in ("clip", "skip"):
            return {"window_border": values["border"], **values}
        return values

    @property
    def whole_image_engine(self) -> str:
        """Engine of untouched images: that of a scan, or auto where that is for windows alone."""
        return self.engine if self.engine in ("dense", "sparse") else "auto"

    @property
    def border_count(self) -> int | None:
        """Number of events nearest to border_score."""
        return self.border if isinstance(self.border, int) else None

    @property
    def sizes(self) -> list[int]:
        """[pixels] Sizes of the windows, one scan each."""
        return [self.occlusion_size] if isinstance(self.occlusion_size, int) else self.occlusion_size

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        words = isinstance(self.border, str) and "window_border" in self.model_fields_set
        if words and self.border != self.window_border:
            yield (
                ("border", "window_border"),
                f"border = {self.border!r} is the older spelling of window_border, which is {self.window_border!r}: "
                "leave border out",
            )
