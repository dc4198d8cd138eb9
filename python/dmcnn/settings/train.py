"""Settings of ``train``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from dmcnn._common.errors import nearest
from dmcnn.detectors.lartpc import CLASSES
from dmcnn.settings.base import Conflict, Label, Paths, setting
from dmcnn.settings.recipe import SAME_TASK, RecipeSettings

VALIDATION = 0.1
"""Share of the training events that are for validation where the user says nothing of them."""

ONE_TRAINING = "a trial is one training, with the same validation events as all others"
SAME_EVENTS = "all trials are judged on the same events"
"""Reasons why a search cannot draw a key."""


class TrainSettings(RecipeSettings):
    """Train a network; resumes where an interrupted run of the same name stopped."""

    input_train: Paths = setting(
        ...,
        "input files",
        "training files: path, list, globs, or sample://name/split?events=N",
        example=["signal.root", "background.root"],
        resume="free",
    )
    input_test: Paths | None = setting(
        None,
        "input files",
        "test files: path, list, globs; or give test_fraction",
        resume="free",
        tune=SAME_EVENTS,
    )
    input_validation: Paths | None = setting(
        None,
        "input files",
        "validation files, on which the best weights are chosen; or give validation_fraction",
        tune=SAME_EVENTS,
    )
    test_fraction: float | None = setting(
        None,
        "input files",
        "share of every class of input_train that is used for the test, instead of input_test",
        gt=0,
        lt=1,
        tune=SAME_EVENTS,
    )
    validation_fraction: float | None = setting(
        None,
        "input files",
        "share of every class of input_train on which the best weights are chosen, instead of input_validation "
        "(default: a tenth of what is not for the test); 0 = the test events choose, as in DM-CNN",
        ge=0,
        lt=1,
        tune=SAME_EVENTS,
    )
    folds: int | None = setting(
        None,
        "input files",
        "cross-validation: number of trainings, each with another part of input_train as its validation events",
        ge=2,
        le=1000,
        trials="none",
        tune=ONE_TRAINING,
    )
    fold: int | None = setting(
        None,
        "input files",
        "the only one of the folds to train, from 0 (default: all, one after another)",
        ge=0,
        trials="none",
        tune=ONE_TRAINING,
    )
    events_train: list[int] | None = setting(
        None,
        "input files",
        "[first, end] range of the entries of every training file",
        min_length=2,
        max_length=2,
    )
    events_validation: list[int] | None = setting(
        None,
        "input files",
        "[first, end] range of the entries of every validation file",
        min_length=2,
        max_length=2,
        tune=SAME_EVENTS,
    )
    events_test: list[int] | None = setting(
        None,
        "input files",
        "[first, end] range of the entries of every test file",
        min_length=2,
        max_length=2,
        tune=SAME_EVENTS,
    )

    num_class: int | None = setting(
        None,
        "classes and labels",
        "number of classes (default: the number of names in classes)",
        ge=2,
        tune=SAME_TASK,
    )
    classes: list[str] | None = setting(
        None,
        "classes and labels",
        "class names in the order of the logits",
        tune=SAME_TASK,
    )
    signal: str | None = setting(
        None,
        "classes and labels",
        'name of the signal class (default: "signal")',
        tune=SAME_TASK,
    )
    label: Label = setting(
        "run == 100",
        "classes and labels",
        "class of an event (the default is for files of DM-CNN): a condition on run/subrun/event (true = signal), "
        '{"file pattern": class} or {PDG code: class}; "prefix": the class name at the beginning of the file name; '
        '"y": the class number in the file',
        tune=SAME_TASK,
    )
    scaling: Literal["none", "minmax"] = setting(
        "none",
        "classes and labels",
        "scaling of pixel values; minmax: every image to 0.1 .. 1.1 as (x - min) / (max - min) + 0.1",
    )
    augment: bool = setting(True, "augmentation", "random flips and transposition of training images")
    augment_shift: float = setting(
        0.0, "augmentation", "random shifts of training images, up to this share of either side", ge=0, lt=1
    )
    augment_rotation: float = setting(
        0.0,
        "augmentation",
        "[degrees] random rotations of the pixels of training images, up to this angle both ways",
        ge=0,
        le=180,
    )
    augment_rot90: bool = setting(
        False,
        "augmentation",
        "random turns of training images by multiples of 90 degrees (180 if not square), without the mirror images "
        "of augment",
    )
    augment_charge: float = setting(
        0.0,
        "augmentation",
        "random factors of the charge of training images, from 1 less this number to 1 plus it",
        ge=0,
        lt=1,
    )
    augment_dead_wires: float = setting(
        0.0,
        "augmentation",
        "probability that a wire (column) of a training image is dead",
        ge=0,
        lt=1,
    )
    augment_noise: float = setting(
        0.0, "augmentation", "rms of the noise that is added to active pixels of training images", ge=0
    )
    augment_mask: float = setting(
        0.0, "augmentation", "probability that an active pixel of a training image is removed", ge=0, lt=1
    )
    batch_size_train: int = setting(32, "optimisation", "training images per step (times accumulate)", ge=1)
    batch_size_test: int = setting(
        16, "evaluation and checkpoints", "images per test batch", ge=1, resume="free", trials="free"
    )
    run_test: bool = setting(
        True,
        "evaluation and checkpoints",
        "evaluate during training",
        resume="free",
        trials="free",
        tune="a search evaluates all trials",
    )
    test_every_step: int = setting(
        0, "evaluation and checkpoints", "steps between evaluations; 0 = once per epoch", ge=0
    )
    test_events_nums: int | None = setting(
        None,
        "evaluation and checkpoints",
        "validation events per evaluation, or test events where those choose (default: all)",
        ge=1,
        tune=SAME_EVENTS,
    )
    save_weights: bool = setting(
        True,
        "evaluation and checkpoints",
        "write checkpoints",
        resume="free",
        trials="free",
        tune="a search keeps the weights of its trials, with which they go on",
    )
    save_every_step: int = setting(
        200,
        "evaluation and checkpoints",
        "steps between the checkpoints from which a training resumes",
        ge=1,
        resume="free",
        trials="free",
    )
    ranks: int = setting(
        1,
        "machine",
        "processes of this machine that share every batch, with a GPU each if there are enough; on several machines "
        "torchrun or Slurm starts them",
        ge=1,
        le=1024,
        resume="free",
        trials="none",
        tune="a trial is one process; workers = n of tune runs n trials",
    )
    tensorboard: bool = setting(
        False,
        "evaluation and checkpoints",
        "write the metrics table for TensorBoard too, to DM-CNN_training_tensorboard_<name> in output_directory",
        resume="free",
        trials="free",
        tune="no result depends on it",
    )
    seed: bool = setting(True, "machine", "use seed_number; False draws a random seed and records it")
    seed_number: int = setting(
        1, "machine", "seed of Python, NumPy, torch and the loader", ge=0, le=2**32 - 1
    )
    cache: str = setting(
        "memory",
        "machine",
        'cache of the images: "memory", or a folder for memory-mapped files',
        resume="free",
        trials="free",
    )
    precision: Literal["auto", "32", "bf16", "fp16"] = setting(
        "auto",
        "machine",
        "auto = bf16 where the hardware supports it; fp16, with a scaled loss, needs a GPU",
    )
    resume: bool = setting(
        True,
        "evaluation and checkpoints",
        "continue from the last checkpoint with this name; False starts anew",
        resume="free",
        trials="free",
        tune="trials of a search always resume",
    )
    weights_directory: str = setting(
        "outputs",
        "outputs",
        "folder of the checkpoints",
        resume="free",
        trials="free",
        tune="the search gives every trial a folder",
    )
    output_directory: str = setting(
        "outputs",
        "outputs",
        "folder of metrics, figures and the cfg of the run",
        resume="free",
        trials="free",
        tune="the search gives every trial a folder",
    )

    retired: ClassVar[dict[str, str]] = {
        "in_channels": "the network gets as many as plane names, such as plane = [0, 1, 2]",
        "batch": "the batch sizes are batch_size_train and batch_size_test",
        "weight_file_mpid_0": "inference takes its network from weight_file",
        "weight_file_mpid_1": "inference takes its network from weight_file",
        "weight_file_mpid_2": "inference takes its network from weight_file",
    }

    data_key: ClassVar[str] = "input_train"

    @property
    def goes_on(self) -> bool:
        """Whether the same command resumes: there are checkpoints, and they are not to be ignored."""
        return self.resume and self.save_weights and not self.find_rate

    inputs: ClassVar[tuple[str, ...]] = ("input_train", "input_test", "input_validation", "event_weight_csv")

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        yield from self._parts()
        if self.augment and self.augment_rot90:
            keys = "augment", "augment_rot90"
            yield (
                keys,
                "augment_rot90 turns images without mirroring them, and augment mirrors them: give one",
            )
        if self.tensorboard and not self.run_test:
            yield (
                ("tensorboard", "run_test"),
                "tensorboard shows evaluations, which run_test = False leaves out",
            )
        yield from self._classes() if self.targets is None else self._targets()
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

    def _classes(self) -> Iterator[Conflict]:
        """Yield contradictions between classes, signal and label."""
        names = self.class_names
        by_condition = isinstance(self.label, str) and self.label not in ("prefix", "y")
        if self.classes is None and (self.num_class not in (None, 2) or not by_condition):
            yield ("classes",), "classes is missing: name the classes in the order of their numbers"
        elif len(names) != (self.num_class or len(names)) or len(set(names)) != len(names):
            yield ("classes", "num_class"), f"classes = {names} are not num_class = {self.num_class} names"
        elif self.signal is not None and self.signal not in names:
            yield ("signal",), f"signal = {self.signal!r} is not one of {names}{nearest(self.signal, names)}"
        elif self.signal_class is None and len(names) == 2 and by_condition:
            yield ("signal",), f"signal is missing: which of {names} is the signal?"
        elif self.classes is not None or self.label != TrainSettings.model_fields["label"].default:
            from dmcnn.datasets.labels import (
                LabelRule,  # NumPy, which a cfg with the usual label need not wait for
            )

            try:
                LabelRule.parse(self.label, tuple(names), self.signal_class)
            except ValueError as error:
                yield ("label",), str(error)
        weights = self.class_weights
        if isinstance(weights, list) and len(weights) != len(names):
            yield ("class_weights",), f"class_weights = {weights}: expected one for each of {names}"
        for name in weights if isinstance(weights, dict) else ():
            if name not in names:
                hint = nearest(name, names)
                yield ("class_weights",), f"class_weights: {name!r} is not one of {names}{hint}"

    def _parts(self) -> Iterator[Conflict]:
        """Yield contradictions between the keys that select training, validation and test events."""
        for name, files, share in (
            ("test", self.input_test, self.test_fraction),
            ("validation", self.input_validation, self.validation_fraction),
        ):
            keys = f"input_{name}", f"{name}_fraction"
            if files is not None and share is not None:
                yield keys, f"{' and '.join(keys)} both select the {name} events: give one"
            if files is None and getattr(self, f"events_{name}") is not None:
                yield (f"events_{name}",), f"events_{name} needs input_{name}"
        if self.folds and (self.input_validation is not None or self.validation_fraction is not None):
            key = "input_validation" if self.input_validation is not None else "validation_fraction"
            yield ("folds", key), f"folds and {key} both select the validation events: give one"
        if self.fold is not None and self.fold >= (self.folds or 0):
            yield ("fold", "folds"), f"fold = {self.fold} needs folds above it, found folds = {self.folds}"
        if self.input_test is None and self.test_fraction is None:
            yield ("input_test", "test_fraction"), "no test events: give input_test or test_fraction"
        if (self.test_fraction or 0) + (self.validation_fraction or 0) >= 1:
            keys = "test_fraction", "validation_fraction"
            yield keys, f"{' and '.join(keys)} leave nothing to train on"

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

    @property
    def sources(self) -> dict[str, tuple[Paths, list[int] | None]]:
        """Files of the "train", "validation" and "test" events that are given, and the entries of each."""
        files = {
            "train": (self.input_train, self.events_train),
            "validation": (self.input_validation, self.events_validation),
            "test": (self.input_test, self.events_test),
        }
        return {what: (inputs, entries) for what, (inputs, entries) in files.items() if inputs is not None}

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the training events that are used for validation and test."""
        shares = {"validation": self.validation_fraction, "test": self.test_fraction}
        return {name: share for name, share in shares.items() if share}

    def with_default_validation(self) -> TrainSettings:
        """Return the settings with validation events, if there are evaluations and the user says nothing of them."""
        given = self.folds or self.input_validation is not None or self.validation_fraction is not None
        if given or not self.run_test:
            return self
        share = round(VALIDATION * (1 - (self.test_fraction or 0)), 6)
        return self.model_copy(update={"validation_fraction": share})

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of the logits, by default signal, background; empty with targets."""
        return [] if self.targets else self.classes or list(CLASSES)

    @property
    def signal_class(self) -> str | None:
        """Class whose score is the signal score; None if there is no signal class."""
        return self.signal or ("signal" if "signal" in self.class_names else None)

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

    def augmentation(self, height: int, width: int) -> dict[str, Any]:
        """Return the random changes of images of a size in pixels, see training.batches.Batches."""
        return {
            "augment": self.augment,
            "shift": (round(self.augment_shift * height), round(self.augment_shift * width)),
            "rot90": self.augment_rot90,
            "rotation": self.augment_rotation,
            "charge": self.augment_charge,
            "dead_wires": self.augment_dead_wires,
            "noise": self.augment_noise,
            "mask": self.augment_mask,
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
