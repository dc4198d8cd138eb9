"""Occlusion maps: ``python -m dmcnn.occlude cfg/occlusion_config.cfg -n ENTRY [key=value …]``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dmcnn._common.files import output_folder
from dmcnn._common.progress import ProgressBar
from dmcnn._common.shares import balance
from dmcnn.settings import OccludeSettings
from dmcnn.settings.cfg import read_cfg
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.inference.predictor import Predictor
    from dmcnn.occlusion.campaign import PlannedEvent
    from dmcnn.occlusion.choice import EngineChoice
    from dmcnn.occlusion.report import CampaignReport
    from dmcnn.occlusion.result import OcclusionResult, Scan
    from dmcnn.pages import EventPage

log = logging.getLogger("dmcnn")

Scanned = tuple["PlannedEvent", "SparseImages", "OcclusionResult", Path]
"""Event, its image, the result of a scan, and the npz of the result."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run("occlude", occlude, argv)


@dataclass(frozen=True)
class Campaign:
    """Scans of the selected events: one of each event for each size of the windows."""

    settings: OccludeSettings
    scans: Sequence[Scan]
    report: CampaignReport
    engines: EngineChoice

    @property
    def predictor(self) -> Predictor:
        """Network of the scans."""
        return self.report.predictor

    def read(self, planned: PlannedEvent) -> SparseImages:
        """Read the image of an event."""
        return self.report.dataset.read(planned.number, planned.number + 1)

    def event_stem(self, event: SparseImages, scan: Scan) -> Path:
        """Return the path of the outputs of one scan, without suffix; all shares have the same."""
        size = f"_k{scan.k}" if len(self.scans) > 1 else ""
        name = f"occlusion_test_{self.report.dataset.output_name(event)}{size}{self.settings.tag}"
        return Path(self.settings.output_dir) / name

    def stem(self, share: str = "") -> Path:
        """Return the path of the outputs of all events, or of those of a share, without suffix."""
        return Path(self.settings.output_dir) / f"DM-CNN_occlusion{self.settings.tag}{share}"

    def stored(
        self, planned: PlannedEvent
    ) -> Iterator[tuple[SparseImages, Scan, int, Path, OcclusionResult | None]]:
        """Yield image, scan, number of windows, stem, and the result if it is finished, of every scan of an event."""
        event = self.read(planned)
        for scan, windows in zip(self.scans, planned.windows, strict=True):
            stem = self.event_stem(event, scan)
            yield event, scan, windows, stem, _stored(self.settings, self.predictor, scan, event, stem)


def occlude(settings: OccludeSettings) -> None:
    """Scan the selected events; write an npz and one figure per class for each, and a table of several."""
    from dmcnn.figures.style import check_colours
    from dmcnn.inference.predictor import load_predictor
    from dmcnn.inference.selection import select
    from dmcnn.occlusion import campaign
    from dmcnn.occlusion.choice import EngineChoice, check
    from dmcnn.occlusion.report import CampaignReport

    if settings.farm is not None and not settings.dry_run:
        settings = settings.run_farm("occlude")
    check_colours("cmap", settings.cmap)
    check(settings.engine, settings.tolerance, settings.precision)
    if isinstance(settings.border, str):
        log.info("border = %r: this key is called window_border now", settings.border)
    folder = Path(settings.output_dir) if settings.dry_run else output_folder(settings.output_dir)
    predictor = load_predictor(
        settings.weight_file, **settings.network() | {"engine": settings.whole_image_engine}
    )
    dataset = predictor.open(settings.input_file)
    selected = select(predictor, dataset, folder, **settings.selection())
    how = predictor.batch_size, predictor.precision, predictor.card.scaling
    engines = EngineChoice(settings.engine, predictor.sparse_net, *how)
    work = Campaign(settings, _scans(settings), CampaignReport(predictor, dataset, settings.label), engines)
    planned = campaign.plan(dataset, selected, work.scans)
    if lost := len(selected) - len(planned):
        log.warning("warning: %d of %d events hold no image: left out", lost, len(selected))
    shares = balance([event.cost for event in planned], settings.own_share.count)
    mine = [event for event, share in zip(planned, shares, strict=True) if share == settings.own_share.number]
    if settings.dry_run:
        _predict(work, mine)
    elif settings.check_shares:
        _merge(work, planned)
    else:
        _scan(work, mine)


def _scans(settings: OccludeSettings) -> list[Scan]:
    """Return one scan for each size."""
    from dmcnn.occlusion.result import Scan

    depth, border, stride = settings.occlusion_depth, settings.window_border, settings.stride
    return [
        Scan(size, depth, border, stride, settings.fill, settings.seed_number, settings.tolerance)
        for size in settings.sizes
    ]


def _scan(work: Campaign, planned: Sequence[PlannedEvent]) -> None:
    """Scan events; of several, or of a share, write the table, too."""
    settings, report = work.settings, work.report
    if settings.share is None and len(planned) * len(work.scans) == 1:
        list(_scan_all(work, planned))
        return
    stem = work.stem(settings.share_tag)
    with settings.results_at(stem, report.dataset.files, work.predictor.sha256) as remarks:
        for one, event, result, path in _scan_all(work, planned):
            report.add(one.number, one.reason, event, result, path)
        _write(work, planned, stem)
        remarks.append(report.engines())


def _scan_all(work: Campaign, planned: Sequence[PlannedEvent]) -> Iterator[Scanned]:
    """Scan events one by one; what is finished and drawn is not done again."""
    total, done, start = sum(sum(event.windows) for event in planned), 0, time.perf_counter()
    with ProgressBar(total=total, desc="all events", unit="window", disable=len(planned) < 2) as bar:
        for one in planned:
            for event, scan, windows, stem, result in work.stored(one):
                is_new = result is None
                if not is_new:
                    bar.skip(windows)
                if result is None or not _is_drawn(work.settings, work.predictor, stem):
                    result = _scan_event(work, scan, one, event, stem)
                done += windows if is_new else 0
                bar.update(windows if is_new else 0)
                yield one, event, result, _npz(stem)
    seconds = time.perf_counter() - start
    if len(planned) > 1:
        rate = f", {done / seconds:.3g} windows a second" if done else ""
        log.info("%d events, %d of %d windows scored in %.0f s%s", len(planned), done, total, seconds, rate)


def _scan_event(
    work: Campaign, scan: Scan, planned: PlannedEvent, event: SparseImages, stem: Path
) -> OcclusionResult:
    """Scan one event, or read its finished scan; write its npz, figures and page."""
    from dmcnn.occlusion.pictures import Pictures
    from dmcnn.occlusion.result import CHECKS
    from dmcnn.pages import event_page, save_page

    settings, predictor, number = work.settings, work.predictor, int(event.events["file"][0])
    file, origin = work.report.dataset.files[number], work.report.dataset.file_origins[number]
    with settings.results_at(stem, [file], predictor.sha256) as remarks:
        result = _result(work, scan, event, stem, remarks)
        note = ", ".join(filter(None, [origin, str(result.certificate or "")]))
        pictures = Pictures(settings.pictures, settings.normalization, settings.zoom, settings.cmap)
        pictures.draw(predictor.task, event, result, stem, note)
        if "html" in settings.formats:
            page = work.report.page(planned.number, planned.reason, event, {scan.k: result})
            save_page(stem.with_name(f"{stem.name}.html"), [event_page(page)])
    if predictor.precision != "32":
        log.info(
            "%s: outputs in %s differ from float32 by up to %.2g at %d windows, %.2g of the spread of the map",
            *(file.name, predictor.precision, result.error.max(), CHECKS, result.relative_error),
        )
    log.info("%s, entry %d: %d windows", file.name, event.events["entry"][0], len(result.logits))
    return result


def _npz(stem: Path) -> Path:
    """Return the path of the npz of a scan."""
    return stem.with_name(stem.name + ".npz")


def _stored(
    settings: OccludeSettings, predictor: Predictor, scan: Scan, event: SparseImages, stem: Path
) -> OcclusionResult | None:
    """Return the finished scan, with any engine that the user admits; None if there is none."""
    from dmcnn.engines.choice import candidates, word
    from dmcnn.occlusion.choice import WORDS
    from dmcnn.occlusion.result import read

    key, windows = scan.key(event, predictor.sha256, predictor.precision), scan.windows(event)
    for engine in candidates(settings.engine, WORDS):
        if (result := read(_npz(stem), key | word(engine), windows)) is not None:
            return result
    return None


def _result(
    work: Campaign, scan: Scan, event: SparseImages, stem: Path, remarks: list[str]
) -> OcclusionResult:
    """Return the result for one event: from the npz of the same scan, else scanned or resumed from the journal."""
    from dmcnn._common.journal import Journal
    from dmcnn.engines.choice import word
    from dmcnn.occlusion.result import scan_event

    predictor, engines = work.predictor, work.engines
    if (finished := _stored(work.settings, predictor, scan, event, stem)) is not None:
        return finished
    key, windows = scan.key(event, predictor.sha256, predictor.precision), scan.windows(event)
    unfinished = stem.with_name(f".{stem.name}.journal")
    name = engines.begun(unfinished, key, scan, predictor.task.outputs)
    line = f"engine: {name}, as in the work that goes on"
    if not name:
        chosen = engines.choose(event, scan, windows)
        name, line = chosen.engine, chosen.line or f"engine: {chosen.engine}, as for the events before"
    engines.tell(line)
    remarks.append(line)
    if predictor.engine == "auto":  # of the untouched event
        predictor.engine = "dense" if name == "dense" else "sparse"
    base = next(predictor.logits([event]))[0]
    key |= word(name)
    engine = engines.engine(name, scan)
    journal = Journal(unfinished, key, engine.row_width(len(base)))
    left, start = len(windows) - len(journal), time.perf_counter()
    result = scan_event(engines.network(name), event, windows, engine, base, journal, label=stem.name)
    # of all windows: those that an interrupted process scored took as long each
    seconds = (time.perf_counter() - start) * len(windows) / left if left else 0.0
    result.save(_npz(stem), key, event, predictor.task.names, predictor.task.values, seconds)
    journal.close()
    return result


def _is_drawn(settings: OccludeSettings, predictor: Predictor, stem: Path) -> bool:
    """Return whether the figures and pages of a scan exist, made with the same looks."""
    from dmcnn.occlusion.pictures import endings_of

    endings = [f"{ending}.{kind}" for ending in endings_of(predictor.task) for kind in settings.pictures]
    endings += [".html"] if "html" in settings.formats else []
    if not all(stem.with_name(stem.name + ending).exists() for ending in [*endings, ".cfg"]):
        return False
    theirs = {entry.key: entry.value for entry in read_cfg(stem.with_name(stem.name + ".cfg"))[0]}
    fields = type(settings).model_fields
    looks = settings.keys(section="pictures")
    return all(theirs.get(key, fields[key].default) == getattr(settings, key) for key in looks)


def _write(work: Campaign, planned: Sequence[PlannedEvent], stem: Path) -> None:
    """Write the table of a campaign, its summary, and the page of all events."""
    from dmcnn.pages import gallery, save_page

    settings, origins = work.settings, work.report.dataset.origins
    note = ", ".join(filter(None, dict.fromkeys(origins[event.number] for event in planned)))
    work.report.write(stem, settings.pictures, note)
    if "html" in settings.formats and work.report.rows:
        title = f"Occlusion: {settings.name}" if settings.name else "Occlusion"
        save_page(stem.with_name(stem.name + ".html"), gallery(_pages(work, planned), title, settings.order))


def _pages(work: Campaign, planned: Sequence[PlannedEvent]) -> Iterator[EventPage]:
    """Yield the pages of all events, whose scans are read again one by one."""
    for one in planned:
        results = {scan.k: result for _, scan, _, _, result in work.stored(one) if result is not None}
        yield work.report.page(one.number, one.reason, work.read(one), results)


def _merge(work: Campaign, planned: Sequence[PlannedEvent]) -> None:
    """Write the results of all shares as if there had been none; InputError unless all are there, of one kind."""
    settings, report, stem = work.settings, work.report, work.stem()
    files, weights = report.dataset.files, work.predictor.sha256
    with settings.results_at(stem, files, weights) as remarks:
        finished = settings.shares_at(stem, files, weights)
        count = next(iter(finished)).count
        missing: dict[int, list[str]] = {number: [] for number in range(count)}
        for one, share in zip(planned, balance([event.cost for event in planned], count), strict=True):
            for event, _, _, path, result in work.stored(one):
                if result is None:
                    missing[share].append(path.name)
                else:
                    report.add(one.number, one.reason, event, result, _npz(path))
        settings.check_all(stem, finished, missing)
        _write(work, planned, stem)
        results = f"{len(report.rows)} scans of {len(planned)} events"
        remarks.append(settings.certificate(count, weights, results))


def _window_seconds(work: Campaign, event: SparseImages, scan: Scan) -> tuple[float, float]:
    """Return the wall time and the CPU time [s] of one window of a scan of an event, measured on a few."""
    from dmcnn.occlusion import campaign

    windows = scan.windows(event)
    chosen = work.engines.choose(event, scan, windows).engine
    engine = work.engines.engine(chosen, scan)
    return campaign.window_seconds(work.engines.network(chosen), event, windows, engine, engine.at_once)


def _predict(work: Campaign, planned: Sequence[PlannedEvent]) -> None:
    """Log windows, time and bytes of a campaign; the time of a window is measured on a few events."""
    from dmcnn.occlusion import campaign

    predictor, wall, core = work.predictor, {}, {}
    left = sum(windows for one in planned for *_, windows, _, result in work.stored(one) if result is None)
    for one in campaign.spread(planned):
        event = work.read(one)
        times = [_window_seconds(work, event, scan) for scan in work.scans]
        wall[one.pixels], core[one.pixels] = zip(*times, strict=True)
    windows = sum(sum(one.windows) for one in planned)
    pixels = sorted(one.pixels for one in planned)
    log.info(
        "%d events of %d active pixels (median), %d windows, %d of them finished",
        *(len(planned), pixels[len(pixels) // 2] if pixels else 0, windows, windows - left),
    )
    if wall:
        on_host = "" if predictor.device.type == "cpu" else " of the host"
        hours = [left / windows * campaign.predicted_seconds(planned, one) / 3600 for one in (core, wall)]
        line = "%s%.3g core-hours%s, %.3g hours on this machine, by windows of %d events"
        most = "at most " if work.settings.tolerance else ""
        log.info(line, most, hours[0], on_host, hours[1], len(wall))
    names, kinds = len(predictor.task.names), work.settings.pictures
    about = work.report.dataset.shape, work.settings.stride
    megabytes = campaign.predicted_bytes(planned, predictor.task.outputs, names, *about) / 1e6
    pictures = len(planned) * len(work.scans) * names * len(kinds)
    log.info("%.3g MB of npz and %d pictures; nothing was written", megabytes, pictures)


if __name__ == "__main__":
    sys.exit(main())
