"""Pictures of an occlusion scan: a map for every class or target, and boxes in space and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmcnn.figures import attribution
from dmcnn.figures import occlusion as figures
from dmcnn.figures.save import save_figure
from dmcnn.images.sparse import SparseImages
from dmcnn.occlusion.result import OcclusionResult
from dmcnn.tasks.base import Task


def endings_of(task: Task) -> list[str]:
    """Return the ends of the names of the maps of all classes or targets."""
    return [f"_{name.capitalize() if task.unit(name) is None else name}_map" for name in task.names]


@dataclass(frozen=True)
class Pictures:
    """Looks of the pictures of scans.

    Attributes:
        formats: endings of their files; none = no pictures.
        normalized: whether maps are scaled to 0..1 instead of scores or estimates.
        zoom: whether only the part of the image is drawn that holds charge.
        cmap: colour map of matplotlib.
    """

    formats: Sequence[str]
    normalized: bool
    zoom: bool
    cmap: str

    def draw(self, task: Task, event: SparseImages, result: OcclusionResult, stem: Path, note: str) -> None:
        """Draw one figure per class or target; of boxes the strongest frame, and all voxels in space and time.

        Args:
            task: task of the network.
            event: the event, one image.
            result: result of the scan.
            stem: path of the pictures without ending.
            note: origin of the event.
        """
        if not self.formats:
            return
        image = event.dense()[0]
        maps = zip(task.names, endings_of(task), *result.maps(task.values), strict=True)
        for name, ending, scores, base in maps:
            has_frames, unit = scores.ndim == 3, task.unit(name)
            title = name.capitalize() if unit is None else name
            figure = figures.score_map(
                figures.strongest_frame(scores, base) if has_frames else scores,
                title,
                event.meta[0, 0],
                normalized=self.normalized,
                base_score=float(base),
                zoom_to=image.any(axis=0) if self.zoom else None,
                cmap=self.cmap,
                unit=unit,
            )
            save_figure(figure, stem.with_name(stem.name + ending), self.formats, note)
            if has_frames:
                what = f"{title} score" if unit is None else title
                figure = attribution.scatter3d(
                    image,
                    event.meta[0, 0],
                    title=f"{what} under occlusion, untouched image {base:.4g}",
                    bar_label=f"Change of the {name} score" if unit is None else f"Change of {name}",
                    values=scores - base,
                    signed=True,
                )
                space_time = ending.removesuffix("map") + "space_time"
                save_figure(figure, stem.with_name(stem.name + space_time), self.formats, note)
