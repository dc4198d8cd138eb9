"""What a network looks at: ``python -m dmcnn.attribute cfg/attribution_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import atomic_file, output_folder
from dmcnn.settings import AttributeSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dmcnn.attribution import Method
    from dmcnn.attribution.report import EventReport
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.datasets.selection import SelectedEvent
    from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("attribute", attribute, argv)


def attribute(settings: AttributeSettings) -> None:
    """Explain the chosen events one after another; then the gallery and the quality of all."""
    from dmcnn.attribution.report import EventReport, ReportOptions
    from dmcnn.inference.predictor import load_predictor, open_dataset

    folder = output_folder(settings.output_dir)
    predictor = load_predictor(settings.weight_file, **settings.network())
    predictor.task.need_classes("attribution")
    if settings.list_layers:
        _list_layers(predictor)
        return
    _check_colours(settings)
    methods = _methods(settings, predictor)
    dataset = open_dataset(predictor.card, settings.input_file)
    chosen, labels = _chosen(settings, predictor, dataset), predictor.task.truth(dataset, settings.label)
    stem = folder / f"DM-CNN_attribution{settings.tag}"
    options = ReportOptions(**settings.report())
    rows: list[dict[str, Any]] = []
    reports: list[EventReport] = []
    for one in chosen:
        event = dataset.read(one.number, one.number + 1)
        if not event.has_image[0]:
            log.warning("warning: entry %d holds no image: left out", event.events["entry"][0])
            continue
        report = EventReport(
            options, predictor, dataset, event, one, labels[one.number], folder, settings.tag
        )
        found = report.explained(methods)
        report.draw(found, methods)
        rows += found.rows
        reports.append(report)
        log.info("%s: %s", report.stem.name, one.reason)
    if "html" in settings.formats and len(reports) > 1:
        _gallery(settings, reports, methods, stem)
    if rows:
        _tables(rows, stem)
    if reports and len(methods) > 1:
        _agreement(reports, methods, stem)
    settings.save(stem, f", weights {predictor.sha256}")


def _list_layers(predictor: Predictor) -> None:
    from dmcnn.attribution import layers

    known, chosen = (
        layers.layers(predictor.net, predictor.card.shape),
        layers.find(predictor.net, predictor.card.shape),
    )
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


def _methods(settings: AttributeSettings, predictor: Predictor) -> list[Method]:
    """The methods with the options of the cfg; faults show before any work is done."""
    from dmcnn.attribution import build, layers
    from dmcnn.attribution.methods.noise import Noisy, SmoothRectGrad

    if settings.layer is not None:
        layers.find(predictor.net, predictor.card.shape, settings.layer)
    common = {"internal_batch": predictor.batch_size, "precision": predictor.precision}
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


def _chosen(settings: AttributeSettings, predictor: Predictor, dataset: Dataset) -> list[SelectedEvent]:
    """The events by number, then those by score."""
    import numpy as np

    from dmcnn.datasets import selection

    asked = selection.select_by_number(dataset, settings.entries)
    if not settings.needs_scores:
        return selection.merge_reasons(asked)
    if settings.score_csv is not None:
        scores = selection.read_scores(settings.score_csv, dataset, settings.score_column)
    else:
        scores = predictor.task.ranking(predictor.all_logits(dataset))
    others = np.full(len(dataset), np.nan)
    if settings.disagree is not None:
        others = _other_scores(settings, predictor, dataset)
    files = dataset.events["file"]
    ranked = selection.select_by_score(
        scores, files, others=others, disagree=settings.disagree, **settings.score_options
    )
    return selection.merge_reasons([*asked, *ranked])


def _other_scores(settings: AttributeSettings, predictor: Predictor, dataset: Dataset) -> NDArray[np.float64]:
    """The scores of the other network."""
    from dmcnn.datasets import selection
    from dmcnn.inference.predictor import load_predictor, open_dataset

    if settings.other_score_csv is not None:
        return selection.read_scores(settings.other_score_csv, dataset, settings.score_column)
    other = load_predictor(settings.other_weight_file or "", **settings.network())
    if other.card.classes != predictor.card.classes:
        raise InputError(
            f"{settings.other_weight_file}: tells {other.card.classes} apart, {settings.weight_file} "
            f"{predictor.card.classes}: their scores cannot be compared"
        )
    return other.task.ranking(other.all_logits(open_dataset(other.card, settings.input_file)))


def _gallery(
    settings: AttributeSettings, reports: Sequence[EventReport], methods: Sequence[Method], stem: Path
) -> None:
    """One page of all events, whose maps are read again one by one."""
    from dmcnn.pages import gallery

    texts = gallery(
        (report.page(report.explained(methods), methods) for report in reports),
        f"Attribution: {settings.name}" if settings.name else "Attribution",
        settings.order,
    )
    with (
        atomic_file(stem.with_name(stem.name + ".html")) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.writelines(texts)
    log.info("%s.html", stem)


def _tables(rows: Sequence[dict[str, Any]], stem: Path) -> None:
    """Every row, the summary over events, and its figure."""
    from dmcnn._common.extras import is_installed
    from dmcnn.attribution.quality.summary import summary
    from dmcnn.attribution.quality.table import columns
    from dmcnn.figures import attribution_quality
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import parquet, table

    found = summary(rows)
    for what, of in (("quality", rows), ("quality_summary", found)):
        table.write(stem.with_name(f"{stem.name}_{what}.csv"), table.Table.from_columns(columns(of)))
        if is_installed("pyarrow"):
            parquet.write(stem.with_name(f"{stem.name}_{what}.parquet"), columns(of))
    save_figure(attribution_quality.measures(found), stem.with_name(f"{stem.name}_quality"))
    log.info("%s_quality.csv, %s_quality_summary.csv", stem, stem.name)


def _agreement(reports: Sequence[EventReport], methods: Sequence[Method], stem: Path) -> None:
    """How alike the maps of the methods are, averaged over the events: table and figure."""
    import numpy as np

    from dmcnn.attribution.quality.localisation import agreement
    from dmcnn.figures import attribution_quality
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    found = [agreement(report.explained(methods).maps, report.event.dense()[0] != 0) for report in reports]
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
    table.write(stem.with_name(f"{stem.name}_agreement.csv"), table.Table.from_columns(columns))
    save_figure(
        attribution_quality.agreement(names, ranks, tops, share=share),
        stem.with_name(f"{stem.name}_agreement"),
    )


if __name__ == "__main__":
    sys.exit(main())
