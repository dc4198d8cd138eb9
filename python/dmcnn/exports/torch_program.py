"""Format of ``torch.export``: a program that runs without the classes of the network."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.exports.base import ExportFormat, card_json
from dmcnn.quantisation.quantisers import freeze


class Program(ExportFormat):
    """Program of ``torch.export`` for any number of images, with the card as ``dmcnn.json`` inside.

    ``torch.export.load(path).module()`` is the network.
    """

    ending = ".pt2"
    divides = True

    def write(self, path: Path, net: nn.Module, card: Card) -> None:
        """Write the program."""
        program = torch.export.export(
            freeze(net), (torch.zeros(2, *card.shape),), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
        )
        with warnings.catch_warnings():
            # torch warns of weights with the channels innermost; the file is checked by running it
            warnings.simplefilter("ignore")
            torch.export.save(program, path, extra_files={"dmcnn.json": card_json(card)})

    def run(self, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs with torch."""
        with warnings.catch_warnings():
            # torch 2.10 warns that it does not copy what it reads
            warnings.filterwarnings("ignore", "The given buffer is not writable")
            program = torch.export.load(path)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = program.module()(torch.from_numpy(images)).numpy()
        return outputs
