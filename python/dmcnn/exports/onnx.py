"""ONNX, the exchange format that most inference engines read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.extras import is_installed, need
from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import Format, about
from dmcnn.quantisation.quantisers import frozen

OPSET = 17
INPUT, OUTPUT = "images", "outputs"


class Onnx(Format):
    """Float32 operators for any number of images; of a quantised network with rounded weights and activations."""

    ending = ".onnx"

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        onnx = need("onnx")
        with warnings.catch_warnings():
            # of an exporter that torch has two of (the other one needs onnxscript), and on what is checked anyway
            warnings.simplefilter("ignore")
            torch.onnx.export(
                frozen(net), (torch.zeros(2, *card.shape),), str(path), dynamo=False, opset_version=OPSET,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_axes={name: {0: "n"} for name in (INPUT, OUTPUT)},
            )  # fmt: skip
        model = onnx.load(path)
        model.metadata_props.add(key="dmcnn", value=about(card))
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        if is_installed("onnxruntime"):
            runtime = need("onnxruntime")
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        else:
            session = need("onnx.reference").ReferenceEvaluator(str(path))
        return _outputs(session, images)


def _outputs(session: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of all images but the first together, for any number of them must do."""
    parts = [session.run(None, {INPUT: part})[0] for part in (images[:1], images[1:]) if len(part)]
    return np.concatenate(parts)
