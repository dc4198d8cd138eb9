"""Layers of a network as data: their order, inputs, kinds and output shapes."""

from __future__ import annotations

from dmcnn.layers.evaluate import evaluate, evaluation_mode, outputs, probe
from dmcnn.layers.trace import IMAGES, Layer, Output, trace

__all__ = ["IMAGES", "Layer", "Output", "evaluate", "evaluation_mode", "outputs", "probe", "trace"]
