"""Settings of the parts of a training: training, validation and test events."""

from __future__ import annotations

from collections.abc import Iterator

from dmcnn.settings.base import Conflict, Paths, Settings, setting

ONE_TRAINING = "a trial is one training, with the same validation events as all others"
SAME_EVENTS = "all trials are judged on the same events"
"""Reasons why a search cannot draw a key."""


class PartSettings(Settings):
    """Keys of the files and entries of the training, validation and test events."""

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

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between the keys that select training, validation and test events."""
        yield from super().conflicts()
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
