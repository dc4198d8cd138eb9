"""Trials of a search, run one after another by each of any number of processes."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError, LockError
from dmcnn.tuning import results
from dmcnn.tuning.claims import claim, database_id, trial_folder
from dmcnn.tuning.space import Space, draw
from dmcnn.tuning.study import open_study, sampler

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("dmcnn.tune")

Watch = Callable[[Sequence[dict[str, float]], str], None]
Attempt = Callable[[dict[str, Any], Path, Watch], None]
"""Trains once, given settings and folder of a trial and a function to call with metrics and engine at evaluations.
Resumes from the checkpoint of an interrupted attempt in the folder. Raises InputError for impossible settings."""


class Search:
    """Search for the best settings, as one of its processes sees it.

    Args:
        storage: database of the study, which other processes may use too.
        name: name of the study.
        common: settings that all its trials share, as text; a study with others is refused.
        space: normalised space of the settings.
        folder: folder of the folders of the trials.
        attempt: function that trains once.
        n_trials: number of trials.
        sampler: "tpe", "random" or "grid".
        seed: seed of the sampler.
        objective: "val_loss", "val_accuracy" or "val_auc".
        pruner: "none", "median" or "hyperband".
        keep_checkpoints: keep the checkpoints of all trials, not only of the best and of interrupted ones.
        defaults: values of ``common`` settings that the study of an earlier dmcnn does not name.

    Raises:
        InputError: trials of the study have results with other ``common`` settings.
    """

    def __init__(
        self,
        storage: optuna.storages.RDBStorage,
        *,
        name: str,
        common: dict[str, str],
        space: Space,
        folder: Path,
        attempt: Attempt,
        n_trials: int,
        sampler: str,
        seed: int,
        objective: str,
        pruner: str,
        keep_checkpoints: bool,
        defaults: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.storage, self.space, self.folder, self.attempt = storage, space, folder, attempt
        self.n_trials, self.sampler, self.seed, self.objective = n_trials, sampler, seed, objective
        self.keep_checkpoints = keep_checkpoints
        higher = results.higher_is_better(objective)
        self.study = open_study(storage, name, common, higher=higher, pruner=pruner, defaults=defaults)

    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials below ``n_trials`` that have ended."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.number < self.n_trials and trial.state.is_finished()]

    def best(self) -> optuna.trial.FrozenTrial | None:
        """Return the complete trial with the best objective so far; None if none is complete."""
        return results.best(self.finished(), self.objective)

    def work(self) -> None:
        """Run trials until each of them has ended or runs in another process.

        After an interrupt (KeyboardInterrupt, or the end of the process) the next process resumes the trial.

        Raises:
            LockError: another process has taken over the files of a trial, which goes on there.
            InputError: a fault of a trial before any has a result, which most likely is one of all.
        """
        while True:
            with claim(self.study, self.storage, self.folder, self.n_trials) as number:
                if number is None:
                    return
                self._run(number)
                self._log_result(number)
            self._remove_checkpoints()
            gc.collect()  # frees the memory of the last network on the GPU

    def _run(self, number: int) -> None:
        """Train once and store how the trial ended."""
        import optuna
        from optuna.trial import TrialState

        self.study.sampler = sampler(
            self.sampler, self.space, seed=self.seed, number=number, n_trials=self.n_trials
        )
        trial = optuna.Trial(self.study, database_id(self.study, self.storage, number))
        resumed = " goes on" if results.VALUES in trial.user_attrs else ""
        values = draw(trial, self.space)
        trial.set_user_attr(results.VALUES, values)
        text = ", ".join(f"{key} = {value}" for key, value in values.items())
        log.info("trial %d%s: %s", number, resumed, text)
        value, state = None, TrialState.PRUNED
        try:
            self.attempt(values, trial_folder(self.folder, number), self._watch(trial))
            value, state = trial.user_attrs[results.RESULTS][self.objective], TrialState.COMPLETE
            if value is None:
                raise InputError(f"{self.objective} is not a finite number")
        except optuna.TrialPruned:
            pass
        except LockError:
            raise  # another process goes on with the trial
        except InputError as error:
            if not self._any_result():
                raise  # most likely a fault of every trial
            trial.set_user_attr(results.FAULT, str(error))
            value, state = None, TrialState.FAIL
        # another machine may have finished the trial if this one was out of reach for minutes
        self.study.tell(number, value, state, skip_if_finished=True)

    def _any_result(self) -> bool:
        """Return whether any trial has ended or reported an evaluation."""
        trials = self.study.get_trials(deepcopy=False)
        return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)

    def _watch(self, trial: optuna.Trial) -> Watch:
        """Return a function that stores every evaluation and stops a training that diverges or is pruned."""
        import optuna

        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        steps = set(frozen.intermediate_values)
        before = frozen.user_attrs.get(results.RESULTS, {}).get("duration", 0.0)
        start = time.monotonic()

        def watch(metrics: Sequence[dict[str, float]], engine: str) -> None:
            """Store the metrics of the last evaluation; raise TrialPruned to stop the training."""
            duration = round(before + time.monotonic() - start, 1)
            numbers = results.summary(metrics, self.objective)
            named = {} if engine == results.ENGINE else {"engine": engine}
            trial.set_user_attr(results.RESULTS, {"duration": duration, **numbers, **named})
            rows = [results.talos_names(row) for row in metrics]
            for step, row in enumerate(rows, start=1):
                if step not in steps:
                    trial.report(row[results.METRICS[self.objective]], step)
                    steps.add(step)
            if isnan(rows[-1]["val_loss"]) or trial.should_prune():
                raise optuna.TrialPruned

        return watch

    def _log_result(self, number: int) -> None:
        """Log one line on how a trial ended."""
        trial = next(trial for trial in self.finished() if trial.number == number)
        attributes, state, best = trial.user_attrs, results.state(trial), self.best()
        value = attributes.get(results.RESULTS, {}).get(self.objective)
        text = f"{self.objective} = {value:.5g}" if value is not None else ""
        if state == "failed":
            text = attributes.get(results.FAULT, "").partition("\n")[0]
        if best is not None and best.value is not None:
            text += ", the best so far" if best.number == number else f" (best: {best.value:.5g})"
        log.info("trial %d %s: %s", number, state, text)

    def _remove_checkpoints(self) -> None:
        """Remove the checkpoints of finished trials, except the best network."""
        if self.keep_checkpoints:
            return
        best = self.best()
        for trial in self.finished():
            is_best = best is not None and trial.number == best.number
            for path in trial_folder(self.folder, trial.number).glob("*.ckpt"):
                if not (is_best and path.stem.endswith("_best")):
                    path.unlink(missing_ok=True)
