"""Settings of ``export``."""

from __future__ import annotations

from typing import ClassVar, Literal

from dmcnn.settings.base import Paths, setting
from dmcnn.settings.network import OWN_MODEL, OwnModel
from dmcnn.settings.reading import Reading

FileFormat = Literal["onnx", "torch", "qonnx", "json", "table", "safetensors"]


class ExportSettings(Reading):
    """Write a trained network for other programs: ONNX, torch.export, QONNX, integers; each file is checked."""

    weight_file: str = setting(
        example="outputs/DM-CNN_model_best.ckpt",
        section="input files",
        description="checkpoint of dmcnn, .pwf of DM-CNN, state dict of torch, .safetensors, or .h5, .hdf5, "
        ".weights.h5 or .keras of Keras",
    )
    model: OwnModel = setting(None, section="input files", description=OWN_MODEL)
    format: FileFormat | list[FileFormat] | None = setting(
        None,
        section="outputs",
        description="onnx: float operators; torch: a program of torch.export; qonnx: rounding operators (hls4ml); "
        "json: weights as integers; table: bits, multiplications and zeros of every layer; "
        "safetensors: the weights and their card (default: all formats that "
        "are possible for the network)",
    )
    input_file: Paths | None = setting(
        None,
        section="checks",
        description="image files for the check, in addition to random images: path, list, globs",
    )
    events: int = setting(
        64, ge=1, section="checks", description="largest number of images of each kind in the check"
    )
    seed_number: int = setting(
        1, ge=0, le=2**32 - 1, section="checks", description="seed of the random images"
    )
    output_dir: str = setting("outputs", section="outputs", description="folder of the files")

    @property
    def formats(self) -> list[str]:
        """Formats as a list; empty if the cfg gives none."""
        return [self.format] if isinstance(self.format, str) else [*(self.format or ())]

    inputs: ClassVar[tuple[str, ...]] = ("weight_file", "input_file")
