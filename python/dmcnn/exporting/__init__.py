"""Trained networks as files for other programs, each checked by running it."""

from __future__ import annotations

from dmcnn.exporting.base import Format
from dmcnn.exporting.integers import Integers
from dmcnn.exporting.layers import Layers
from dmcnn.exporting.onnx import Onnx
from dmcnn.exporting.program import Program
from dmcnn.exporting.qonnx import Qonnx

__all__ = ["FORMATS", "Format"]

FORMATS: dict[str, Format] = {
    "onnx": Onnx(),
    "torch": Program(),
    "qonnx": Qonnx(),
    "json": Integers(),
    "table": Layers(),
}
