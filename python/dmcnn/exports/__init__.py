"""Trained networks as files for other programs, each checked by running it."""

from __future__ import annotations

from dmcnn.exports.base import Format
from dmcnn.exports.integers import Integers
from dmcnn.exports.layer_table import Layers
from dmcnn.exports.onnx import Onnx
from dmcnn.exports.qonnx import Qonnx
from dmcnn.exports.torch_program import Program

__all__ = ["FORMATS", "Format"]

FORMATS: dict[str, Format] = {
    "onnx": Onnx(),
    "torch": Program(),
    "qonnx": Qonnx(),
    "json": Integers(),
    "table": Layers(),
}
