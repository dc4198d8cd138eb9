"""Search for the best settings: ``python -m dmcnn.tune cfg/calorimeter_tuning.cfg [key=value …]``."""

from __future__ import annotations

import logging
import math
import multiprocessing
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn.command import load, run
from dmcnn.errors import InputError
from dmcnn.extras import need
from dmcnn.files import replacing, writable
from dmcnn.settings import TrainSettings, TuneSettings

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("dmcnn")

METRIC = {"val_loss": "test_loss", "val_accuracy": "test_accu", "val_auc": "test_auc"}
"""What is optimised -> its column in the metrics of a training (of its validation events, if it has any)."""

RESULTS = {
    "loss": "train_loss",
    "accuracy": "train_accu",
    "val_loss": "test_loss",
    "val_accuracy": "test_accu",
}
"""Talos' columns -> those of a training."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("tune", tune, argv)


def tune(settings: TuneSettings) -> None:
    """Run the trials that are missing, then write tables, figures and the best cfg."""
    need("optuna")
    folder = writable(settings.output_dir) / f"tune{settings.tag}"
    _check(settings, writable(folder))
    study = _study(settings, folder)
    wanted, done = _wanted(settings), _count(study)
    log.info("%s: %d of %d trials are done", study.study_name, done, wanted)
    try:
        if done < wanted:
            _work(settings, folder, wanted)
    finally:
        _report(settings, study, folder)


def _check(settings: TuneSettings, folder: Path) -> None:
    """Every value of the space goes through the checks of ``train`` once, before any trial."""
    from dmcnn.search import corners

    faults: list[str] = []
    for values in corners(settings.space):
        try:
            _settings_of(settings, values, folder)
        except InputError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    if faults:
        raise InputError(*faults)


def _settings_of(settings: TuneSettings, values: dict[str, Any], folder: Path) -> TrainSettings:
    """The settings of train for one trial."""
    more = {
        **values,
        "name": "",
        "weights_directory": str(folder),
        "output_directory": str(folder),
        "resume": True,
    }
    found, _ = load("train", [settings.base, *(f"{key}={value!r}" for key, value in more.items())])
    assert isinstance(found, TrainSettings)
    return found


def _study(settings: TuneSettings, folder: Path, worker: int = 0) -> optuna.Study:
    """The study, new or as it is in the storage; every worker draws from a seed of its own."""
    import optuna

    from dmcnn.search import grid

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    seed = settings.seed_number + worker
    samplers: dict[str, Any] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.GridSampler(grid(settings.space), seed=settings.seed_number),
    }
    pruners: dict[str, Any] = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    address = settings.storage or f"sqlite:///{(folder / 'trials.db').resolve()}"
    try:
        study = optuna.create_study(
            study_name=settings.name or "tune",
            # trials of a process that died are noticed, and tried again
            storage=optuna.storages.RDBStorage(
                address,
                heartbeat_interval=30,
                failed_trial_callback=optuna.storages.RetryFailedTrialCallback(),
            ),
            sampler=samplers[settings.sampler](),
            pruner=pruners[settings.pruner](),
            direction="minimize" if settings.objective == "val_loss" else "maximize",
            load_if_exists=True,
        )
    except Exception as error:  # whatever a database driver raises
        raise InputError(f"storage = {address!r}: {' '.join(str(error).split())[:200]}") from None
    about = {
        "objective": settings.objective,
        "space": settings.space,
        "base": Path(settings.base).read_text(),
    }
    for key, value in about.items():
        old = study.user_attrs.get(key)
        if old is None:
            study.set_user_attr(key, value)
        elif old != value:
            raise InputError(
                f"{address}: study {study.study_name!r} was made with another {key}: choose another name"
            )
    return study


def _wanted(settings: TuneSettings) -> int:
    """How many trials are asked for."""
    from dmcnn.search import combinations

    if settings.trials is not None:
        return settings.trials
    return max(1, math.ceil(combinations(settings.space) * (settings.fraction_limit or 1.0)))


def _finished() -> tuple[Any, ...]:
    """The states of a trial that counts."""
    from optuna.trial import TrialState

    return TrialState.COMPLETE, TrialState.PRUNED


def _count(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=_finished()))


def _work(settings: TuneSettings, folder: Path, wanted: int) -> None:
    """Trials until there are as many as wanted: here, or in processes of their own."""
    if settings.workers == 1:
        _worker(settings, folder, wanted, 0)
        return
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_worker, args=(settings, folder, wanted, number))
        for number in range(settings.workers)
    ]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join()
    except KeyboardInterrupt:
        for process in processes:  # Ctrl-C reached them too: they save their trials and stop
            process.join()
        raise
    failed = [process.exitcode for process in processes if process.exitcode]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(processes)} workers stopped with status {failed[0]}: see above"
        )


def _worker(settings: TuneSettings, folder: Path, wanted: int, number: int) -> None:
    """One trial after another until the study has as many as wanted."""
    from optuna.study import MaxTrialsCallback

    study = _study(settings, folder, number)
    study.optimize(
        lambda trial: _trial(settings, study, trial, folder),
        callbacks=[MaxTrialsCallback(wanted, states=_finished())],
    )


def _trial(settings: TuneSettings, study: optuna.Study, trial: optuna.Trial, folder: Path) -> float:
    """Train once; the best value of what is optimised. Ctrl-C puts the trial back to go on from its checkpoint."""
    import optuna

    from dmcnn.search import draw
    from dmcnn.train import train

    first = trial.user_attrs.get("first", trial.number)
    here = folder / f"trial_{first}"
    values = draw(trial, settings.space)
    log.info("trial %d: %s", trial.number, ", ".join(f"{key} = {value}" for key, value in values.items()))
    metric, best = METRIC[settings.objective], min if settings.objective == "val_loss" else max
    seen: list[float] = []

    def watch(rows: Sequence[dict[str, float]]) -> None:
        """After every evaluation: note its numbers, and stop if other trials did better by then."""
        seen[:] = [row[metric] for row in rows]
        last = rows[-1]
        trial.report(last[metric], len(rows))
        for name, column in RESULTS.items():
            trial.set_user_attr(name, last[column])
        trial.set_user_attr("round_epochs", int(last["epoch"]) + 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        train(_settings_of(settings, values, writable(here)), watch)
    except KeyboardInterrupt:
        study.enqueue_trial(trial.params, user_attrs={"first": first})
        raise
    return best(seen)


def _report(settings: TuneSettings, study: optuna.Study, folder: Path) -> None:
    """The table of all trials, the best cfg, importance and history."""
    from dmcnn.figures import search as figures
    from dmcnn.search import importance, rows
    from dmcnn.writers import table
    from dmcnn.writers.figure import save_figure

    trials = study.get_trials(deepcopy=False, states=_finished())
    if not trials:
        return
    found = rows(trials, list(settings.space))
    path = folder / "trials.csv"
    table.write(path, table.Table.of({key: [row[key] for row in found] for key in found[0]}))
    complete = [trial for trial in trials if trial.value is not None and trial.state.name == "COMPLETE"]
    if complete:
        best = study.best_trial
        found_settings = _settings_of(settings, best.user_attrs["values"], folder).model_copy(
            update={
                "name": f"{settings.name or 'tune'}_best",
                "weights_directory": "outputs",
                "output_directory": "outputs",
            }
        )
        with replacing(folder / "best.cfg") as temporary:
            comment = f"trial {best.number}: {settings.objective} = {best.value:.6g}"
            temporary.write_text(found_settings.text(comment))
        log.info(
            "best: trial %d, %s = %.6g: %s", best.number, settings.objective, best.value, folder / "best.cfg"
        )
    higher = settings.objective != "val_loss"
    points = [
        (trial.number, trial.value, trial.state.name == "PRUNED")
        for trial in trials
        if trial.value is not None
    ]
    save_figure(figures.history(points, settings.objective, higher=higher), folder / "history")
    if len(complete) > 1:
        save_figure(figures.importance(importance(study), settings.objective), folder / "importance")
    settings.save(folder / "tune")
    log.info("%s", path)


if __name__ == "__main__":
    sys.exit(main())
