"""What a user writes in a notebook, as a script: type-checked from outside, and run.

python user_script.py WEIGHTS FILES OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

import dmcnn
from dmcnn.metrics.classification import auc


def main(weights: str, files: str, output: str) -> None:
    net = dmcnn.load(weights, device="cpu")
    data = dmcnn.open(files, label="run == 100", adc_lo=10, adc_hi=500)
    print(net, data, sep="\n")

    event = data[3]
    event.plot().savefig(Path(output) / "event.png")
    print(event.ids, event.label, event.image.shape, event.meta["plane"])

    table = net(data)
    scores = np.asarray(table["signal_score"], np.float64)
    truth = np.array([event.label == "signal" for event in data])
    print(f"AUC {auc(labels=truth, scores=scores):.3f}")
    table.write(Path(output) / "scores.csv")

    saliency = net.explain(event, "saliency", target="signal")
    saliency.plot().savefig(Path(output) / "saliency.png")
    occluded = net.occlude(event, k=8, stride=16)
    occluded.plot("signal").savefig(Path(output) / "occluded.png")
    print(saliency.values.shape, occluded["signal"].min())

    optimizer = torch.optim.SGD(net.net.parameters(), lr=1e-4)
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(data[:4].torch(), batch_size=2)
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(net.net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(dmcnn.save(net.net, Path(output) / "mine.ckpt", net.card))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except dmcnn.InputError as error:
        sys.exit(str(error))
