"""Settings that all commands with a trained network share."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from dmcnn.settings.base import Paths, setting
from dmcnn.settings.engine import EngineSettings
from dmcnn.settings.resnet import ResNetSettings


def quarter_turn(value: Any) -> Any:
    """Return 0 for False, which cfg files of DM-CNN hold; ValueError for True, whose angle DM-CNN never defined."""
    if value is True:
        raise ValueError("expected the angle in degrees (90, 180 or 270): True has no angle")
    return 0 if value is False else value


OwnModel = str | list[str] | None
OWN_MODEL = (
    "network in the weight file: its name, which is checked; if it is a plug-in, module:Name as in training, and no "
    "other module is imported"
)


WEIGHT_FILE = (
    "checkpoint of dmcnn, .pwf of DM-CNN, state dict of mpid, resnet18 or resnet34, .safetensors, or .h5, .hdf5, "
    ".weights.h5 or .keras of Keras"
)


class NetworkSettings(ResNetSettings, EngineSettings):
    """Keys of the use of a trained network; preprocessing that is not given comes from its checkpoint."""

    input_file: Paths = setting(
        ...,
        "input files",
        "image files: path, list, globs, or sample://name/split?events=N",
        example="*.root",
    )
    weight_file: str | None = setting(None, "input files", WEIGHT_FILE)
    model: OwnModel = setting(None, "input files", OWN_MODEL)
    output_dir: str = setting("outputs", "outputs", "folder of all output files")
    batch_size: int = setting(8, "machine", "images per forward pass", ge=1)
    precision: Literal["32", "bf16"] = setting(
        "32", "machine", "bf16 is faster, with errors of up to 0.02 in the logit"
    )

    data_key: ClassVar[str] = "input_file"

    def network(self) -> dict[str, Any]:
        """Return the arguments with which the weight file is opened."""
        return {
            "model": self.model,
            "overrides": self.reading(),
            "gpuid": self.GPUID,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "engine": self.engine,
            **self.resnet(),
        }

    retired: ClassVar[dict[str, str]] = {
        **{f"weight_file_mpid_{plane}": "name the network of the plane in weight_file" for plane in range(3)},
        "batch": "the batch size is batch_size",
        "batch_size_test": "the batch size is batch_size",
        "run_test": "only training tests",
    }
