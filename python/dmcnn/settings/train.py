"""Settings of ``train``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from dmcnn.settings.augmentation import AugmentationSettings
from dmcnn.settings.base import Conflict
from dmcnn.settings.classes import ClassSettings
from dmcnn.settings.course import CourseSettings
from dmcnn.settings.parts import PartSettings

VALIDATION = 0.1
"""Share of the training events that are for validation where the user says nothing of them."""


class TrainSettings(PartSettings, ClassSettings, AugmentationSettings, CourseSettings):
    """Train a network; resumes where an interrupted run of the same name stopped."""

    retired: ClassVar[dict[str, str]] = {
        "in_channels": "the network gets as many as plane names, such as plane = [0, 1, 2]",
        "batch": "the batch sizes are batch_size_train and batch_size_test",
        "weight_file_mpid_0": "inference takes its network from weight_file",
        "weight_file_mpid_1": "inference takes its network from weight_file",
        "weight_file_mpid_2": "inference takes its network from weight_file",
    }

    data_key: ClassVar[str] = "input_train"
    inputs: ClassVar[tuple[str, ...]] = ("input_train", "input_test", "input_validation", "event_weight_csv")

    @property
    def goes_on(self) -> bool:
        """Whether the same command resumes: there are checkpoints, and they are not to be ignored."""
        return self.resume and self.save_weights and not self.find_rate

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.tensorboard and not self.run_test:
            yield (
                ("tensorboard", "run_test"),
                "tensorboard shows evaluations, which run_test = False leaves out",
            )
        if self.targets is not None:
            yield from self._targets()
        if self.find_rate and self.folds:
            yield ("find_rate", "folds"), "find_rate = True trains nothing, and folds are trainings"
        if self.schedule == "plateau" and not self.run_test:
            yield (
                ("schedule", "run_test"),
                "schedule = 'plateau' depends on evaluations, and run_test = False",
            )
        if self.accumulate > 1 and self.constraints:
            yield ("accumulate", "constraints"), "constraints are about whole batches: accumulate = 1"

    def _targets(self) -> Iterator[Conflict]:
        """Yield keys that contradict targets."""
        for key in ("classes", "signal", "num_class", "label"):
            if getattr(self, key) != TrainSettings.model_fields[key].default:
                yield (key, "targets"), f"{key} is a key of classes, and a network with targets has none"
        for key in ("augment", "augment_shift", "augment_rot90", "augment_rotation"):
            if getattr(self, key):
                yield (key, "targets"), f"{key} = {getattr(self, key)} changes images but not their targets"

    @property
    def trainings(self) -> list[TrainSettings]:
        """Settings of every fold of a cross-validation, whose names end with it; else these alone."""
        if self.folds is None:
            return [self]
        ends = {
            n: f"fold{n}of{self.folds}" for n in (range(self.folds) if self.fold is None else [self.fold])
        }
        return [
            self.model_copy(
                update={"fold": n, "name": f"{self.name.removesuffix(end).rstrip('_')}_{end}".lstrip("_")}
            )
            for n, end in ends.items()
        ]

    def with_default_validation(self) -> TrainSettings:
        """Return the settings with validation events, if there are evaluations and the user says nothing of them."""
        given = self.folds or self.input_validation is not None or self.validation_fraction is not None
        if given or not self.run_test:
            return self
        share = round(VALIDATION * (1 - (self.test_fraction or 0)), 6)
        return self.model_copy(update={"validation_fraction": share})

    def network(self, cfg: str) -> dict[str, Any]:
        """Return what the user says of the network, see training.setup.NetworkOptions."""
        keys = {"model", "scaling", "label", "loss", "diagonal", "covariance", "start_weights"}
        return {
            **self.model_dump(include=keys),
            "loss_options": self.loss_options(),
            "architecture": self.architecture(),
            "classes": self.class_names,
            "signal": self.signal_class,
            "cfg": cfg,
        }

    def session(self) -> dict[str, Any]:
        """Return the course of the training, see training.setup.SessionOptions."""
        may_change = self.keys(resume="free")
        if self.schedule == "cosine" or self.warmup or self.constraints:
            may_change.remove("EPOCHS")
        return {
            **self.model_dump(
                include={
                    "batch_size_test",
                    "patience",
                    "schedule_start",
                    "schedule_patience",
                    "warmup",
                    "precision",
                    "engine",
                }
            ),
            "resume": self.resume and not self.find_rate,
            "epochs": self.EPOCHS,
            "batch_size_train": self.batch_size_train,
            "accumulate": self.accumulate,
            "test_every_step": self.test_every_step if self.run_test else None,
            "test_events": self.test_events_nums,
            "save_every_step": self.save_every_step if self.save_weights else 0,
            "seed": self.seed_number if self.seed else None,
            "gpuid": self.GPUID,
            "may_change": may_change,
            "defaults": self.default_text(),
        }
