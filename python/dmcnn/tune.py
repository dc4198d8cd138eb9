"""Search for the best settings of a training: ``python -m dmcnn.tune cfg/calorimeter_tuning.cfg [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file, output_folder, record_files
from dmcnn._common.lock import lock
from dmcnn.settings import TrainSettings, TuneSettings
from dmcnn.settings.cfg import COMMAND_LINE
from dmcnn.settings.command import load, run

if TYPE_CHECKING:
    from dmcnn.training.session import Watch
    from dmcnn.tuning.trials import Search

log = logging.getLogger("dmcnn.tune")

LOSS = (
    "loss", "focal_gamma", "focal_alpha", "label_smoothing", "class_weights", "event_weight", "event_weight_csv",
    "target_scales",
)  # fmt: skip
"""Keys that change what a loss is, so that losses of different values cannot be compared."""

WAIT = 600.0
"""[s] Longest time to wait for a process of the same search that makes the study or writes the report."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("tune", tune, argv)


def tune(settings: TuneSettings) -> None:
    """Run the trials that are missing, then write tables, figures and the best cfg."""
    need("optuna")
    from dmcnn.tuning.study import database, warn_of_network_disk
    from dmcnn.tuning.workers import run_workers

    common = _check(settings)
    folder, address = _places(settings)
    if settings.storage is None:
        warn_of_network_disk(folder)
    with database(address):
        search = _search(settings, common)
        log.info("%d of %d trials are done: %s", len(search.finished()), search.n_trials, folder)
        workers = min(settings.workers, search.n_trials - len(search.finished()))
        try:
            if workers > 1:
                run_workers(_worker, (settings, common), workers, folder)
            elif workers == 1:
                with record_files():  # the files of a trial are those of a training
                    search.work()
        finally:
            if search.finished():
                with settings.results_at(folder / "tune", wait=WAIT):
                    _report(settings, search)
        if missing := search.n_trials - len(search.finished()):
            log.info("%d trials are under way in other processes", missing)


def _worker(settings: TuneSettings, common: dict[str, str], number: int) -> None:
    """Run trials in one of several processes."""
    from dmcnn.tuning.study import database

    with database(_places(settings)[1]):
        _search(settings, common, worker=number).work()


def _check(settings: TuneSettings) -> dict[str, str]:
    """Check every value of the space as ``train`` does, and return the settings that all trials share, as text.

    Raises:
        InputError: the faults of all values.
    """
    from dmcnn.training import data
    from dmcnn.training.setup import check
    from dmcnn.tuning.space import normalise, samples
    from dmcnn.tuning.study import DATA

    space = normalise(settings.space)
    begun_without = _begun_without_validation(settings)
    faults: list[str] = []
    warnings: dict[str, None] = {}
    if settings.objective == "val_loss" and (unlike := [key for key in LOSS if key in space]):
        text = (
            f"space: trials with another {' or '.join(unlike)} have another loss, and objective = 'val_loss'"
        )
        warnings[f"{text}: val_accuracy or val_auc can be compared"] = None
    for values in samples(space):
        try:
            trial, trial_warnings = _trial_settings(settings, values, Path(settings.output_dir))
            _check_single(trial, settings.base)
            check(trial.model, trial.architecture(), trial.constraints or [], trial.targets or [])
            warnings.update(dict.fromkeys(trial_warnings))
            if settings.objective == "val_auc" and trial.signal_class is None:
                raise InputError("objective = 'val_auc' needs a signal class in the base: signal = …")
            if trial.targets and settings.objective != "val_loss":
                raise InputError(
                    f"objective = {settings.objective!r} needs classes, the base has targets: choose val_loss"
                )
            if not (begun_without or trial.validation_fraction):
                trial = trial.with_default_validation()
            if trial.input_validation is None and not trial.validation_fraction:
                text = (
                    "the base has no validation events: the test events select the best trial and are biased"
                )
                warnings[f"{settings.base}: {text}"] = None
        except InputError as error:
            messages = (fault.replace(f"{COMMAND_LINE}:", "space:") for fault in error.faults)
            faults += [fault for fault in messages if fault not in faults]
    if faults:
        raise InputError(*faults)
    for warning in warnings:
        log.warning("warning: %s", warning)
    free = TrainSettings.keys(trials="free") | TrainSettings.keys(trials="none")
    common = trial.model_dump(exclude_none=True, exclude=free | set(space))
    texts = {key: repr(value) for key, value in common.items()}
    sources = {part: data.Source(*source) for part, source in trial.sources.items()}
    return {
        **texts,
        "space": repr(space),
        "objective": repr(settings.objective),
        DATA: repr(data.fingerprints(sources, trial.reading())),
    }


def _check_single(trial: TrainSettings, base: str) -> None:
    """Raise InputError for keys of the base with which a trial would not be one training of one process."""
    defaults = TrainSettings.model_fields
    faults = [
        f"{base}: {key} = {value!r} cannot be searched: {TrainSettings.untunable(key)}"
        for key in sorted(TrainSettings.keys(trials="none"))
        if (value := getattr(trial, key)) != defaults[key].default
    ]
    if faults:
        raise InputError(*faults)


def _begun_without_validation(settings: TuneSettings) -> bool:
    """Return whether the search goes on whose first trials had no validation events, as was usual in dmcnn 0.1."""
    from dmcnn.tuning.study import stored_settings

    database = Path(settings.output_dir) / f"tune{settings.tag}" / "trials.db"
    if settings.storage is None and not database.exists():
        return False  # to look would make an empty one
    about = stored_settings(_places(settings)[1], settings.name or "tune")
    return about is not None and not about.keys() & {"validation_fraction", "input_validation"}


def _trial_settings(
    settings: TuneSettings, values: dict[str, Any], folder: Path
) -> tuple[TrainSettings, list[str]]:
    """Return the settings of train for one trial, and warnings about the base."""
    overrides = {
        **values,
        "name": "",
        "weights_directory": str(folder),
        "output_directory": str(folder),
        "resume": True,
        "run_test": True,
        "save_weights": True,
    }
    trial, warnings = load(
        "train", [settings.base, *(f"{key}={value!r}" for key, value in overrides.items())]
    )
    assert isinstance(trial, TrainSettings)
    return trial, warnings


def _places(settings: TuneSettings) -> tuple[Path, str]:
    """Return the folder of the search, and the SQL address of its database."""
    folder = output_folder(Path(settings.output_dir) / f"tune{settings.tag}")
    return folder, settings.storage or f"sqlite:///{(folder / 'trials.db').resolve()}"


def _search(settings: TuneSettings, common: dict[str, str], worker: int | None = None) -> Search:
    """Return the search of this process; one process at a time makes the study."""
    from dmcnn.tuning.space import normalise
    from dmcnn.tuning.study import connect
    from dmcnn.tuning.trials import Search

    folder, address = _places(settings)
    with lock(folder / "study", WAIT):
        return Search(
            connect(address),
            name=settings.name or "tune",
            common=common,
            space=normalise(settings.space),
            folder=folder,
            attempt=partial(_attempt, settings, common, worker),
            n_trials=_n_trials(settings),
            sampler=settings.sampler,
            seed=settings.seed_number,
            objective=settings.objective,
            pruner=settings.pruner,
            keep_checkpoints=settings.keep_checkpoints,
            defaults={key: repr(value) for key, value in TrainSettings.defaults().items()},
        )


def _n_trials(settings: TuneSettings) -> int:
    """Return the number of trials, at most the number of combinations if each is drawn once."""
    from dmcnn.tuning.space import combinations, normalise

    count = combinations(normalise(settings.space))
    if settings.trials is None:
        return max(1, math.floor((count or 1) * (settings.fraction_limit or 1.0) + 1e-9))
    return settings.trials if settings.sampler == "tpe" or count is None else min(settings.trials, count)


def _attempt(
    settings: TuneSettings,
    common: dict[str, str],
    worker: int | None,
    values: dict[str, Any],
    folder: Path,
    watch: Watch,
) -> None:
    """Train once. Workers take the GPUs in turn if there are several and the base names none.

    ``common`` tells the share of validation events, which is that of the first trials. A trial that goes on keeps its
    engine, whatever the base says now: no result depends on it but for rounding.
    """
    import torch

    from dmcnn.train import train
    from dmcnn.training.session import OutputFiles

    trial, _ = _trial_settings(settings, values, folder)
    trial = _with_validation(trial, common)
    count = torch.cuda.device_count()
    if worker is not None and not trial.GPUID and count > 1:
        trial = trial.model_copy(update={"GPUID": str(worker % count)})
    if OutputFiles(folder, folder, trial.name).last.exists():
        trial = trial.model_copy(update={"engine": "auto"})
    try:
        train(trial, watch)
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise InputError(f"out of memory ({str(error).partition('.')[0]})") from None


def _with_validation(trial: TrainSettings, common: Mapping[str, str]) -> TrainSettings:
    """Return the settings of a trial with the share of validation events that all trials have."""
    if trial.validation_fraction is not None or trial.input_validation is not None:
        return trial
    return trial.model_copy(update={"validation_fraction": float(common.get("validation_fraction", 0))})


def _report(settings: TuneSettings, search: Search) -> None:
    """Write the table of all trials, history, importance, costs of zeros, and the best cfg."""
    from dmcnn.figures import tuning as figures
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table
    from dmcnn.tuning import results

    trials, objective, folder = search.finished(), settings.objective, search.folder
    rows = results.rows(trials, list(settings.space))
    table.write(
        folder / "trials.csv",
        table.Table.from_columns({key: [row[key] for row in rows] for key in rows[0]}),
    )
    points = [
        (trial.number, value, results.state(trial) != "complete")
        for trial in trials
        if (value := trial.user_attrs.get(results.RESULTS, {}).get(objective)) is not None
    ]
    higher = results.higher_is_better(objective)
    save_figure(figures.history(points, objective, higher=higher), folder / "history")
    if shares := results.importance(search.study):
        complete = sum(results.state(trial) == "complete" for trial in trials)
        save_figure(figures.importance(shares, objective, complete), folder / "importance")
    log.info("%d trials: %s", len(trials), folder / "trials.csv")
    if any(row.get("zeros") is not None for row in rows):
        _report_zeros(settings, rows, folder)
    _write_best(settings, search)


def _report_zeros(settings: TuneSettings, rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Log and draw likelihood and residuals of all complete trials against their share of zero weights.

    Trials that differ in their seed alone count as one network, with a spread.
    """
    import numpy as np

    from dmcnn.evaluation.regression.predictions import unit
    from dmcnn.figures import regression
    from dmcnn.figures.save import save_figure

    complete = [row for row in rows if row["state"] == "complete"]
    if not complete:
        return
    keys = [key for key in settings.space if key != "seed_number"]
    names = [", ".join(_text(row[key]) for key in keys) for row in complete]
    prefix = "val_rms_"
    rms = [column for column in complete[0] if column.startswith(prefix)]
    targets = [column.removeprefix(prefix) for column in rms]
    by_network = {
        name: np.array([
            [row[column] for column in ("zeros", "val_loss", *rms)]
            for row, other in zip(complete, names, strict=True) if other == name
        ])
        for name in names
    }  # fmt: skip
    ordered = sorted(by_network.items(), key=lambda item: float(item[1][:, 0].mean()))
    _, dense, *first = ordered[0][1].mean(axis=0)
    for name, numbers in ordered:
        zeros, nll, *widths = numbers.mean(axis=0)
        seeds, spread = "", [""] * numbers.shape[1]
        if len(numbers) > 1:
            seeds = f" ({len(numbers)} seeds)"
            spread = [f" ± {each:.2g}" for each in numbers.std(axis=0, ddof=1)]
        residuals = ", ".join(
            f"{' '.join(filter(None, (target, f'{width:.4g}{more}', unit(target))))} ({width / base - 1:+.1%})"
            for target, width, base, more in zip(targets, widths, first, spread[2:], strict=True)
        )
        log.info(
            "%s%s: %.1f %% of the weights 0, NLL %.4f%s (%+.4f), rms %s",
            name, seeds, 100 * zeros, nll, spread[1], nll - dense, residuals,
        )  # fmt: skip
    each = np.concatenate([numbers for _, numbers in ordered]).T
    figure = regression.front(
        each[0],
        each[1],
        {target: each[2 + i] for i, target in enumerate(targets)},
        [name for name, numbers in ordered for _ in numbers],
        units={target: unit(target) for target in targets},
        width="rms",
    )
    save_figure(figure, folder / "front")


def _text(value: Any) -> str:
    """Return the value of a setting as text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _write_best(settings: TuneSettings, search: Search) -> None:
    """Write the cfg that trains the best network again, under its own name."""
    from dmcnn.tuning.claims import trial_folder
    from dmcnn.tuning.results import VALUES

    best = search.best()
    if best is None:
        log.warning("warning: no trial is complete, so there is no best cfg")
        return
    base, _ = load("train", [settings.base, *(f"{k}={v!r}" for k, v in best.user_attrs[VALUES].items())])
    assert isinstance(base, TrainSettings)
    base = _with_validation(base, search.study.user_attrs["about"])
    named = base.model_copy(update={"name": f"{settings.name or 'tune'}_trial_{best.number}"})
    comment = f"trial {best.number} of {settings.name or 'tune'}: {settings.objective} = {best.value:.6g}"
    with atomic_file(search.folder / "best.cfg") as temporary:
        temporary.write_text(named.text(comment), encoding="utf-8")
    log.info("best: %s", comment)
    log.info("train it: python -m dmcnn.train %s", search.folder / "best.cfg")
    log.info("its network: %s", trial_folder(search.folder, best.number) / "DM-CNN_model_best.ckpt")


if __name__ == "__main__":
    sys.exit(main())
