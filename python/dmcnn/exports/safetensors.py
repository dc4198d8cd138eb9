"""Safetensors format: the weights of a network with its card, which ``weight_file`` reads."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.safetensors_file import read, write
from dmcnn.checkpoints.torch_file import make
from dmcnn.exports.base import ExportFormat
from dmcnn.models import Maker


class Safetensors(ExportFormat):
    """Weights and card, without anything that could be executed."""

    ending = ".safetensors"
    library = "safetensors"

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write all tensors of the network and its card."""
        write(path, card, net.state_dict())
        self._net = net

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs of the network that the file gives."""
        texts, state = read(path)
        card = Card.from_dict(json.loads(texts[KEY]))
        reader = str(card.reading.get("reader"))
        own: list[str | Maker] = [card.model, reader, lambda **_: deepcopy(self._net)]
        net = make(card, state, path, own)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = net(torch.from_numpy(images)).numpy()
        return outputs
