"""Train a network: ``python -m dmcnn.train cfg/training_config.cfg [key=value …]``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from dmcnn._common import json_files
from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn._common.files import atomic_file, output_folder
from dmcnn._common.interrupts import interrupt
from dmcnn._common.lock import SILENCE
from dmcnn._common.provenance import check_provenance, comments, provenance_of
from dmcnn.settings import TrainSettings, command

if TYPE_CHECKING:
    from dmcnn.images.sparse import SparseImages
    from dmcnn.training.batches import Batches
    from dmcnn.training.data import Data, Source
    from dmcnn.training.loop import Progress
    from dmcnn.training.ranks import Ranks
    from dmcnn.training.session import OutputFiles, Run, Watch

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return command.run("train", train, argv)


def train(settings: TrainSettings, watch: Watch | None = None) -> None:
    """Read the data, train, evaluate, and write checkpoints, tables and figures; of several ranks, the first writes.

    Args:
        settings: settings of the command.
        watch: called with the rows of the metrics table and the engine after every evaluation.
    """
    from dmcnn.training.local_ranks import local_ranks
    from dmcnn.training.ranks import SIZE, connect

    started = os.environ.get(SIZE)
    if started and settings.ranks not in (1, int(started)):
        raise InputError(f"ranks = {settings.ranks}, but {started} processes were started ({SIZE})")
    here = settings.ranks > 1 and not started
    with (
        local_ranks(partial(_rank, settings), settings.ranks) if here else nullcontext(),
        connect(settings.GPUID) as ranks,
    ):
        is_whole = bool(settings.folds) and settings.fold is None and ranks.first
        with _files(settings).locked() if is_whole else nullcontext():
            for training in settings.trainings:
                Training(training, ranks, watch).run()
            if is_whole:
                _cross_validate(settings)


def _rank(settings: TrainSettings) -> int:
    """Train in a process that another one has started; return its exit status."""
    return command.exit_status(lambda: train(settings))


def _cross_validate(settings: TrainSettings) -> None:
    """Write the scores of all events, each by the training that did not see it, and the spread of the folds."""
    from dmcnn.tables import table
    from dmcnn.training import folds

    files = [_files(training) for training in settings.trainings]
    with ExitStack() as locks:
        for each in files:
            locks.enter_context(each.locked())  # else one could be trained anew meanwhile
        cards = [folds.read_card(each.card.with_name(f"{each.card.name}.json")) for each in files]
        scores = folds.out_of_fold([each.scores("validation") for each in files])
    numbers, spreads = folds.overall(cards[0]["model"], scores), folds.spread(cards)
    whole = _files(settings)
    table.write(whole.scores("out_of_fold"), scores)
    remarks = [folds.CHOSEN] if settings.run_test else []
    content = {"folds": len(cards), "out_of_fold": numbers, "spread": spreads, "remarks": remarks}
    json_files.write(whole.folds.with_name(f"{whole.folds.name}.json"), content)
    log.info("\n".join([*folds.lines(numbers, spreads, len(cards)), *remarks]))


def _files(settings: TrainSettings) -> OutputFiles:
    """Return the paths of all output files; their folders are made."""
    from dmcnn.training.session import OutputFiles

    folders = output_folder(settings.weights_directory), output_folder(settings.output_directory)
    return OutputFiles(*folders, settings.name)


@dataclass
class Training:
    """Part of one of several ranks, or of the only one, in a training.

    Attributes:
        settings: the settings, to which ``run`` adds the share of validation events.
        ranks: processes that share the training.
        watch: as of ``train``.
    """

    settings: TrainSettings
    ranks: Ranks
    watch: Watch | None

    @cached_property
    def files(self) -> OutputFiles:
        """Paths of the output files."""
        return _files(self.settings)

    @property
    def has_begun(self) -> bool:
        """Whether there is a checkpoint from which the training goes on."""
        return self.settings.resume and self.files.last.exists()

    def run(self) -> None:
        """Train, or find the learning rate; results are those of this name alone meanwhile."""
        from dmcnn.training import setup

        settings = self.settings
        if settings.tensorboard:
            need("tensorboard")
        constraints, targets = settings.constraints or [], settings.targets or []
        setup.check(settings.model, settings.architecture(), constraints, targets)
        # a trial is taken over sooner than its files may be
        wait = 2 * SILENCE if self.watch is not None else 0.0
        with self.files.locked(wait) if self.ranks.first else nullcontext():
            self.settings = self._with_validation()
            self._train()

    def _train(self) -> None:
        """Train, or find the learning rate, when the names of the outputs are those of this training alone."""
        from dmcnn.datasets.event_files import expand
        from dmcnn.formats.source import existing_file
        from dmcnn.training.data import Source

        settings, files = self.settings, self.files
        sources = {part: Source(*source) for part, source in settings.sources.items()}
        provenance = provenance_of(path for source in sources.values() for path in expand(source.inputs))
        if self.ranks.first and settings.resume and not self.has_begun:
            check_provenance(files.cfg, provenance)  # else the checkpoint tells what it was made from
        if settings.start_weights is not None and not self.has_begun:
            existing_file(settings.start_weights)
        data = self._load(sources)
        run, progress = self._prepare(data)
        if settings.find_rate:
            self._find_rate(run, data.images)
            return
        if self.ranks.first:
            with atomic_file(files.cfg) as temporary:
                lines = "".join(f"# {line}\n" for line in comments(provenance))
                temporary.write_text(run.card.cfg + lines, encoding="utf-8")
        self._fit(run, progress, data, provenance)

    def _with_validation(self) -> TrainSettings:
        """Return the settings with the share of validation events: given, of what goes on, or the default."""
        from dmcnn.training.session import begun_settings

        settings, last = self.settings, self.files.last
        if (
            settings.folds
            or settings.input_validation is not None
            or settings.validation_fraction is not None
        ):
            return settings
        if not self.has_begun:
            return settings.with_default_validation()
        begun = begun_settings(last)
        if settings.run_test and "validation_fraction" not in begun and "input_validation" not in begun:
            log.info("%s: begun without validation events: the test events go on choosing the weights", last)
        return settings.model_copy(update={"validation_fraction": float(begun.get("validation_fraction", 0))})

    def _load(self, sources: dict[str, Source]) -> Data:
        """Read the images of all parts with their classes or targets."""
        from dmcnn._common.files import expand
        from dmcnn.datasets.labels import LabelRule
        from dmcnn.detectors.lartpc import DM_CNN_FILES
        from dmcnn.training import data
        from dmcnn.training.weights import EventWeights

        settings = self.settings
        targets, csvs, classes = settings.targets, settings.event_weight_csv, tuple(settings.class_names)
        rule = EventWeights(settings.event_weight, expand(csvs) if csvs else ())
        return data.load(
            sources,
            reading=settings.reading(),
            label=None if targets else LabelRule.parse(settings.label, classes, settings.signal_class),
            label_kinds=None if "label" in settings.model_fields_set else DM_CNN_FILES,
            targets=data.TargetOptions(targets, settings.target_scales, settings.pitch) if targets else None,
            shares=settings.shares,
            seed=settings.seed_number,
            cache=settings.cache,
            fold=None if settings.folds is None or settings.fold is None else (settings.fold, settings.folds),
            event_weights=rule if settings.event_weight else None,
            class_weights=settings.class_weights,
        )

    def _prepare(self, data: Data) -> tuple[Run, Progress]:
        """Return the run and its progress, new or from the last checkpoint."""
        import dmcnn
        from dmcnn.training import setup
        from dmcnn.training.optimiser import Recipe
        from dmcnn.training.ranks import gpuid

        settings = self.settings
        return setup.prepare(
            self.files,
            data,
            setup.NetworkOptions(**settings.network(settings.text(f"dmcnn {dmcnn.__version__}"))),
            Recipe(**settings.recipe()),
            setup.SessionOptions(**{**settings.session(), "gpuid": gpuid(settings.GPUID)}),
            setup.ConstraintOptions(**settings.multipliers()) if settings.constraints else None,
            self.watch,
            self.ranks,
        )

    def _batches(self, run: Run, images: SparseImages, epochs: int, first: int = 0) -> Batches:
        """Return the batches of the training from step ``first`` on."""
        from dmcnn.training.batches import Batches

        settings = self.settings
        return Batches(
            images,
            settings.batch_size_train * settings.accumulate,
            epochs=epochs,
            seed=run.card.seed or 0,
            **settings.augmentation(*images.shape[1:]),
            scaling=settings.scaling,
            first=first,
            ranks=run.ranks,
            part=settings.batch_size_train,
            sparse=run.device.type == "cuda",
        )

    def _find_rate(self, run: Run, images: dict[str, SparseImages]) -> None:
        """Write table and figure of the loss against the step size, and log a suggestion; train nothing."""
        from dmcnn.figures.rates import rates
        from dmcnn.figures.save import save_figure
        from dmcnn.tables import table
        from dmcnn.training.rates import STEPS, scan_rates

        batches = self._batches(run, images["train"], -(-STEPS // run.steps_per_epoch))
        run.choose_engine(batches)
        scan = scan_rates(run, batches, run.card.seed or 0)
        if not run.ranks.first:
            return
        columns = {"learning_rate": scan.rate, "loss": scan.loss, "smoothed_loss": scan.smoothed}
        stem = run.files.rates
        table.write(stem.with_name(f"{stem.name}.csv"), table.Table.from_columns(columns))
        save_figure(rates(scan.rate, scan.loss, scan.smoothed, scan.suggestion), stem)
        if scan.suggestion is None:
            log.warning("warning: the loss fell at no step size: no learning_rate is suggested")
        else:
            log.info(
                "suggestion: learning_rate = %.2g, a tenth of that with the smallest loss", scan.suggestion
            )

    def _fit(self, run: Run, progress: Progress, data: Data, provenance: Mapping[str, str]) -> None:
        """Train to the end and report; after an interrupt save, and raise KeyboardInterrupt."""
        from dmcnn.training.announcement import announce
        from dmcnn.training.loop import fit
        from dmcnn.training.model_card import model_card, write_card
        from dmcnn.training.ranks import ALONE

        images = data.images
        batches = self._batches(run, images["train"], self.settings.EPOCHS, progress.step)
        run.choose_engine(batches)
        announce(run, images)
        card = model_card(run, images, provenance)
        if run.ranks.first and progress.step < run.total:
            write_card(run.files.card, card)
        if run.watch is not None and progress.rows:
            run.watch(progress.rows, run.engine)
        with self._board(run, progress):
            stopped_by = fit(
                run.net,
                batches,
                task=run.task,
                recipe=run.recipe,
                seed=run.card.seed or 0,
                device=run.device,
                precision=run.precision,
                progress=progress,
                after_step=run.after_step,
                constraints=run.constraints,
                engine=run.engine,
                ranks=run.ranks,
            )
        if stopped_by and progress.step < run.total:
            if run.save_every_step:
                run.save_last(progress)
                log.info("%s: saved after step %d of %d", run.files.last, progress.step, run.total)
            raise interrupt(stopped_by)
        if run.ranks.first:
            from dmcnn.training.report import report  # figures, which the first step need not wait for

            run.ranks = ALONE  # the others have ended
            report(run, progress, data, card)

    @contextmanager
    def _board(self, run: Run, progress: Progress) -> Iterator[None]:
        """Let the run write for TensorBoard within the block, if it should, with the evaluations so far."""
        if not (self.settings.tensorboard and run.ranks.first):
            yield
            return
        from dmcnn.training.board import Board

        with Board(run.files.board) as run.board:
            run.board.write(progress.rows)
            yield


if __name__ == "__main__":
    sys.exit(main())
