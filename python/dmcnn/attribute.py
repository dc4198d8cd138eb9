"""Attribution maps: ``python -m dmcnn.attribute cfg/attribution_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.files import output_folder
from dmcnn._common.shares import balance
from dmcnn.settings import AttributeSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.attribution import Method
    from dmcnn.attribution.report import EventReport
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.inference.predictor import Predictor

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("attribute", attribute, argv)


def attribute(settings: AttributeSettings) -> None:
    """Explain the selected events; write their maps, figures and pages, and the quality of all maps."""
    from dmcnn.figures.style import check_colours
    from dmcnn.inference.predictor import load_predictor

    if settings.farm is not None:
        settings = settings.run_farm("attribute")
    folder = output_folder(settings.output_dir)
    predictor = load_predictor(settings.weight_file, **settings.network())
    predictor.task.need_classes("attribution")
    if settings.list_layers:
        _list_layers(predictor)
        return
    check_colours("signed_cmap", settings.signed_cmap)
    methods = _methods(settings, predictor)
    dataset = predictor.open(settings.input_file)
    stem = folder / f"DM-CNN_attribution{settings.tag}{settings.share_tag}"
    with settings.results_at(stem, dataset.files, predictor.sha256) as remarks:
        reports = _reports(settings, predictor, dataset, folder)
        if settings.check_shares:
            remarks.append(_check(settings, reports, methods, stem))
        else:
            shares = balance([1.0] * len(reports), settings.own_share.count)
            own = settings.own_share.number
            reports = [report for report, share in zip(reports, shares, strict=True) if share == own]
        _explain(settings, reports, methods, stem)
        remarks.append(predictor.reason)


def _reports(
    settings: AttributeSettings, predictor: Predictor, dataset: Dataset, folder: Path
) -> list[EventReport]:
    """Return the reports of the selected events that hold an image."""
    from dmcnn.attribution.report import EventReport, ReportOptions
    from dmcnn.inference.selection import select

    events = select(predictor, dataset, folder, **settings.selection())
    labels, options = predictor.task.truth(dataset, settings.label), ReportOptions(**settings.report())
    reports = []
    for selected in events:
        event = dataset.read(selected.number, selected.number + 1)
        if not event.has_image[0]:
            log.warning("warning: entry %d holds no image: left out", event.events["entry"][0])
            continue
        about = dataset, event, selected, labels[selected.number]
        reports.append(EventReport(options, predictor, *about, folder, settings.tag))
    return reports


def _check(
    settings: AttributeSettings, reports: Sequence[EventReport], methods: Sequence[Method], stem: Path
) -> str:
    """Return the certificate of all shares; raise InputError unless all are there, of one kind."""
    if not reports:
        raise InputError(f"{stem}: no event that holds an image is selected")
    files, weights = reports[0].dataset.files, reports[0].predictor.sha256
    finished = settings.shares_at(stem, files, weights)
    count = next(iter(finished)).count
    missing: dict[int, list[str]] = {number: [] for number in range(count)}
    for report, share in zip(reports, balance([1.0] * len(reports), count), strict=True):
        if report.stored(methods) is None:
            missing[share].append(report.stem.name)
    settings.check_all(stem, finished, missing)
    return settings.certificate(count, weights, f"{len(reports)} events")


def _explain(
    settings: AttributeSettings, reports: Sequence[EventReport], methods: Sequence[Method], stem: Path
) -> None:
    """Explain events one by one; write their files, and those of all events."""
    rows: list[dict[str, Any]] = []
    for report in reports:
        explanation = report.explanation(methods)
        if not settings.check_shares:
            report.draw(explanation, methods)
        rows += explanation.rows
        log.info("%s: %s", report.stem.name, report.selected.reason)
    if "html" in settings.formats and len(reports) > 1:
        _gallery(settings, reports, methods, stem)
    note = ", ".join(filter(None, dict.fromkeys(report.origin for report in reports)))
    if rows:
        _tables(rows, stem, note)
    if reports and len(methods) > 1:
        _agreement(reports, methods, stem, note)


def _list_layers(predictor: Predictor) -> None:
    """Log all layers with maps, and mark the default."""
    from dmcnn.attribution import layers

    known, default = (
        layers.layers(predictor.net, predictor.card.shape),
        layers.find(predictor.net, predictor.card.shape),
    )
    width = max(len(layer.name) for layer in known)
    log.info("%-*s  %12s  %8s", width, "layer", "grid", "channels")
    for layer in known:
        mark = "  default" if layer == default else ""
        log.info("%-*s  %12s  %8d%s", width, layer.name, layer.size, layer.channels, mark)


def _methods(settings: AttributeSettings, predictor: Predictor) -> list[Method]:
    """Return the methods with their options; raise InputError for an unknown layer, method or option."""
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
    """Return the option ``seed`` if any of the methods is random."""
    from dmcnn.attribution import takes

    return {"seed": settings.seed_number} if takes(settings.methods, "seed") else {}


def _gallery(
    settings: AttributeSettings, reports: Sequence[EventReport], methods: Sequence[Method], stem: Path
) -> None:
    """Write one page of all events, whose maps are read again one by one."""
    from dmcnn.pages import gallery, save_page

    texts = gallery(
        (report.page(report.explanation(methods), methods) for report in reports),
        f"Attribution: {settings.name}" if settings.name else "Attribution",
        settings.order,
    )
    save_page(stem.with_name(stem.name + ".html"), texts)


def _tables(rows: Sequence[dict[str, Any]], stem: Path, note: str) -> None:
    """Write the quality table, its summary over the events, and the figure of the summary with the note."""
    from dmcnn._common.extras import is_installed
    from dmcnn.attribution.quality.summary import summary
    from dmcnn.attribution.quality.table import columns
    from dmcnn.figures import attribution_quality
    from dmcnn.figures.save import save_figure
    from dmcnn.metrics.intervals import MIN_EVENTS
    from dmcnn.tables import parquet, table

    summary_rows = summary(rows)
    for name, content in (("quality", rows), ("quality_summary", summary_rows)):
        table.write(stem.with_name(f"{stem.name}_{name}.csv"), table.Table.from_columns(columns(content)))
        if is_installed("pyarrow"):
            parquet.write(stem.with_name(f"{stem.name}_{name}.parquet"), columns(content))
    save_figure(attribution_quality.measures(summary_rows), stem.with_name(f"{stem.name}_quality"), note=note)
    events = max((row["n"] for row in summary_rows), default=0)
    if events < MIN_EVENTS:
        log.info("no intervals in the summary: %d events, at least %d are needed", events, MIN_EVENTS)


def _agreement(reports: Sequence[EventReport], methods: Sequence[Method], stem: Path, note: str) -> None:
    """Write table and figure of the agreement between the maps of all methods, averaged over the events."""
    import numpy as np

    from dmcnn.attribution.quality.localisation import agreement
    from dmcnn.figures import attribution_quality
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    agreements = [
        agreement(report.explanation(methods).maps, report.event.dense()[0] != 0) for report in reports
    ]
    names, share = agreements[0].names, agreements[0].share
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pairs without a number in any event stay NaN
        ranks, tops = (
            np.nanmean([getattr(event, kind) for event in agreements], axis=0)
            for kind in ("spearman", "jaccard")
        )
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    columns: dict[str, list[Any]] = {
        "method": [names[i] for i, _ in pairs],
        "other": [names[j] for _, j in pairs],
        "events": [len(agreements)] * len(pairs),
        "rank_correlation": [ranks[pair] for pair in pairs],
        "top_overlap": [tops[pair] for pair in pairs],
    }
    table.write(stem.with_name(f"{stem.name}_agreement.csv"), table.Table.from_columns(columns))
    save_figure(
        attribution_quality.agreement(names, ranks, tops, share=share),
        stem.with_name(f"{stem.name}_agreement"),
        note=note,
    )


if __name__ == "__main__":
    sys.exit(main())
