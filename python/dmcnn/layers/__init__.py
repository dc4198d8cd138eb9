"""The layers of a network as data: what is applied to what, in which order, and the shape of what comes out."""

from __future__ import annotations

from dmcnn.layers.evaluate import outputs, probe, undisturbed
from dmcnn.layers.trace import IMAGES, Layer, Output, trace

__all__ = ["IMAGES", "Layer", "Output", "outputs", "probe", "trace", "undisturbed"]
