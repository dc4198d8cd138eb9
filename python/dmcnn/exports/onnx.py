"""ONNX format, which most inference engines read."""

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
from dmcnn.exports.base import ExportFormat, card_json
from dmcnn.quantisation.quantisers import freeze

OPSET = 17
INPUT, OUTPUT = "images", "outputs"


class Onnx(ExportFormat):
    """ONNX format: float32 operators for any number of images; of a quantised network with its rounded numbers."""

    ending = ".onnx"
    divides = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write the model with the card under the key ``dmcnn`` of its metadata."""
        onnx = need("onnx")
        with warnings.catch_warnings():
            # torch deprecates this exporter, but the new one needs onnxscript; other warnings concern what is
            # checked by running the file.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                freeze(net), (torch.zeros(2, *card.shape),), str(path), dynamo=False, opset_version=OPSET,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_axes={name: {0: "n"} for name in (INPUT, OUTPUT)},
            )  # fmt: skip
        model = onnx.load(path)
        model.metadata_props.add(key="dmcnn", value=card_json(card))
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs with onnxruntime if it is installed, else with the evaluator of onnx."""
        if is_installed("onnxruntime"):
            runtime = need("onnxruntime")
            session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        else:
            session = need("onnx.reference").ReferenceEvaluator(str(path))
        return _outputs(session, images)


def _outputs(session: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the outputs of the first image alone and of all others together: a file takes any number of images."""
    parts = [session.run(None, {INPUT: part})[0] for part in (images[:1], images[1:]) if len(part)]
    return np.concatenate(parts)
