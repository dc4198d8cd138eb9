"""Settings of ``export``."""

from __future__ import annotations

from typing import ClassVar, Literal

from dmcnn.settings.base import Paths, setting
from dmcnn.settings.network import OWN_MODEL, WEIGHT_FILE, OwnModel
from dmcnn.settings.reading import Reading
from dmcnn.settings.resnet import ResNetSettings

FileFormat = Literal["onnx", "torch", "qonnx", "hls4ml", "json", "table", "safetensors"]


class ExportSettings(ResNetSettings, Reading):
    """Write a trained network for other programs: ONNX, torch.export, QONNX, integers; each file is checked."""

    weight_file: str = setting(
        ...,
        "input files",
        WEIGHT_FILE,
        example="outputs/DM-CNN_model_best.ckpt",
    )
    model: OwnModel = setting(None, "input files", OWN_MODEL)
    format: FileFormat | list[FileFormat] | None = setting(
        None,
        "outputs",
        "onnx: float operators; torch: a program of torch.export; qonnx: rounding operators; hls4ml: the "
        "same with channels last, as hls4ml takes it; json: weights as integers; table: bits, multiplications and "
        "zeros of every layer; safetensors: the weights and their card (default: all formats that are possible for "
        "the network)",
    )
    input_file: Paths | None = setting(
        None, "checks", "image files for the check, in addition to random images: path, list, globs"
    )
    events: int = setting(64, "checks", "largest number of images of each kind in the check", ge=1)
    seed_number: int = setting(1, "checks", "seed of the random images", ge=0, le=2**32 - 1)
    output_dir: str = setting("outputs", "outputs", "folder of the files")

    @property
    def formats(self) -> list[str]:
        """Formats as a list; empty if the cfg gives none."""
        return [self.format] if isinstance(self.format, str) else [*(self.format or ())]

    inputs: ClassVar[tuple[str, ...]] = ("weight_file", "input_file")
