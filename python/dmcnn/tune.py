"""Search for the best settings: ``python -m dmcnn.tune cfg/calorimeter_tuning.cfg [key=value …]``."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import replacing, writable
from dmcnn.settings import TrainSettings, TuneSettings
from dmcnn.settings.cfg import COMMAND_LINE
from dmcnn.settings.command import load, run

if TYPE_CHECKING:
    from dmcnn.training.session import Watch
    from dmcnn.tuning.trials import Search

log = logging.getLogger("dmcnn.tune")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("tune", tune, argv)


def tune(settings: TuneSettings) -> None:
    """Run the trials that are missing, then write tables, figures and the best cfg."""
    need("optuna")
    from dmcnn.tuning.study import database, warn_of_network_disk
    from dmcnn.tuning.workers import side_by_side

    common = _check(settings)
    folder, address = _places(settings)
    if settings.storage is None:
        warn_of_network_disk(folder)
    with database(address):
        search = _search(settings, common)
        log.info("%d of %d trials are done: %s", len(search.finished()), search.wanted, folder)
        workers = min(settings.workers, search.wanted - len(search.finished()))
        try:
            if workers > 1:
                side_by_side(_worker, (settings, common), workers, folder)
            elif workers == 1:
                search.work()
        finally:
            _report(settings, search)
        if missing := search.wanted - len(search.finished()):
            log.info("%d trials are under way in other processes", missing)


def _worker(settings: TuneSettings, common: dict[str, str], number: int) -> None:
    """What one of several processes does."""
    from dmcnn.tuning.study import database

    with database(_places(settings)[1]):
        _search(settings, common, worker=number).work()


def _check(settings: TuneSettings) -> dict[str, str]:
    """Every value of the space goes through the checks of ``train``; what all trials have in common, as text."""
    from dmcnn.training.setup import check
    from dmcnn.tuning.space import samples, usable

    space = usable(settings.space)
    faults: list[str] = []
    warnings: dict[str, None] = {}
    for values in samples(space):
        try:
            found, some = _settings_of(settings, values, Path(settings.output_dir))
            check(found)
            warnings.update(dict.fromkeys(some))
            if settings.objective == "val_auc" and found.signal_class is None:
                raise InputError("objective = 'val_auc' needs a signal class in the base: signal = …")
            if found.targets and settings.objective != "val_loss":
                raise InputError(f"objective = {settings.objective!r} is of classes, the base has targets")
            if found.input_validation is None and found.validation_fraction is None:
                text = "the base keeps no validation events: the test events choose the best, and flatter it"
                warnings[f"{settings.base}: {text}"] = None
        except InputError as error:
            said = (fault.replace(f"{COMMAND_LINE}:", "space:") for fault in error.faults)
            faults += [fault for fault in said if fault not in faults]
    if faults:
        raise InputError(*faults)
    for warning in warnings:
        log.warning("warning: %s", warning)
    kept = found.model_dump(exclude_none=True, exclude=TrainSettings.keys(trials="free") | set(space))
    shared = {key: repr(value) for key, value in kept.items()}
    return {**shared, "space": repr(space), "objective": repr(settings.objective)}


def _settings_of(
    settings: TuneSettings, values: dict[str, Any], folder: Path
) -> tuple[TrainSettings, list[str]]:
    """The settings of train for one trial, and warnings about the base."""
    more = {
        **values,
        "name": "",
        "weights_directory": str(folder),
        "output_directory": str(folder),
        "resume": True,
        "run_test": True,
        "save_weights": True,
    }
    found, warnings = load("train", [settings.base, *(f"{key}={value!r}" for key, value in more.items())])
    assert isinstance(found, TrainSettings)
    return found, warnings


def _places(settings: TuneSettings) -> tuple[Path, str]:
    """The folder of the search, and the SQL address of its trials."""
    folder = writable(Path(settings.output_dir) / f"tune{settings.tag}")
    return folder, settings.storage or f"sqlite:///{(folder / 'trials.db').resolve()}"


def _search(settings: TuneSettings, common: dict[str, str], worker: int | None = None) -> Search:
    """The search as one process sees it."""
    from dmcnn.tuning.space import usable
    from dmcnn.tuning.study import connect
    from dmcnn.tuning.trials import Search

    folder, address = _places(settings)
    return Search(
        connect(address),
        name=settings.name or "tune",
        common=common,
        space=usable(settings.space),
        folder=folder,
        attempt=partial(_attempt, settings, worker),
        wanted=_wanted(settings),
        sampler=settings.sampler,
        seed=settings.seed_number,
        objective=settings.objective,
        pruner=settings.pruner,
        keep_checkpoints=settings.keep_checkpoints,
    )


def _wanted(settings: TuneSettings) -> int:
    """How many trials are asked for: never more than there are combinations, if each is drawn once."""
    from dmcnn.tuning.space import combinations, usable

    count = combinations(usable(settings.space))
    if settings.trials is None:
        return max(1, math.floor((count or 1) * (settings.fraction_limit or 1.0) + 1e-9))
    return settings.trials if settings.sampler == "tpe" or count is None else min(settings.trials, count)


def _attempt(
    settings: TuneSettings, worker: int | None, values: dict[str, Any], folder: Path, watch: Watch
) -> None:
    """One training. Workers take the GPUs in turn, if there are several and the base names none."""
    import torch

    from dmcnn.train import train

    found, _ = _settings_of(settings, values, folder)
    count = torch.cuda.device_count()
    if worker is not None and not found.GPUID and count > 1:
        found = found.model_copy(update={"GPUID": str(worker % count)})
    try:
        train(found, watch)
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise InputError(f"out of memory ({str(error).partition('.')[0]})") from None


def _report(settings: TuneSettings, search: Search) -> None:
    """The table of all trials, the best cfg, importance and history."""
    from dmcnn.figures import tuning as figures
    from dmcnn.figures.save import save_figure
    from dmcnn.tables import table
    from dmcnn.tuning import results

    trials, objective, folder = search.finished(), settings.objective, search.folder
    if not trials:
        return
    found = results.rows(trials, list(settings.space))
    table.write(folder / "trials.csv", table.Table.of({key: [row[key] for row in found] for key in found[0]}))
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
    settings.save(folder / "tune")
    log.info("%d trials: %s", len(trials), folder / "trials.csv")
    if any(row.get("zeros") is not None for row in found):
        _prices(settings, found, folder)
    _best(settings, search)


def _prices(settings: TuneSettings, rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """What zero weights cost: likelihood and residuals of all complete trials against their share of zeros.

    Trials that differ in their seed alone are one network, with a spread.
    """
    import numpy as np

    from dmcnn.evaluation.regression.predictions import unit
    from dmcnn.figures import regression
    from dmcnn.figures.save import save_figure

    complete = [row for row in rows if row["state"] == "complete"]
    if not complete:
        return
    keys = [key for key in settings.space if key != "seed_number"]
    names = [", ".join(_words(row[key]) for key in keys) for row in complete]
    prefix = "test_rms_"
    rms = [column for column in complete[0] if column.startswith(prefix)]
    targets = [column.removeprefix(prefix) for column in rms]
    found = {
        name: np.array([
            [row[column] for column in ("zeros", "val_loss", *rms)]
            for row, other in zip(complete, names, strict=True) if other == name
        ])
        for name in names
    }  # fmt: skip
    ordered = sorted(found.items(), key=lambda item: float(item[1][:, 0].mean()))
    _, dense, *first = ordered[0][1].mean(axis=0)
    for name, numbers in ordered:
        zeros, nll, *widths = numbers.mean(axis=0)
        seeds, spread = "", [""] * numbers.shape[1]
        if len(numbers) > 1:
            seeds = f" ({len(numbers)} seeds)"
            spread = [f" ± {each:.2g}" for each in numbers.std(axis=0, ddof=1)]
        prices = ", ".join(
            f"{' '.join(filter(None, (target, f'{width:.4g}{more}', unit(target))))} ({width / base - 1:+.1%})"
            for target, width, base, more in zip(targets, widths, first, spread[2:], strict=True)
        )
        log.info(
            "%s%s: %.1f %% of the weights 0, NLL %.4f%s (%+.4f), rms %s",
            name, seeds, 100 * zeros, nll, spread[1], nll - dense, prices,
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


def _words(value: Any) -> str:
    """A value of a setting, for people."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _best(settings: TuneSettings, search: Search) -> None:
    """The cfg that trains the best network again, under a name of its own."""
    from dmcnn.tuning.claims import folder_of
    from dmcnn.tuning.results import VALUES

    best = search.best()
    if best is None:
        log.warning("warning: no trial was completed: there is no best cfg")
        return
    base, _ = load("train", [settings.base, *(f"{k}={v!r}" for k, v in best.user_attrs[VALUES].items())])
    named = base.model_copy(update={"name": f"{settings.name or 'tune'}_trial_{best.number}"})
    comment = f"trial {best.number} of {settings.name or 'tune'}: {settings.objective} = {best.value:.6g}"
    with replacing(search.folder / "best.cfg") as temporary:
        temporary.write_text(named.text(comment))
    log.info("best: %s", comment)
    log.info("train it: python -m dmcnn.train %s", search.folder / "best.cfg")
    log.info("its network: %s", folder_of(search.folder, best.number) / "DM-CNN_model_best.ckpt")


if __name__ == "__main__":
    sys.exit(main())
