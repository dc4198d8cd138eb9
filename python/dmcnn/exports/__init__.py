"""Exports of networks to files for other programs, each checked by running the file."""

from __future__ import annotations

from dmcnn.exports.base import ExportFormat
from dmcnn.exports.integers import Integers
from dmcnn.exports.layer_table import LayerTable
from dmcnn.exports.onnx import Onnx
from dmcnn.exports.qonnx import Qonnx
from dmcnn.exports.safetensors import Safetensors
from dmcnn.exports.torch_program import Program

__all__ = ["FORMATS", "ExportFormat"]

FORMATS: dict[str, ExportFormat] = {
    "onnx": Onnx(),
    "torch": Program(),
    "qonnx": Qonnx(),
    "json": Integers(),
    "table": LayerTable(),
    "safetensors": Safetensors(),
}
