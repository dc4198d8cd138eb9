"""What a network looks at: ``python -m dmcnn.attribute cfg/attribution_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import replacing, writable
from dmcnn.settings import AttributeSettings

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmcnn.attribution import Method, Target
    from dmcnn.attribution.explain import Explanation
    from dmcnn.datasets import Dataset
    from dmcnn.images import SparseImages
    from dmcnn.pages import EventPage
    from dmcnn.selection import Chosen
    from dmcnn.trained import Trained

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("attribute", attribute, argv)


def attribute(settings: AttributeSettings) -> None:
    """Explain the chosen events one after another; then the gallery and the quality of all."""
    from dmcnn.trained import open_trained

    folder = writable(settings.output_dir)
    trained = open_trained(settings.weight_file, **settings.network())
    trained.needs_classes("attribution")
    trained.net.to(trained.device)
    if settings.list_layers:
        _list_layers(trained)
        return
    _check_colours(settings)
    methods = _methods(settings, trained)
    dataset = trained.dataset(settings.input_file)
    chosen, labels = _chosen(settings, trained, dataset), trained.labels(dataset, settings.label)
    stem = folder / f"DM-CNN_attribution{settings.tag}"
    rows: list[dict[str, Any]] = []
    jobs: list[Job] = []
    for one in chosen:
        event = dataset.read(one.number, one.number + 1)
        if not event.has_image[0]:
            log.warning("warning: entry %d holds no image: left out", event.events["entry"][0])
            continue
        job = Job(settings, trained, dataset, event, one, labels[one.number], folder)
        found = job.explained(methods)
        job.draw(found, methods)
        rows += found.rows
        jobs.append(job)
        log.info("%s: %s", job.stem.name, one.reason)
    if "html" in settings.formats and len(jobs) > 1:
        _gallery(settings, jobs, methods, stem)
    if rows:
        _tables(rows, stem)
    if jobs and len(methods) > 1:
        _agreement(jobs, methods, stem)
    settings.save(stem, f", weights {trained.sha256}")


def _list_layers(trained: Trained) -> None:
    from dmcnn.attribution import layers

    known, chosen = layers.layers(trained.net, trained.shape), layers.find(trained.net, trained.shape)
    wide = max(len(layer.name) for layer in known)
    log.info("%-*s  %12s  %8s", wide, "layer", "grid", "channels")
    for layer in known:
        mark = "  default" if layer == chosen else ""
        log.info("%-*s  %12s  %8d%s", wide, layer.name, layer.size, layer.channels, mark)


def _check_colours(settings: AttributeSettings) -> None:
    from matplotlib import colormaps

    if settings.signed_cmap not in colormaps:
        raise InputError(
            f"signed_cmap = {settings.signed_cmap!r} is no matplotlib colour map"
            f"{nearest(settings.signed_cmap, colormaps)}"
        )


def _methods(settings: AttributeSettings, trained: Trained) -> list[Method]:
    """The methods with the options of the cfg; faults show before any work is done."""
    from dmcnn.attribution import build, layers
    from dmcnn.attribution.noise import Noisy, SmoothRectGrad

    if settings.layer is not None:
        layers.find(trained.net, trained.shape, settings.layer)
    common = {"internal_batch": trained.batch_size, "precision": trained.precision}
    methods = build(settings.methods, **common, **settings.options(), **_seed(settings))
    (inner,) = build(settings.smooth_of, **common)
    return [
        replace(method, method=inner)
        if isinstance(method, Noisy) and not isinstance(method, SmoothRectGrad)
        else method
        for method in methods
    ]


def _seed(settings: AttributeSettings) -> dict[str, int]:
    """The seed, if any of the methods is random."""
    from dmcnn.attribution import takes

    return {"seed": settings.seed_number} if takes(settings.methods, "seed") else {}


def _chosen(settings: AttributeSettings, trained: Trained, dataset: Dataset) -> list[Chosen]:
    """The events by number, then those by score."""
    import numpy as np

    from dmcnn import selection

    asked = selection.by_number(dataset, settings.entries)
    if not settings.ranks:
        return selection.each_once(asked)
    if settings.score_csv is not None:
        scores = selection.from_tables(settings.score_csv, dataset, settings.score_column)
    else:
        scores = trained.ranking(trained.all_logits(dataset))
    others = np.full(len(dataset), np.nan)
    if settings.disagree is not None:
        others = _other_scores(settings, trained, dataset)
    files = dataset.events["file"]
    ranked = selection.by_score(scores, files, others=others, disagree=settings.disagree, **settings.by_score)
    return selection.each_once([*asked, *ranked])


def _other_scores(settings: AttributeSettings, trained: Trained, dataset: Dataset) -> NDArray[np.float64]:
    """The scores of the other network."""
    from dmcnn import selection
    from dmcnn.trained import open_trained

    if settings.other_score_csv is not None:
        return selection.from_tables(settings.other_score_csv, dataset, settings.score_column)
    other = open_trained(settings.other_weight_file or "", **settings.network())
    if other.card.classes != trained.card.classes:
        raise InputError(
            f"{settings.other_weight_file}: tells {other.card.classes} apart, {settings.weight_file} "
            f"{trained.card.classes}: their scores cannot be compared"
        )
    return other.ranking(other.all_logits(other.dataset(settings.input_file)))


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
        from dmcnn.attribution import Target
        from dmcnn.labels import class_number

        classes, wanted = tuple(self.trained.card.classes), self.settings.target
        if wanted == "predicted":
            scores = self.scores
            wanted = max(scores, key=lambda name: scores[name])
        number = class_number(wanted, classes, "target")
        return Target(number, self.settings.output, self.trained.card.activation)

    def explained(self, methods: Sequence[Method]) -> Explanation:
        """The maps of the event and their quality: from its npz if that is of the same work, else made now."""
        from tqdm import tqdm

        from dmcnn.attribution import archive
        from dmcnn.attribution.explain import explain
        from dmcnn.attribution.quality import ids

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
                ids=ids(self.event.events[0], self.dataset.source(self.event)),
                progress=tell,
            )
        about = {"classes": self.trained.card.classes, "scores": list(self.scores.values())}
        archive.write(path, found, key, self.event, about)
        return found

    def _key(self, target: Target, methods: Sequence[Method]) -> dict[str, Any]:
        """What makes two explanations the same."""
        from hashlib import sha256

        return {
            "image": sha256(self.event.index.tobytes() + self.event.value.tobytes()).hexdigest(),
            "weights": self.trained.sha256,
            "target": [target.number, target.kind],
            "methods": [repr(method) for method in methods],
            "judging": [self.settings.judging(), self.settings.redraw] if self.settings.judge else None,
        }

    def draw(self, found: Explanation, methods: Sequence[Method]) -> None:
        """The overview of all maps, the removal curves, if asked each map; and the page."""
        from dmcnn.figures import quality
        from dmcnn.writers.figure import save_figure

        settings, name = self.settings, self.trained.card.classes[self.target.number]
        pictures = [kind for kind in settings.formats if kind != "html"]
        if pictures:
            for end, figure in self._figures(found, methods):
                save_figure(figure, self.stem.with_name(self.stem.name + end), pictures)
        if pictures and found.curves is not None:
            curves = found.curves
            figure = quality.removal(curves.fraction, curves.deletion, curves.insertion, curves.random,
                                     target=f"{name.capitalize()} {settings.output}")  # fmt: skip
            save_figure(figure, self.stem.with_name(f"{self.stem.name}_removal"), pictures)
        if "html" in settings.formats:
            from dmcnn.pages import event_page

            with replacing(self.stem.with_name(self.stem.name + ".html")) as temporary:
                temporary.write_text(event_page(self.page(found, methods)), encoding="utf-8")

    def _figures(self, found: Explanation, methods: Sequence[Method]) -> Iterator[tuple[str, Figure]]:
        """End of the name and figure: the overview, and each map if asked; plane by plane, or frames summed."""
        from dmcnn.figures import attribution
        from dmcnn.images import PLANES

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
        from dmcnn.figures.event import ids
        from dmcnn.images import UNSET

        scores, name = self.scores, self.trained.card.classes[self.target.number]
        truth = f", true {self.label}" if self.label is not None else ""
        event = self.event.events[0]
        who = Path(self.dataset.source(self.event)).name if event["event"] == UNSET else ids(event)
        return f"{who}: {name} {scores[name]:.3f}{truth} ({self.chosen.reason})"

    def page(self, found: Explanation, methods: Sequence[Method]) -> EventPage:
        """What the interactive page of the event shows."""
        from dmcnn.attribution.quality import page_columns
        from dmcnn.figures.frame import quantity
        from dmcnn.pages import EventPage, Overlay

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
    import numpy as np

    values = np.full(shape, np.nan, np.float32)
    row0, row1, column0, column1 = box
    values[row0:row1, column0:column1] = 1
    values[row0 + 1 : row1 - 1, column0 + 1 : column1 - 1] = np.nan
    return values


def flattened(values: NDArray[Any], plane: int | None) -> NDArray[Any]:
    """(H, W) of a (C, H, W) map: one plane, or the sum over the frames."""
    flat: NDArray[Any] = values.sum(axis=0) if plane is None else values[plane]
    return flat


def _gallery(settings: AttributeSettings, jobs: Sequence[Job], methods: Sequence[Method], stem: Path) -> None:
    """One page of all events, whose maps are read again one by one."""
    from dmcnn.pages import gallery

    texts = gallery(
        (job.page(job.explained(methods), methods) for job in jobs),
        f"Attribution: {settings.name}" if settings.name else "Attribution",
        settings.order,
    )
    with (
        replacing(stem.with_name(stem.name + ".html")) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.writelines(texts)
    log.info("%s.html", stem)


def _tables(rows: Sequence[dict[str, Any]], stem: Path) -> None:
    """Every row, the summary over events, and its figure."""
    from dmcnn.attribution.quality import columns
    from dmcnn.attribution.summary import summary
    from dmcnn.extras import installed
    from dmcnn.figures import quality
    from dmcnn.writers import parquet, table
    from dmcnn.writers.figure import save_figure

    found = summary(rows)
    for what, of in (("quality", rows), ("quality_summary", found)):
        table.write(stem.with_name(f"{stem.name}_{what}.csv"), table.Table.of(columns(of)))
        if installed("pyarrow"):
            parquet.write(stem.with_name(f"{stem.name}_{what}.parquet"), columns(of))
    save_figure(quality.measures(found), stem.with_name(f"{stem.name}_quality"))
    log.info("%s_quality.csv, %s_quality_summary.csv", stem, stem.name)


def _agreement(jobs: Sequence[Job], methods: Sequence[Method], stem: Path) -> None:
    """How alike the maps of the methods are, averaged over the events: table and figure."""
    import numpy as np

    from dmcnn.attribution.overlap import agreement
    from dmcnn.figures import quality
    from dmcnn.writers import table
    from dmcnn.writers.figure import save_figure

    found = [agreement(job.explained(methods).maps, job.event.dense()[0] != 0) for job in jobs]
    names, share = found[0].names, found[0].share
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pairs that no event has a number for stay NaN
        ranks, tops = (
            np.nanmean([getattr(one, kind) for one in found], axis=0) for kind in ("spearman", "jaccard")
        )
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    columns: dict[str, list[Any]] = {
        "method": [names[i] for i, _ in pairs],
        "other": [names[j] for _, j in pairs],
        "events": [len(found)] * len(pairs),
        "rank_correlation": [ranks[pair] for pair in pairs],
        "top_overlap": [tops[pair] for pair in pairs],
    }
    table.write(stem.with_name(f"{stem.name}_agreement.csv"), table.Table.of(columns))
    save_figure(quality.agreement(names, ranks, tops, share=share), stem.with_name(f"{stem.name}_agreement"))


if __name__ == "__main__":
    sys.exit(main())
