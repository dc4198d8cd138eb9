"""Trials, one after another, by any number of processes at once."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmcnn._common.errors import InputError
from dmcnn.tuning import results
from dmcnn.tuning.claims import claim, folder_of, id_of
from dmcnn.tuning.space import Space, draw
from dmcnn.tuning.study import open_study, sampler

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("dmcnn.tune")

Watch = Callable[[Sequence[dict[str, float]]], None]
Attempt = Callable[[dict[str, Any], Path, Watch], None]
"""Called with the settings and the folder of a trial, and what to call with its metrics after every evaluation.
Goes on from what an attempt that was interrupted left in that folder; InputError if these settings cannot be."""


class Search:
    """One process' part in a search.

    Args:
        storage: the database of the study, which other processes may work on too.
        name: of the study.
        common: what all its trials have in common, as text: a study that was made with anything else is refused.
        space: what settings are drawn from.
        folder: where trials keep their files.
        attempt: trains once.
        wanted: the number of trials.
        sampler: "tpe", "random" or "grid".
        seed: of the sampler.
        objective: "val_loss", "val_accuracy" or "val_auc".
        pruner: "none", "median" or "hyperband".
        keep_checkpoints: keep those of all trials, not only the best network and what interrupted ones need.
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
        wanted: int,
        sampler: str,
        seed: int,
        objective: str,
        pruner: str,
        keep_checkpoints: bool,
    ) -> None:
        self.storage, self.space, self.folder, self.attempt = storage, space, folder, attempt
        self.wanted, self.sampler, self.seed, self.objective = wanted, sampler, seed, objective
        self.keep_checkpoints = keep_checkpoints
        higher = results.higher_is_better(objective)
        self.study = open_study(storage, name, common, higher=higher, pruner=pruner)

    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that have ended, of those that are wanted."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.number < self.wanted and trial.state.is_finished()]

    def best(self) -> optuna.trial.FrozenTrial | None:
        """The complete trial with the best objective so far."""
        return results.best(self.finished(), self.objective)

    def work(self) -> None:
        """Run trials until every one of them is done or in other hands.

        An interrupt (KeyboardInterrupt, or the end of the process) leaves its trial to whoever works on next.
        """
        while True:
            with claim(self.study, self.storage, self.folder, self.wanted) as number:
                if number is None:
                    return
                self._run(number)
                self._tell(number)
            self._tidy()
            gc.collect()  # the last network makes room on the GPU for the next

    def _run(self, number: int) -> None:
        """Train, and store how it ended."""
        import optuna
        from optuna.trial import TrialState

        self.study.sampler = sampler(
            self.sampler, self.space, seed=self.seed, number=number, wanted=self.wanted
        )
        trial = optuna.Trial(self.study, id_of(self.study, self.storage, number))
        begun = " goes on" if results.VALUES in trial.user_attrs else ""
        values = draw(trial, self.space)
        trial.set_user_attr(results.VALUES, values)
        shown = ", ".join(f"{key} = {value}" for key, value in values.items())
        log.info("trial %d%s: %s", number, begun, shown)
        value, state = None, TrialState.PRUNED
        try:
            self.attempt(values, folder_of(self.folder, number), self._watch(trial))
            value, state = trial.user_attrs[results.RESULTS][self.objective], TrialState.COMPLETE
            if value is None:
                raise InputError(f"{self.objective} is not a finite number")
        except optuna.TrialPruned:
            pass
        except InputError as error:
            if not self._any_result():
                raise  # a fault that every trial has, most likely
            trial.set_user_attr(results.FAULT, str(error))
            value, state = None, TrialState.FAIL
        # a machine that was out of reach for minutes may find that another one has finished its trial
        self.study.tell(number, value, state, skip_if_finished=True)

    def _any_result(self) -> bool:
        trials = self.study.get_trials(deepcopy=False)
        return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)

    def _watch(self, trial: optuna.Trial) -> Watch:
        """Stores every evaluation, and stops a training that diverged or that others did better than by then."""
        import optuna

        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        reported = set(frozen.intermediate_values)
        before = frozen.user_attrs.get(results.RESULTS, {}).get("duration", 0.0)
        start = time.monotonic()

        def watch(metrics: Sequence[dict[str, float]]) -> None:
            took = round(before + time.monotonic() - start, 1)
            trial.set_user_attr(
                results.RESULTS, {"duration": took, **results.summary(metrics, self.objective)}
            )
            for step, row in enumerate(metrics, start=1):
                if step not in reported:
                    trial.report(row[results.METRICS[self.objective]], step)
                    reported.add(step)
            if isnan(metrics[-1]["test_loss"]) or trial.should_prune():
                raise optuna.TrialPruned

        return watch

    def _tell(self, number: int) -> None:
        """One line on how a trial ended."""
        trial = next(trial for trial in self.finished() if trial.number == number)
        about, how, best = trial.user_attrs, results.state(trial), self.best()
        value = about.get(results.RESULTS, {}).get(self.objective)
        text = f"{self.objective} = {value:.5g}" if value is not None else ""
        if how == "failed":
            text = about.get(results.FAULT, "").partition("\n")[0]
        if best is not None and best.value is not None:
            text += ", the best so far" if best.number == number else f" (best: {best.value:.5g})"
        log.info("trial %d %s: %s", number, how, text)

    def _tidy(self) -> None:
        """Remove checkpoints that nobody needs: a network is kept if it is the best, or not finished."""
        if self.keep_checkpoints:
            return
        best = self.best()
        for trial in self.finished():
            is_best = best is not None and trial.number == best.number
            for path in folder_of(self.folder, trial.number).glob("*.ckpt"):
                if not (is_best and path.stem.endswith("_best")):
                    path.unlink(missing_ok=True)
