"""What a training leaves on disk, when, and how a later process goes on from it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load, read
from dmcnn.checkpoints.save import save
from dmcnn.engines.dense import all_logits
from dmcnn.images.sparse import SparseImages
from dmcnn.tasks import Result, Task
from dmcnn.training.loop import Progress, reproducible
from dmcnn.training.optimiser import Recipe

if TYPE_CHECKING:
    from dmcnn.training.constraints.multipliers import Constraints

Watch = Callable[[Sequence[dict[str, float]]], None]


@dataclass(frozen=True)
class Outputs:
    """The names of all files of the training called ``name``."""

    weights: Path
    tables: Path
    name: str

    def _path(self, folder: Path, what: str, end: str) -> Path:
        return folder / ("_".join(filter(None, [f"DM-CNN_{what}", self.name])) + end)

    @property
    def last(self) -> Path:
        """Weights, optimiser and place in the training: what a resumed run starts from."""
        return self._path(self.weights, "model", "_last.ckpt")

    @property
    def best(self) -> Path:
        """Weights with the best test result so far: what inference should use."""
        return self._path(self.weights, "model", "_best.ckpt")

    @property
    def metrics(self) -> Path:
        """The metrics table (CSV); its figure and the used cfg stand beside it."""
        return self._path(self.tables, "training_metrics", ".csv")

    @property
    def curves(self) -> Path:
        """The training curves, without suffix."""
        return self._path(self.tables, "training_curves", "")

    def figure(self, what: str) -> Path:
        """A figure of the result on the test events, without suffix."""
        return self._path(self.tables, f"training_{what}", "")

    @property
    def cfg(self) -> Path:
        """The settings that were used."""
        return self._path(self.tables, "training_config", ".cfg")

    @property
    def summary(self) -> Path:
        """The final test result (JSON)."""
        return self._path(self.tables, "training_summary", ".json")


@dataclass
class Run:
    """One training: evaluates and saves at the steps that were asked for.

    Attributes:
        net: the network in training.
        card: its description, without results.
        outputs: where everything goes.
        test: labelled test events of an evaluation.
        steps_per_epoch: steps of one pass over the training set.
        total: steps of the whole training.
        test_every_step: steps between evaluations, or 0 for none.
        save_every_step: steps between resumable checkpoints, or 0 for none.
        patience: evaluations without a better one after which training ends, or 0: it never does.
        constraints: what the weights or outputs must obey.
        watch: called with the metrics table so far after every evaluation; what it raises ends the training.
    """

    net: nn.Module
    card: Card
    outputs: Outputs
    test: SparseImages
    task: Task
    recipe: Recipe
    device: torch.device
    precision: str
    batch_size_test: int
    steps_per_epoch: int
    total: int
    test_every_step: int
    save_every_step: int
    patience: int = 0
    constraints: Constraints | None = None
    watch: Watch | None = None

    def after_step(self, progress: Progress) -> bool:
        """Evaluate and save if this step is one to do so; True when it is time to end."""
        end_of_epoch = progress.step % self.steps_per_epoch == 0 or progress.step == self.total
        if self.test_every_step and (
            progress.step % self.test_every_step == 0 or progress.step == self.total
        ):
            self.evaluate(progress)
        enough = self.enough(progress)
        if self.save_every_step and (progress.step % self.save_every_step == 0 or end_of_epoch or enough):
            self.save_last(progress)
        return enough

    def enough(self, progress: Progress) -> bool:
        """Whether the last ``patience`` evaluations brought nothing better."""
        if not self.patience:
            return False
        ranks = [self.task.rank(row) for row in progress.rows]
        return bool(ranks and len(ranks) - 1 - ranks.index(max(ranks)) >= self.patience)

    def evaluate(self, progress: Progress) -> None:
        """Add a row to the metrics table; keep the weights if they are the best so far."""
        outputs = self.outputs_on(self.test, self.precision)
        result = self.task.evaluate(self.net, outputs, self.test)
        best = max(map(self.task.rank, progress.rows), default=(-np.inf,))
        seen = max(1, progress.seen)
        values = {
            "train_accu": int(progress.correct) / seen,
            "train_loss": float(progress.loss_sum) / seen,
            "test_loss": result.numbers["loss"],
            "epoch": (progress.step - 1) // self.steps_per_epoch,
            "step": progress.step,
            "test_events": result.numbers["events"],
            "learning_rate": self.recipe.rate(progress.step - 1),
            **self.task.row(result),
            **self._obedience(outputs),
        }
        row = {column: values[column] for column in self.task.metrics}
        progress.rows.append(row)
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        write_metrics(self.outputs.metrics, progress.rows, self.task.metrics)
        if self.save_every_step and self.task.rank(row) > best:
            progress.best = progress.step
            self._save_best(progress, result)
        if self.watch is not None:
            self.watch(progress.rows)

    def _obedience(self, outputs: NDArray[np.float64]) -> dict[str, float]:
        """Return the distance of every constraint from what is wanted on the test events, and of the worst."""
        if self.constraints is None:
            return {}
        truth = torch.from_numpy(np.asarray(self.test.label, np.float64))
        about = self.net, torch.from_numpy(outputs), truth
        return {**self.constraints.violations(*about), "violation": self.constraints.owed(*about)}

    @reproducible()
    def finish(self, progress: Progress, test: SparseImages) -> Result:
        """The best weights (without evaluations on the way: the last) on the whole test set, kept as JSON.

        In float32, as inference scores, whatever the precision of the training.
        """
        if progress.best is not None:
            best, _ = load(
                self.outputs.best, [self.card.model, *filter(None, [self.card.reading.get("reader")])]
            )
            self.net.load_state_dict(best.state_dict())
        result = self.task.evaluate(self.net, self.outputs_on(test, "32"), test)
        if progress.best is None and self.save_every_step:
            self._save_best(progress, result)
        step = progress.step if progress.best is None else progress.best
        numbers = {key: None if np.isnan(value) else value for key, value in result.numbers.items()}
        with atomic_file(self.outputs.summary) as temporary:
            content = {"step": step, **numbers, **self.task.summary(result)}
            temporary.write_text(json.dumps(content, indent=1) + "\n")
        return result

    def outputs_on(self, test: SparseImages, precision: str) -> NDArray[np.float64]:
        """Return the (n, m) outputs of the network on ``test`` as it is now; it keeps its mode."""
        training = self.net.training
        found = all_logits(
            self.net,
            test,
            device=self.device,
            batch_size=self.batch_size_test,
            precision=precision,
            scaling=self.card.scaling,
        )
        self.net.train(training)
        return found

    def save_last(self, progress: Progress) -> None:
        """Store everything that a later process needs to go on."""
        content = {
            KEY: self._card(progress, {}).as_dict(),
            "state_dict": self.net.state_dict(),
            "progress": progress.state_dict(),
        }
        save(self.outputs.last, content)

    def _save_best(self, progress: Progress, result: Result) -> None:
        card = self._card(progress, {key: float(value) for key, value in result.numbers.items()})
        save(self.outputs.best, {KEY: card.as_dict(), "state_dict": self.net.state_dict()})

    def _card(self, progress: Progress, results: dict[str, float]) -> Card:
        epoch = (progress.step - 1) // self.steps_per_epoch if progress.step else 0
        return replace(self.card, epoch=epoch, step=progress.step, metrics=results)


def write_metrics(path: Path, rows: list[dict[str, float]], columns: Sequence[str]) -> None:
    """The metrics table as CSV, whole or not at all; what does not exist is an empty cell."""
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([["" if np.isnan(row[name]) else row[name] for name in columns] for row in rows])


def restore(path: Path, net: nn.Module, card: Card, free: set[str]) -> tuple[Progress, int]:
    """Fill ``net`` from the last checkpoint and return where that training stood, and its seed.

    InputError if it was another training: other settings (those in ``free`` may change) or other data.
    """
    content = read(path)
    if KEY not in content or "progress" not in content:
        raise InputError(
            f"{path}: not a checkpoint that training can resume from; resume = False starts anew"
        )
    old = Card(**content[KEY])
    was, now = _lines(old.cfg, free), _lines(card.cfg, free)
    changed = [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more: {', '.join(changed[1:])})" if changed[1:] else ""
        raise InputError(
            f"{path}: made with {key} = {was.get(key, 'its default')}, now {now.get(key, 'its default')}{more}; "
            "choose another name, or resume = False to start anew"
        )
    if old.data != card.data:
        raise InputError(
            f"{path}: made from other data; choose another name, or resume = False to start anew"
        )
    net.load_state_dict(content["state_dict"])
    return Progress(**content["progress"]), old.seed or 0


def _lines(cfg: str, free: set[str]) -> dict[str, str]:
    pairs = (line.partition(" = ") for line in cfg.splitlines() if not line.startswith("#"))
    return {key: value for key, _, value in pairs if key not in free}
