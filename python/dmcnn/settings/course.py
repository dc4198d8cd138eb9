"""Settings of the course of a training: batches, evaluations, checkpoints, seeds, and folders of outputs."""

from __future__ import annotations

from typing import Literal

from dmcnn.settings.base import setting
from dmcnn.settings.parts import SAME_EVENTS
from dmcnn.settings.recipe import RecipeSettings


class CourseSettings(RecipeSettings):
    """Keys of the course of a training."""

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
