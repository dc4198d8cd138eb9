"""Settings of ``infer``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from dmcnn.settings.base import Label, Paths, setting
from dmcnn.settings.network import NetworkSettings, quarter_turn
from dmcnn.settings.shares import ShareSettings


class InferSettings(NetworkSettings, ShareSettings):
    """Score every entry of every file; writes one CSV per file."""

    weight_file: str = setting(
        ...,
        "input files",
        "checkpoint of dmcnn or a .pwf of DM-CNN",
        example="outputs/DM-CNN_model_best.ckpt",
    )
    input_csv: Paths | None = setting(
        None, "input files", "analysis CSV to join on run, subrun, event; one per input file"
    )
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = setting(
        0, "robustness", "[degrees] rotate every image first, as a test of robustness"
    )
    label: Label | None = setting(
        None, "classes and labels", "class of an event, as in training (default: the rule of the checkpoint)"
    )

    resumes: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "input_csv")
