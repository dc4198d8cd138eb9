"""torch's own exchange format: a program that runs without the classes that made it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import Format, about
from dmcnn.quantisation.quantisers import frozen


class Program(Format):
    """A ``torch.export`` program for any number of images, with the card as ``dmcnn.json`` inside.

    ``torch.export.load(path).module()`` is the network.
    """

    ending = ".pt2"

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        program = torch.export.export(
            frozen(net), (torch.zeros(2, *card.shape),), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # on weights with the channels innermost; what is saved is checked
            torch.export.save(program, path, extra_files={"dmcnn.json": about(card)})

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "The given buffer is not writable"
            )  # torch 2.10, which only reads
            program = torch.export.load(path)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = program.module()(torch.from_numpy(images)).numpy()
        return outputs
