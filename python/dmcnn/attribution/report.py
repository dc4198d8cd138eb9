"""Report of one event: its maps, figures and page."""

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

from dmcnn._common.progress import ProgressBar
from dmcnn.attribution import Method, Target, archive
from dmcnn.attribution.explain import Explanation, explain
from dmcnn.attribution.quality.table import ids as id_columns
from dmcnn.attribution.quality.table import page_columns
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import class_number
from dmcnn.datasets.selection import SelectedEvent
from dmcnn.engines import choice
from dmcnn.figures import attribution, attribution_quality
from dmcnn.figures.event import ids
from dmcnn.figures.image_axes import channel_name, quantity
from dmcnn.figures.save import save_figure
from dmcnn.images.sparse import UNSET, SparseImages
from dmcnn.inference.predictor import Predictor
from dmcnn.pages import EventPage, Overlay, event_page, save_page


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of the reports of all events.

    Attributes:
        target: class to explain, by name or number; "predicted" = the most likely class of each event.
        output: "logit" or "score".
        judging: arguments of the quality measures; None = no measurement of the quality.
        redraw: whether maps are compared with those of the network with random parameters.
        formats: formats of the output: png, pdf, html.
        each: whether every map also has a figure of its own.
        zoom: whether figures show only the part of the image with charge.
        percentile: [%] share of the active pixels inside the colour scale of a map.
        signed_cmap: matplotlib colour map of signed maps.
        engine: word of the user; "auto" takes stored maps of either engine.
    """

    target: str | int = "predicted"
    output: str = "logit"
    judging: dict[str, Any] | None = None
    redraw: bool = True
    formats: Sequence[str] = ("png", "pdf", "html")
    each: bool = False
    zoom: bool = True
    percentile: float = 99.5
    signed_cmap: str = "RdBu_r"
    engine: str = "auto"


@dataclass(frozen=True)
class EventReport:
    """Report of one event.

    Attributes:
        options: options of the reports of all events.
        predictor: network to explain.
        dataset: dataset of the event.
        event: the event, one image.
        selected: number of the event in the dataset, and reason of its selection.
        label: true class; None = unknown.
        folder: folder of all output files.
        tag: end of the names of all output files.
    """

    options: ReportOptions
    predictor: Predictor
    dataset: Dataset
    event: SparseImages
    selected: SelectedEvent
    label: str | None
    folder: Path
    tag: str = ""

    @property
    def stem(self) -> Path:
        """Path of all output files of the event, without suffix."""
        return self.folder / f"attribution_{self.dataset.output_name(self.event)}{self.tag}"

    @property
    def origin(self) -> str:
        """Origin of the event, as its file states it."""
        return self.dataset.file_origins[int(self.event.events["file"][0])]

    @cached_property
    def scores(self) -> dict[str, float]:
        """Score of every class, by name."""
        logits = next(self.predictor.logits([self.event]))
        return self.predictor.task.event_scores(logits, ()).named

    @cached_property
    def target(self) -> Target:
        """Explained number."""
        classes, target = tuple(self.predictor.card.classes), self.options.target
        if target == "predicted":
            scores = self.scores
            target = max(scores, key=lambda name: scores[name])
        number = class_number(target, classes, "target")
        card = self.predictor.card
        return Target(number, self.options.output, card.activation, card.temperature)

    def stored(self, methods: Sequence[Method]) -> Explanation | None:
        """Return the maps and their quality from the npz, made with any engine that serves; None if absent."""
        key = self._key(self.target, methods)
        for engine in choice.candidates(self.options.engine):
            if (explanation := archive.read(self._archive, key | choice.word(engine))) is not None:
                return explanation
        return None

    @property
    def _archive(self) -> Path:
        return self.stem.with_name(self.stem.name + ".npz")

    def explanation(self, methods: Sequence[Method]) -> Explanation:
        """Return the maps and their quality, from the npz if its key is the same, else computed and written to it."""
        if (stored := self.stored(methods)) is not None:
            return stored
        target = self.target
        self.predictor.choose_engine([self.event])
        with ProgressBar(
            total=len(methods) + (self.options.judging is not None), desc=self.stem.name, unit="map"
        ) as bar:

            def report_step(name: str) -> None:
                """Show the name of the next step, and count the last one."""
                bar.set_postfix_str(name)
                bar.update(int(bar.postfix is not None and bar.n < bar.total))

            explanation = explain(
                self.predictor.network,
                self.event.dense()[0],
                target,
                methods,
                scaling=self.predictor.card.scaling,
                judging=self.options.judging,
                redraw=self.options.redraw,
                ids=id_columns(self.event.events[0], self.dataset.source(self.event)),
                progress=report_step,
            )
        about = {"classes": self.predictor.card.classes, "scores": list(self.scores.values())}
        key = self._key(target, methods) | choice.word(self.predictor.engine)
        archive.write(self._archive, explanation, key, self.event, about)
        return explanation

    def _key(self, target: Target, methods: Sequence[Method]) -> dict[str, Any]:
        """Return the key that identifies an explanation."""
        revisions = {method.name: method.revision for method in methods if method.revision > 1}
        return {
            "image": sha256(self.event.index.tobytes() + self.event.value.tobytes()).hexdigest(),
            "weights": self.predictor.sha256,
            "target": [target.number, target.kind],
            "methods": [repr(method) for method in methods],
            "judging": None if self.options.judging is None else [self.options.judging, self.options.redraw],
        } | ({"revisions": revisions} if revisions else {})

    def draw(self, explanation: Explanation, methods: Sequence[Method]) -> None:
        """Write the figures of the event (overview, removal curves, single maps) and its page."""
        options, name = self.options, self.predictor.card.classes[self.target.number]
        pictures = [kind for kind in options.formats if kind != "html"]
        if pictures:
            for end, figure in self._figures(explanation, methods):
                save_figure(figure, self.stem.with_name(self.stem.name + end), pictures, self.origin)
        if pictures and explanation.curves is not None:
            curves = explanation.curves
            figure = attribution_quality.removal(curves.fraction, curves.deletion, curves.insertion, curves.random,
                                     target=f"{name.capitalize()} {options.output}")  # fmt: skip
            save_figure(figure, self.stem.with_name(f"{self.stem.name}_removal"), pictures, self.origin)
        if "html" in options.formats:
            page = event_page(self.page(explanation, methods))
            save_page(self.stem.with_name(self.stem.name + ".html"), [page])

    def _figures(self, explanation: Explanation, methods: Sequence[Method]) -> Iterator[tuple[str, Figure]]:
        """Yield (end of the file name, figure) of overview and single maps, by plane or summed over frames."""
        image, options = self.event.dense()[0], self.options
        planes = [None] if self.event.is_volume else range(len(image))
        for plane in planes:
            end = "" if plane is None or len(image) == 1 else f"_channel{plane}"
            flat = {name: flatten_channels(values, plane) for name, values in explanation.maps.items()}
            charge, meta = flatten_channels(image, plane), self.event.meta[0, plane or 0]
            zoom = charge if options.zoom else None
            yield (
                f"{end}_overview",
                attribution.overview(
                    charge,
                    [
                        (method.title, flat[method.name], method.signed)
                        for method in methods
                        if method.name not in explanation.boxes
                    ],
                    meta,
                    title=self.title(
                        channel_name(meta, self.event.axis0, plane) if plane is not None else ""
                    ),
                    percentile=options.percentile,
                    zoom_to=zoom,
                    box=next(iter(explanation.boxes.values()), None),
                    signed_cmap=options.signed_cmap,
                ),
            )
            for method in methods if options.each else ():
                yield (
                    f"{end}_{method.name}",
                    attribution.attribution_map(
                        flat[method.name],
                        method.title,
                        meta,
                        signed=method.signed,
                        image=charge,
                        percentile=options.percentile,
                        box=explanation.boxes.get(method.name),
                        zoom_to=zoom,
                        cmap=options.signed_cmap if method.signed else None,
                    ),
                )

    def title(self, plane: str = "") -> str:
        """Return one line: event, plane, explained class with its score, true class, and reason of the selection."""
        scores, name = self.scores, self.predictor.card.classes[self.target.number]
        truth = f", true {self.label}" if self.label is not None else ""
        event = self.event.events[0]
        name_of_event = Path(self.dataset.source(self.event)).name if event["event"] == UNSET else ids(event)
        where = ", ".join(filter(None, [name_of_event, plane]))
        return f"{where}: {name} {scores[name]:.3f}{truth} ({self.selected.reason})"

    def page(self, explanation: Explanation, methods: Sequence[Method]) -> EventPage:
        """Return the content of the interactive page of the event."""
        overlays, explained = [], self.predictor.card.classes[self.target.number]
        for method in methods:
            box = explanation.boxes.get(method.name)
            values = explanation.maps[method.name] if box is None else outline(box, self.event.shape[1:])
            what = "Attribution" if box is None else ""
            overlays.append(
                Overlay(method.name, method.title, values, method.signed, quantity=what, note=method.note())
            )
        return EventPage(
            image=self.event.dense()[0],
            meta=self.event.meta[0],
            event=self.event.events[0],
            source=self.dataset.short_source(self.event),
            scores=self.scores,
            label=self.label,
            overlays=overlays,
            quality=page_columns(explanation.rows),
            quantity=quantity(self.event.meta[0, 0]),
            text=", ".join(
                filter(None, [self.origin, f"{explained} {self.options.output}: {self.selected.reason}"])
            ),
            volume=self.event.is_volume,
            axis0=self.event.axis0,
        )


def outline(box: tuple[int, int, int, int], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the (H, W) float32 map of the edge of a box: 1 on the edge, NaN elsewhere.

    Args:
        box: (row0, row1, column0, column1), ends excluded.
        shape: (H, W).
    """
    values = np.full(shape, np.nan, np.float32)
    row0, row1, column0, column1 = box
    values[row0:row1, column0:column1] = 1
    values[row0 + 1 : row1 - 1, column0 + 1 : column1 - 1] = np.nan
    return values


def flatten_channels(values: NDArray[Any], plane: int | None) -> NDArray[Any]:
    """Return the (H, W) map of one plane of a (C, H, W) map; None = the sum over the frames."""
    flat: NDArray[Any] = values.sum(axis=0) if plane is None else values[plane]
    return flat
