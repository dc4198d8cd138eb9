"""Exports of networks to files for other programs, each checked by running the file."""

from __future__ import annotations

from dmcnn.exports.base import ExportFormat
from dmcnn.exports.hls4ml import Hls4ml
from dmcnn.exports.integers import Integers
from dmcnn.exports.layer_table import LayerTable
from dmcnn.exports.onnx import Onnx
from dmcnn.exports.qonnx import Qonnx
from dmcnn.exports.torch_program import Program

__all__ = ["FORMATS", "ExportFormat"]

FORMATS: dict[str, ExportFormat] = {
    "onnx": Onnx(),
    "torch": Program(),
    "qonnx": Qonnx(),
    "hls4ml": Hls4ml(),
    "json": Integers(),
    "table": LayerTable(),
}
