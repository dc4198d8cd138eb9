"""Session of a training: evaluations, checkpoints, metrics table, and resuming from the last checkpoint."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common import json_files
from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file
from dmcnn._common.lock import lock
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.save import save
from dmcnn.checkpoints.torch_file import read, read_card, state_for, state_of
from dmcnn.engines.choice import choose, evaluator
from dmcnn.engines.dense import all_logits
from dmcnn.images.augment import ROTATION
from dmcnn.images.sparse import SparseImages
from dmcnn.tasks import Result, Task
from dmcnn.training.averages import Averages
from dmcnn.training.baseline import Baseline
from dmcnn.training.loop import Progress, reproducible
from dmcnn.training.optimiser import Recipe, plateaus, record_activity
from dmcnn.training.pixels import ActivePixels
from dmcnn.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from dmcnn.training.batches import Batches
    from dmcnn.training.board import Board
    from dmcnn.training.constraints.multipliers import Constraints

log = logging.getLogger("dmcnn")

Watch = Callable[[Sequence[dict[str, float]], str], None]
"""Called with the rows of the metrics table and the engine after every evaluation."""


@dataclass(frozen=True)
class OutputFiles:
    """Paths of all files of the training called ``name``.

    Attributes:
        weights: folder of the checkpoints.
        tables: folder of the tables and figures.
        name: name of the training; empty = none.
    """

    weights: Path
    tables: Path
    name: str

    @contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Lock all files for this process while the block runs; ``wait`` is the longest time to wait for another."""
        names = self._path(self.weights, "model", ""), self._path(self.tables, "training", "")
        with lock(names[0], wait), lock(names[1], wait):
            yield

    def _path(self, folder: Path, what: str, end: str) -> Path:
        """Return the path ``folder/DM-CNN_what_name`` + ``end``."""
        return folder / ("_".join(filter(None, [f"DM-CNN_{what}", self.name])) + end)

    @property
    def last(self) -> Path:
        """Checkpoint with weights, optimiser and progress, from which a training resumes."""
        return self._path(self.weights, "model", "_last.ckpt")

    @property
    def best(self) -> Path:
        """Checkpoint with the best evaluation so far, for inference."""
        return self._path(self.weights, "model", "_best.ckpt")

    @property
    def metrics(self) -> Path:
        """Metrics table (CSV)."""
        return self._path(self.tables, "training_metrics", ".csv")

    @property
    def curves(self) -> Path:
        """Figure of the training curves, without suffix."""
        return self._path(self.tables, "training_curves", "")

    @property
    def board(self) -> Path:
        """Folder for TensorBoard."""
        return self._path(self.tables, "training_tensorboard", "")

    @property
    def rates(self) -> Path:
        """Table and figure of the search for a step size, without suffix."""
        return self._path(self.tables, "training_rates", "")

    def figure(self, what: str) -> Path:
        """Return the path of a figure of the test result, without suffix."""
        return self._path(self.tables, f"training_{what}", "")

    @property
    def cfg(self) -> Path:
        """Settings of the training (cfg)."""
        return self._path(self.tables, "training_config", ".cfg")

    @property
    def summary(self) -> Path:
        """Final test result (JSON)."""
        return self._path(self.tables, "training_summary", ".json")

    @property
    def card(self) -> Path:
        """Model card (JSON, Markdown), without suffix."""
        return self._path(self.tables, "training_card", "")

    @property
    def folds(self) -> Path:
        """Numbers of a cross-validation (JSON), without suffix."""
        return self._path(self.tables, "training_folds", "")

    def scores(self, part: str) -> Path:
        """Return the path of the score table (CSV) of the events of a part."""
        return self._path(self.tables, f"training_{part}_scores", ".csv")


@dataclass
class Run:
    """One training with its evaluations and checkpoints.

    Attributes:
        net: network in training.
        card: card of the network, without results.
        files: paths of all output files.
        chosen_on: labelled events of an evaluation, by which the best weights are chosen.
        task: task of the network, with its loss.
        recipe: optimiser, step size, limits and penalties.
        device, precision: device of the network, and "32" or "bf16".
        engine: "sparse", "dense", or "auto" until ``choose_engine`` is called.
        batch_size_test: images per forward pass of an evaluation.
        steps_per_epoch: number of steps of one pass over the training images.
        total: number of steps of the whole training.
        test_every_step: steps between evaluations; 0 = none.
        save_every_step: steps between checkpoints to resume from; 0 = none.
        patience: evaluations without improvement after which the training ends; 0 = never.
        schedule_patience: those after which the schedule "plateau" falls.
        constraints: constraints on the weights or estimates.
        watch: called after every evaluation; its exceptions end the training.
        first_step: number of steps that were finished before this process.
        ranks: processes that share evaluations and steps; the first one writes.
        board: TensorBoard beside the metrics table.
    """

    net: nn.Module
    card: Card
    files: OutputFiles
    chosen_on: SparseImages
    task: Task
    recipe: Recipe
    device: torch.device
    precision: str
    engine: str
    batch_size_test: int
    steps_per_epoch: int
    total: int
    test_every_step: int
    save_every_step: int
    patience: int = 0
    schedule_patience: int | None = None
    constraints: Constraints | None = None
    watch: Watch | None = None
    first_step: int = 0
    ranks: Ranks = ALONE
    board: Board | None = None

    def choose_engine(self, batches: Batches) -> None:
        """Choose the engine by its cost for the images of the next step, if it is open; write it on the card."""
        if self.engine == "auto" and self.recipe.compile:
            self.engine = "dense"
        if self.engine == "auto":
            images, _ = batches.batch(batches.first)
            with record_activity(self.net.to(self.device), self.recipe.activity_l2):  # hooks make it dense
                dense = images.to(self.device) if isinstance(images, ActivePixels) else images
                choice = choose("auto", self.net, dense, training=True, precision=self.precision)
            log.info(choice.line)
            self.engine = self.ranks.agree(choice.engine)
        self.card = replace(self.card, environment={**self.card.environment, "engine": self.engine})

    def after_step(self, progress: Progress) -> bool:
        """Evaluate and save if they are due at this step; return True if the training ends here."""
        end_of_epoch = progress.step % self.steps_per_epoch == 0 or progress.step == self.total
        if self.test_every_step and (
            progress.step % self.test_every_step == 0 or progress.step == self.total
        ):
            self.evaluate(progress)
        ends = self.out_of_patience(progress)
        if self.save_every_step and (progress.step % self.save_every_step == 0 or end_of_epoch or ends):
            self.save_last(progress)
        return ends

    def out_of_patience(self, progress: Progress) -> bool:
        """Return whether none of the last ``patience`` evaluations was better than those before."""
        if not self.patience:
            return False
        ranks = [self.task.rank(row) for row in progress.rows]
        return bool(ranks and len(ranks) - 1 - ranks.index(max(ranks)) >= self.patience)

    def evaluate(self, progress: Progress) -> None:
        """Evaluate the weights, or their averages if there are some, and save them if they are the best so far."""
        averages = progress.parts.get("averages")
        with averages.in_place() if isinstance(averages, Averages) else nullcontext():
            self._evaluate(progress)
        if self.schedule_patience is not None:
            progress.plateaus = plateaus(list(map(self.task.rank, progress.rows)), self.schedule_patience)
        if self.watch is not None:
            self.watch(progress.rows, self.engine)

    def _evaluate(self, progress: Progress) -> None:
        """Add a row to the metrics table, and save the weights if they are the best so far."""
        outputs = self.network_outputs(self.chosen_on)
        result = self.task.evaluate(self.net, outputs, self.chosen_on)
        best = max(map(self.task.rank, progress.rows), default=(-np.inf,))
        images, events = max(1, progress.seen), self.task.prefix
        values = {
            "train_accu": int(progress.correct) / images,
            "train_loss": float(progress.loss_sum) / images,
            f"{events}_loss": result.numbers["loss"],
            "epoch": (progress.step - 1) // self.steps_per_epoch,
            "step": progress.step,
            f"{events}_events": result.numbers["events"],
            "learning_rate": self.recipe.rate(progress.step - 1, progress.plateaus),
            **self.task.row(result),
            **self._violations(outputs),
        }
        row = {column: values[column] for column in self.task.metrics}
        progress.rows.append(row)
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        if self.ranks.first:
            write_metrics(self.files.metrics, progress.rows, self.task.metrics)
        if self.board is not None:
            self.board.write(progress.rows)
        if self.save_every_step and self.task.rank(row) > best:
            progress.best = progress.step
            self._save_best(self._card(progress, evaluation=result, chosen_by=self.task.part))

    def _violations(self, outputs: NDArray[np.float64]) -> dict[str, float]:
        """Return the signed distance of every constraint in this evaluation, and the largest violation."""
        if self.constraints is None:
            return {}
        truth = torch.from_numpy(np.asarray(self.chosen_on.label, np.float64))
        arguments = self.net, torch.from_numpy(outputs), truth
        distances = self.constraints.distances(*arguments)
        return {**distances, "violation": self.constraints.violation(*arguments)}

    @reproducible()
    def finish(
        self, progress: Progress, test: SparseImages, baseline: Baseline | None = None
    ) -> tuple[Result, NDArray[np.float64]]:
        """Evaluate the best weights (without evaluations: the last) on all test events; return result and outputs.

        Write the result, and the ``baseline`` if there is one, to the summary (JSON), and the result to the card of
        the best weights, unless a finished training is only reported again.
        """
        card = self._card(progress)
        if progress.best is not None:
            reader = self.card.reading.get("reader")
            best, card = load(self.files.best, [self.card.model, *filter(None, [reader])])
            self.net.load_state_dict(best.state_dict())
        elif self.recipe.ema is not None:
            self.net.load_state_dict(progress.state_dict()["averages"] or self.net.state_dict())
        outputs = self.network_outputs(test)
        result = self.task.evaluate(self.net, outputs, test)
        chosen_by = "" if progress.best is None else self.task.part
        if self.save_every_step and (progress.step > self.first_step or not card.metrics):
            metrics = {key: float(value) for key, value in result.numbers.items()}
            own = self.card
            self._save_best(
                replace(card, metrics=metrics, chosen_by=chosen_by, remarks=own.remarks, origin=own.origin)
            )
        step = progress.step if progress.best is None else progress.best
        content = {
            "step": step,
            **result.numbers,
            **self.task.summary(result),
            "engine": self.engine,
            "chosen_by": chosen_by,
            "remarks": self.card.remarks,
            "origin": self.card.origin,
            **({"baseline": asdict(baseline)} if baseline else {}),
        }
        json_files.write(self.files.summary, content)
        return result, outputs

    def network_outputs(self, images: SparseImages) -> NDArray[np.float64]:
        """Return the (n, m) outputs of the network with its current weights; the network keeps its mode.

        The precision is float32, as in inference, whatever the precision of the training.
        """
        modes = [(module, module.training) for module in self.net.modules()]  # some may be frozen
        total = len(images)
        rows = self.ranks.rows(total, self.batch_size_test)  # whole batches, those of one process
        part = images.take(rows) if self.ranks.count > 1 else images
        outputs = np.zeros((0, self.task.outputs))
        if len(part):
            outputs = all_logits(
                evaluator(self.net, self.engine),
                part,
                device=self.device,
                batch_size=self.batch_size_test,
                precision="32",
                scaling=self.card.scaling,
            )
        for module, training in modes:
            module.training = training
        return self.ranks.gather_array(outputs, rows, total)

    def save_last(self, progress: Progress) -> None:
        """Write the checkpoint from which a training resumes."""
        if not self.ranks.first:
            return
        content = {
            KEY: self._card(progress).as_dict(),
            "state_dict": self.net.state_dict(),
            "progress": progress.state_dict(),
        }
        save(self.files.last, content)

    def _save_best(self, card: Card) -> None:
        """Write the checkpoint for inference."""
        if not self.ranks.first:
            return
        save(self.files.best, {KEY: card.as_dict(), "state_dict": self.net.state_dict()})

    def _card(self, progress: Progress, evaluation: Result | None = None, chosen_by: str = "") -> Card:
        """Return the card with epoch, step, and the evaluation by which the weights are chosen."""
        epoch = (progress.step - 1) // self.steps_per_epoch if progress.step else 0
        numbers = {} if evaluation is None else evaluation.numbers
        results = {key: float(value) for key, value in numbers.items()}
        return replace(self.card, epoch=epoch, step=progress.step, evaluation=results, chosen_by=chosen_by)


def begun_settings(path: Path) -> dict[str, str]:
    """Return the text of every value of the cfg of the training that a last checkpoint belongs to, by key."""
    card = read(path).get(KEY)
    return _values(str(card.get("cfg", "")), set()) if isinstance(card, dict) else {}


def write_metrics(path: Path, rows: list[dict[str, float]], columns: Sequence[str]) -> None:
    """Write the metrics table as CSV, in one piece; NaN becomes an empty cell."""
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([["" if np.isnan(row[name]) else row[name] for name in columns] for row in rows])


def restore(
    path: Path,
    net: nn.Module,
    card: Card,
    is_same_data: Callable[[dict[str, Any]], bool],
    free: set[str],
    defaults: str = "",
) -> tuple[Progress, Card]:
    """Load the weights of the last checkpoint into ``net``; return the progress of that training, and its card.

    Args:
        path: last checkpoint.
        net: network of the same model and arguments.
        card: card of the training that resumes.
        is_same_data: returns whether the data on a card are those of this training.
        free: keys of the cfg whose values may differ.
        defaults: cfg with the values of keys that the cfg of an earlier dmcnn lacks.

    Raises:
        InputError: a file that is no such checkpoint, or that of a training with other settings or other data.
    """
    anew = "resume = False starts anew"
    try:
        content = read(path)
        if KEY not in content or not isinstance(content.get("progress"), dict):
            raise InputError(f"{path}: not a checkpoint from which training can resume")
        old, state = read_card(content[KEY], path), state_for(net, state_of(content, path), path)
        progress = Progress(**content["progress"])
    except TypeError as error:
        raise InputError(
            f"{path}: its progress does not fit this version of dmcnn ({error}); {anew}"
        ) from None
    except InputError as error:
        raise InputError(f"{error}; {anew}") from None
    before, now = (_values(defaults + cfg, free) for cfg in (old.cfg, card.cfg))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more: {', '.join(changed[1:])})" if changed[1:] else ""
        raise InputError(
            f"{path}: made with {key} = {before.get(key, 'its default')}, now {now.get(key, 'its default')}{more}; "
            "choose another name, or resume = False to start anew"
        )
    if float(now.get("augment_rotation", 0)) and old.environment.get("rotation") != ROTATION:
        raise InputError(
            f"{path}: made by an earlier dmcnn, whose augment_rotation interpolated dense images; "
            "choose another name, or resume = False to start anew"
        )
    if not is_same_data(old.data):
        raise InputError(
            f"{path}: made from other data (or these files have changed since); choose another name, or "
            "resume = False to start anew"
        )
    net.load_state_dict(state)
    return progress, old


def _values(cfg: str, free: set[str]) -> dict[str, str]:
    """Return the text of every value of a cfg by key, without comments and without the keys in ``free``.

    A validation_fraction of 0 is left out: earlier cfg files did not have to say that the test events choose.
    """
    pairs = (line.partition(" = ") for line in cfg.splitlines() if not line.startswith("#"))
    values = {key: value for key, _, value in pairs if key not in free}
    if values.get("validation_fraction") == "0.0":
        del values["validation_fraction"]
    return values
