"""Evaluate score tables: ``python -m dmcnn.evaluate signal=… background=… [key=value …]``, or ``scores=…``."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common import json_files
from dmcnn._common.errors import InputError
from dmcnn._common.files import expand, output_folder
from dmcnn._common.fingerprint import path_fingerprint
from dmcnn.settings import EvaluateSettings
from dmcnn.settings.command import run

if TYPE_CHECKING:
    from dmcnn.evaluation import EvaluationResult
    from dmcnn.evaluation.classes import ClassScores
    from dmcnn.evaluation.rows import ScoreTables
    from dmcnn.evaluation.signal import Kinds

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("evaluate", evaluate, argv)


def evaluate(settings: EvaluateSettings) -> None:
    """Write numbers as JSON, figures as PNG and PDF, and lists of events and results of regression as CSV."""
    from dmcnn.evaluation.rows import ScoreTables

    folder = output_folder(settings.output_dir)
    stem = folder / f"DM-CNN_evaluation{settings.tag}"
    tables = ScoreTables()
    with settings.results_at(stem, settings.tables()):
        result = _judge(settings, tables)
        origins = tables.origins()
        _write(result, origins, stem)
        if settings.report:
            _report(settings, result, origins, stem)


def _write(result: EvaluationResult, origins: list[str], stem: Path) -> None:
    """Write numbers, tables and figures of an evaluation of events of these ``origins``, and log its lines."""
    from tqdm import tqdm

    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table

    json_files.write(stem.with_name(stem.name + ".json"), {**result.numbers, "origin": origins})
    for ending, rows in result.tables.items():
        table.write(stem.with_name(f"{stem.name}_{ending}.csv"), rows)
    gc.freeze()  # figures make and drop many small objects: the collector need not look at all others each time
    for ending, figure in tqdm(result.figures.items(), desc="figures", unit="figure", disable=None):
        save_figure(figure, stem.with_name(f"{stem.name}_{ending}"), note=", ".join(origins))
    for ending, write in result.files.items():
        write(stem.with_name(f"{stem.name}_{ending}"))
    for line in result.lines:
        log.info("%s", line)
    if origins:
        log.info("events: %s", ", ".join(origins))


def _report(settings: EvaluateSettings, result: EvaluationResult, origins: list[str], stem: Path) -> None:
    """Write all results on one page."""
    from dmcnn.evaluation import report
    from dmcnn.pages.report import save_report

    fingerprints = {path: path_fingerprint(path) for path in settings.tables()}
    text = report.page(result, stem, origins, fingerprints, settings.text(""))
    save_report(stem.with_name(stem.name + ".html"), text)


def _judge(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Evaluate the score tables as networks, a signal, classes or regression, according to keys and columns."""
    from dmcnn.evaluation import merge, signal, weights
    from dmcnn.evaluation.regression.predictions import estimated_targets

    weights.check_patterns(settings.event_weight, settings.tables())
    if settings.scores is None:
        names, parts = settings.networks(), []
        if settings.background is not None:
            parts.append(_networks(settings, tables, names) if names else _samples(settings, tables))
        if settings.stack is not None:
            parts.append(_stack(settings, tables))
        return merge(parts)
    paths = settings.tables("scores")
    columns = tables(paths[0]).columns
    is_signal = settings.score_column in columns or "predicted" not in columns
    if settings.calibration is not None and estimated_targets(columns):
        raise InputError(
            f"{paths[0]}: calibration needs tables with scores of classes, these are of regression"
        )
    if estimated_targets(columns):
        return _regression(settings, tables)
    if settings.names is not None or settings.weights is not None or isinstance(settings.scores, dict):
        raise InputError(
            f"{paths[0]}: no column sigma_<target>; names, weights and scores = {{network: …}} need tables of "
            "regression (networks with a signal: signal = {network: …} and background = {network: …})"
        )
    if not is_signal:
        return _classes(settings, tables)
    kinds, files = signal.read_labelled(paths, *_columns(settings), tables)
    return _signal(settings, tables, kinds, files)


def _regression(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Evaluate and compare networks of regression."""
    from dmcnn.evaluation.regression import comparison, naming

    networks = naming.networks(settings.scores or [], settings.names)
    files = settings.weights
    return comparison.judge(
        networks,
        None if files is None else naming.weights(files, networks, settings.names),
        level=settings.confidence,
        reach=settings.fit_range,
        bins=settings.profile_bins,
        event_weight=settings.event_weight,
        own=settings.model,
        read_table=tables,
    )


def _classes(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Evaluate the scores of a network of several classes without a signal."""
    from dmcnn.evaluation import classes, merge

    events = classes.read(settings.tables("scores"), settings.event_weight, tables)
    judged = classes.judge(events, level=settings.confidence, event_weight=settings.event_weight)
    return merge([judged, _calibrate_classes(settings, tables)])


def _signal(
    settings: EvaluateSettings,
    tables: ScoreTables,
    kinds: Kinds,
    files: list[dict[str, Any]],
    name: str = "",
    roc: bool = True,
) -> EvaluationResult:
    """Evaluate the scores of one network for signal and background."""
    from dmcnn.evaluation import merge, signal, working_point, wrong

    level, rule = settings.confidence, settings.event_weight
    cut, at_cut = working_point.choose(kinds, settings.cut, settings.working_point, level)
    name = name or settings.name or "score"
    judged = signal.judge(kinds, files, cut=cut, level=level, name=name, event_weight=rule, roc=roc)
    return merge([judged, at_cut, wrong.judge(kinds, cut), _calibrate(settings, kinds, tables)])


def _samples(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Evaluate the scores of one network for signal and background, and for each of their samples by name."""
    from dmcnn.evaluation import merge, samples, signal, weights

    named = {"signal": settings.signal, "background": settings.background}
    paths = {
        kind: {name: expand(files) for name, files in value.items()}
        if isinstance(value, dict)
        else {kind: expand(value or [])}
        for kind, value in named.items()
    }
    read: dict[str, Kinds] = {}
    files: list[dict[str, Any]] = []
    for kind, parts in paths.items():
        events, counts = signal.read_separate(parts, settings.score_column, settings.event_weight, tables)
        read[kind] = events
        files += [
            {**one, "kind": kind, **({"sample": one["kind"]} if len(parts) > 1 else {})} for one in counts
        ]
    kinds = {kind: weights.join_events(list(parts.values())) for kind, parts in read.items()}
    result = _signal(settings, tables, kinds, files)
    if all(len(parts) == 1 for parts in paths.values()) or "auc" not in result.numbers:
        return result
    more = samples.judge(**read, cut=result.numbers["cut"], level=settings.confidence)
    return merge([result, more])


def _columns(settings: EvaluateSettings) -> tuple[str, str, str | dict[str, float] | None]:
    """Return column of the score, label of the signal, and weights of events."""
    return settings.score_column, settings.signal_label, settings.event_weight


def _calibrate(settings: EvaluateSettings, kinds: Kinds, tables: ScoreTables) -> EvaluationResult:
    """Evaluate the calibration of the scores of one network; write a calibrated checkpoint if asked.

    One temperature divides all logits: with the scores of several classes in the tables it is fitted to all of them.
    """
    from dmcnn.evaluation import calibration, signal

    column, label, rule = _columns(settings)
    files, validation = settings.calibration, None
    if isinstance(files, dict):
        paths = {kind: expand(files[kind]) for kind in ("signal", "background")}
        validation, _ = signal.read_separate(paths, column, rule, tables)
    elif files is not None and settings.scores and "predicted" in tables(expand(files)[0]).columns:
        return _calibrate_classes(settings, tables)
    elif files is not None:
        validation, _ = signal.read_labelled(expand(files), column, label, rule, tables)
    return _apply(settings, calibration.judge(kinds, settings.confidence, validation))


def _calibrate_classes(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Evaluate the calibration of the scores of all classes; write a calibrated checkpoint if asked."""
    from dmcnn.evaluation import class_calibration, classes

    if isinstance(settings.calibration, dict):
        raise InputError("calibration: expected the files of all classes, not those of signal and background")
    own, other = (settings.tables(key) for key in ("scores", "calibration"))
    events = classes.read(own, settings.event_weight, tables)
    validation = classes.read(other, settings.event_weight, tables) if other else None
    result = class_calibration.judge(events, settings.confidence, validation)
    return _apply(settings, result, events)


def _apply(
    settings: EvaluateSettings, result: EvaluationResult, events: ClassScores | None = None
) -> EvaluationResult:
    """Write the calibrated checkpoint if asked; ``events`` have the scores of all classes, if these were fitted."""
    from dmcnn.evaluation import EvaluationResult, calibration, merge

    validation = settings.tables("calibration")
    if both := sorted({*settings.tables("scores", "signal", "background")} & {*validation}):
        text = f"warning: the temperature is judged on events that it was fitted to: {', '.join(both)}"
        result = merge([result, EvaluationResult({}, {}, [text])])
    if (weight_file := settings.calibrate_weight_file) is None:
        return result
    value = result.numbers["calibration"]["temperature"][0]
    path = calibration.write_calibrated(weight_file, value, validation, events)
    line = f"{path.name}: has this temperature; {weight_file} stays as it is"
    return merge([result, EvaluationResult({}, {}, [line])])


def _networks(settings: EvaluateSettings, tables: ScoreTables, names: list[str]) -> EvaluationResult:
    """Compare networks with a signal on the same events."""
    from dmcnn.evaluation import networks, signal

    assert isinstance(settings.signal, dict)
    assert isinstance(settings.background, dict)
    read: dict[str, Kinds] = {}
    files: list[dict[str, Any]] = []
    for name in names:
        paths = {"signal": expand(settings.signal[name]), "background": expand(settings.background[name])}
        read[name], counts = signal.read_separate(paths, settings.score_column, settings.event_weight, tables)
        files += [{**one, "network": name} for one in counts]
    common, matches = networks.match_networks(read)
    results = {name: _signal(settings, tables, kinds, [], name, roc=False) for name, kinds in common.items()}
    return networks.judge(common, matches, results, files, level=settings.confidence)


def _stack(settings: EvaluateSettings, tables: ScoreTables) -> EvaluationResult:
    """Compare data with a stack of samples."""
    from dmcnn.evaluation import stack
    from dmcnn.evaluation.stack_samples import Variable
    from dmcnn.evaluation.systematics import Systematics

    signal, blind = settings.signal, settings.blind_above
    named = signal if isinstance(signal, dict) else {"signal": signal} if signal else {}
    return stack.judge(
        settings.files_of("stack"),
        expand(settings.data) if settings.data else [],
        {name: expand(files) for name, files in named.items()},
        variable=Variable(settings.variable, settings.score_column, None if blind is False else blind),
        bins=settings.bins,
        reach=settings.range,
        event_weight=settings.event_weight,
        scale=settings.sample_scale,
        signal_scale=settings.signal_scale,
        clean_above=settings.clean_weights,
        systematics=Systematics(
            universes=settings.universes or {},
            universe_files=settings.files_of("universe_files"),
            clean_above=settings.clean_weights,
            variations={
                name: {sample: expand(paths) for sample, paths in files.items()}
                for name, files in (settings.variations or {}).items()
            },
            central_value=settings.files_of("central_value"),
            normalisation=settings.normalisation or {},
        ),
        read=tables,
    )


if __name__ == "__main__":
    sys.exit(main())
