"""Settings of ``infer``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from dmcnn.settings.base import Label, Paths
from dmcnn.settings.network import Network, quarter_turn


class InferSettings(Network):
    """Score every entry of every file, into one CSV per file."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    input_csv: Paths | None = Field(
        None, description="analysis CSV joined on run, subrun, event; one per input file"
    )
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = Field(
        0, description="[degrees] turn every image first, a test of robustness"
    )
    label: Label | None = Field(None, description="as in training (default: the checkpoint's rule)")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "input_csv")
