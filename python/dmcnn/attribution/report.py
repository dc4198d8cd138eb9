"""One event that is explained: its maps, figures and page, and where they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from dmcnn._common.files import replacing
from dmcnn.attribution import Method, Target, archive
from dmcnn.attribution.explain import Explanation, explain
from dmcnn.attribution.quality.table import ids as identity
from dmcnn.attribution.quality.table import page_columns
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import class_number
from dmcnn.datasets.selection import Chosen
from dmcnn.figures import attribution, attribution_quality
from dmcnn.figures.event import ids
from dmcnn.figures.image_axes import quantity
from dmcnn.figures.save import save_figure
from dmcnn.images.sparse import PLANES, UNSET, SparseImages
from dmcnn.inference.predictor import Trained
from dmcnn.pages import EventPage, Overlay, event_page
from dmcnn.settings import AttributeSettings


@dataclass(frozen=True)
class Job:
    """One event to explain, and where its results go."""

    settings: AttributeSettings
    trained: Trained
    dataset: Dataset
    event: SparseImages
    chosen: Chosen
    label: str | None
    folder: Path

    @property
    def stem(self) -> Path:
        """Path of all results of the event, without suffix."""
        file = self.dataset.files[int(self.event.events["file"][0])]
        entry = self.event.events["entry"][0]
        return self.folder / f"attribution_{file.stem}_ENTRY_{entry}{self.settings.tag}"

    @cached_property
    def scores(self) -> dict[str, float]:
        """Class -> score of the event."""
        found = self.trained.scores(next(self.trained.logits([self.event])))[0]
        return dict(zip(self.trained.card.classes, found.tolist(), strict=True))

    @cached_property
    def target(self) -> Target:
        """The number that is explained."""
        classes, wanted = tuple(self.trained.card.classes), self.settings.target
        if wanted == "predicted":
            scores = self.scores
            wanted = max(scores, key=lambda name: scores[name])
        number = class_number(wanted, classes, "target")
        return Target(number, self.settings.output, self.trained.card.activation)

    def explained(self, methods: Sequence[Method]) -> Explanation:
        """The maps of the event and their quality: from its npz if that is of the same work, else made now."""
        target, path = self.target, self.stem.with_name(self.stem.name + ".npz")
        key = self._key(target, methods)
        if (found := archive.read(path, key)) is not None:
            return found
        with tqdm(total=len(methods) + self.settings.judge, desc=self.stem.name, unit="map") as bar:

            def tell(what: str) -> None:
                bar.set_postfix_str(what)
                bar.update(int(bar.postfix is not None and bar.n < bar.total))

            found = explain(
                self.trained.net,
                self.event.dense()[0],
                target,
                methods,
                scaling=self.trained.card.scaling,
                judging=self.settings.judging() if self.settings.judge else None,
                redraw=self.settings.redraw,
                ids=identity(self.event.events[0], self.dataset.source(self.event)),
                progress=tell,
            )
        about = {"classes": self.trained.card.classes, "scores": list(self.scores.values())}
        archive.write(path, found, key, self.event, about)
        return found

    def _key(self, target: Target, methods: Sequence[Method]) -> dict[str, Any]:
        """What makes two explanations the same."""
        revisions = {method.name: method.revision for method in methods if method.revision > 1}
        return {
            "image": sha256(self.event.index.tobytes() + self.event.value.tobytes()).hexdigest(),
            "weights": self.trained.sha256,
            "target": [target.number, target.kind],
            "methods": [repr(method) for method in methods],
            "judging": [self.settings.judging(), self.settings.redraw] if self.settings.judge else None,
        } | ({"revisions": revisions} if revisions else {})

    def draw(self, found: Explanation, methods: Sequence[Method]) -> None:
        """The overview of all maps, the removal curves, if asked each map; and the page."""
        settings, name = self.settings, self.trained.card.classes[self.target.number]
        pictures = [kind for kind in settings.formats if kind != "html"]
        if pictures:
            for end, figure in self._figures(found, methods):
                save_figure(figure, self.stem.with_name(self.stem.name + end), pictures)
        if pictures and found.curves is not None:
            curves = found.curves
            figure = attribution_quality.removal(curves.fraction, curves.deletion, curves.insertion, curves.random,
                                     target=f"{name.capitalize()} {settings.output}")  # fmt: skip
            save_figure(figure, self.stem.with_name(f"{self.stem.name}_removal"), pictures)
        if "html" in settings.formats:
            with replacing(self.stem.with_name(self.stem.name + ".html")) as temporary:
                temporary.write_text(event_page(self.page(found, methods)), encoding="utf-8")

    def _figures(self, found: Explanation, methods: Sequence[Method]) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure: the overview, and each map if asked; plane by plane, or frames summed."""
        image, settings = self.event.dense()[0], self.settings
        planes = range(len(image)) if len(image) <= PLANES else [None]
        for plane in planes:
            end = "" if plane is None or len(image) == 1 else f"_channel{plane}"
            flat = {name: flattened(values, plane) for name, values in found.maps.items()}
            charge, meta = flattened(image, plane), self.event.meta[0, plane or 0]
            zoom, shown = charge if settings.zoom else None, settings.percentile_shown
            yield (
                f"{end}_overview",
                attribution.overview(
                    charge,
                    [
                        (method.title, flat[method.name], method.signed)
                        for method in methods
                        if method.name not in found.boxes
                    ],
                    meta,
                    title=self.title(),
                    percentile=shown,
                    zoom_to=zoom,
                    box=next(iter(found.boxes.values()), None),
                    signed_cmap=settings.signed_cmap,
                ),
            )
            for method in methods if settings.each else ():
                yield (
                    f"{end}_{method.name}",
                    attribution.attribution_map(
                        flat[method.name],
                        method.title,
                        meta,
                        signed=method.signed,
                        image=charge,
                        percentile=shown,
                        box=found.boxes.get(method.name),
                        zoom_to=zoom,
                        cmap=settings.signed_cmap if method.signed else None,
                    ),
                )

    def title(self) -> str:
        """One line on the event, what was explained, and why it was chosen."""
        scores, name = self.scores, self.trained.card.classes[self.target.number]
        truth = f", true {self.label}" if self.label is not None else ""
        event = self.event.events[0]
        who = Path(self.dataset.source(self.event)).name if event["event"] == UNSET else ids(event)
        return f"{who}: {name} {scores[name]:.3f}{truth} ({self.chosen.reason})"

    def page(self, found: Explanation, methods: Sequence[Method]) -> EventPage:
        """What the interactive page of the event shows."""
        overlays = []
        for method in methods:
            box = found.boxes.get(method.name)
            values = found.maps[method.name] if box is None else outline(box, self.event.shape[1:])
            overlays.append(Overlay(method.name, method.title, values, method.signed, note=method.note()))
        return EventPage(
            image=self.event.dense()[0],
            meta=self.event.meta[0],
            event=self.event.events[0],
            source=self.dataset.source(self.event),
            scores=self.scores,
            label=self.label,
            overlays=overlays,
            quality=page_columns(found.rows),
            quantity=quantity(self.event.meta[0, 0]),
            text=f"{self.trained.card.classes[self.target.number]} {self.settings.output}: {self.chosen.reason}",
        )


def outline(box: tuple[int, int, int, int], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) map of the edge of a box (row0, row1, column0, column1; ends excluded): 1 there, NaN elsewhere."""
    values = np.full(shape, np.nan, np.float32)
    row0, row1, column0, column1 = box
    values[row0:row1, column0:column1] = 1
    values[row0 + 1 : row1 - 1, column0 + 1 : column1 - 1] = np.nan
    return values


def flattened(values: NDArray[Any], plane: int | None) -> NDArray[Any]:
    """(H, W) of a (C, H, W) map: one plane, or the sum over the frames."""
    flat: NDArray[Any] = values.sum(axis=0) if plane is None else values[plane]
    return flat
