"""Plain scripts with torch, h5py and pandas: what a user would write instead of a command of dmcnn.

    python benchmarks/plain.py infer|train|occlude|join FILE [FILE]

They read the same files as the commands, and leave the same tables and figures; no resuming, no checks.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

SIDE, ADC_LO, ADC_HI, STRIDE, HALF = 512, 10, 500, 32, 4
IDS = ["run_number", "subrun_number", "event_number"]


def dense(voxels: np.ndarray) -> np.ndarray:
    """Return the (SIDE * SIDE,) float32 pixels of an image, with threshold and clip."""
    image, charge = np.zeros(SIDE * SIDE, np.float32), voxels["value"]
    image[voxels["id"]] = np.where(charge < ADC_LO, 0, np.minimum(charge, ADC_HI))
    return image


def images(path: str):
    """Return a map-style dataset of (1, SIDE, SIDE) images and labels of an LArCV3 file, in memory as pixels."""
    import h5py
    import torch

    with h5py.File(path) as file:
        group = next(iter(file["Data"].values()))
        voxels, extents, ids = group["voxels"][:], group["voxel_extents"][:], file["Events/event_id"][:]

    class Images(torch.utils.data.Dataset):
        """Images of the file."""

        events = ids

        def __len__(self) -> int:
            return len(extents)

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            first, count, _ = extents[number]
            image = torch.from_numpy(dense(voxels[first : first + count]))
            return image.view(1, SIDE, SIDE), int(ids["run"][number] != 100)

    return Images()


def network(weights: str):
    """Return MPID with the weights of a state dict."""
    import torch

    from dmcnn.models.mpid import MPID

    net = MPID()
    net.load_state_dict(torch.load(weights))
    return net


def infer(path: str, weights: str) -> None:
    """Score the images of a file one after another, as DM-CNN does; write a table and a histogram."""
    import h5py
    import torch

    net, scores = network(weights).eval(), []
    with h5py.File(path) as file, Path("plain_scores.csv").open("w", newline="") as table:
        group, ids = next(iter(file["Data"].values())), file["Events/event_id"][:]
        writer = csv.writer(table)
        writer.writerow([*IDS, "signal_score"])
        for (first, count, _), event in zip(group["voxel_extents"][:], ids, strict=True):
            image = torch.from_numpy(dense(group["voxels"][first : first + count]))
            with torch.no_grad():
                scores.append(net(image.view(1, 1, SIDE, SIDE)).sigmoid()[0, 0].item())
            writer.writerow([*(event[name] for name in ("run", "subrun", "event")), scores[-1]])
    histogram({"scores": np.array(scores)}, "plain_scores")


def train(path: str, test: str) -> None:
    """Train MPID for one epoch, evaluate it, and save it."""
    import torch

    from dmcnn.models.mpid import MPID

    torch.manual_seed(1)
    net = MPID(drop_out=0.2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    for batch, labels in torch.utils.data.DataLoader(images(path), batch_size=4, shuffle=True):
        loss = torch.nn.functional.cross_entropy(net(batch), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.inference_mode():
        loader = torch.utils.data.DataLoader(images(test), batch_size=16)
        right = sum((net(batch).argmax(dim=1) == labels).sum().item() for batch, labels in loader)
    sys.stdout.write(f"accuracy {right / len(images(test)):.3f}\n")
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, "plain.ckpt")


def occlude(path: str, weights: str) -> None:
    """Score the first image with a window zeroed in the middle of every cell of STRIDE pixels; write maps."""
    import matplotlib.pyplot as plt
    import torch

    net, image = network(weights).eval(), images(path)[0][0]
    middles = range((STRIDE - 1) // 2, SIDE, STRIDE)
    cells, copies = [], []
    for row in middles:
        for column in middles:
            window = (
                slice(None),
                slice(max(0, row - HALF), row + HALF + 1),
                slice(max(0, column - HALF), column + HALF + 1),
            )
            if image[window].any():
                copies.append(image.clone())
                copies[-1][window] = 0
                cells.append((row // STRIDE, column // STRIDE))
    with torch.inference_mode():
        base = net(image[None]).softmax(1)[0]
        scores = torch.cat([net(torch.stack(copies[i : i + 8])).softmax(1) for i in range(0, len(copies), 8)])
    np.savez_compressed("plain_occlusion.npz", scores=scores.numpy(), cells=cells)
    plt.switch_backend("agg")
    for number, score in enumerate(base.tolist()):
        cells_map = np.full((len(middles), len(middles)), score)
        cells_map[tuple(np.transpose(cells))] = scores[:, number]
        figure, axes = plt.subplots()
        figure.colorbar(axes.imshow(cells_map.repeat(STRIDE, 0).repeat(STRIDE, 1), origin="lower"))
        for suffix in ("png", "pdf"):
            figure.savefig(f"plain_occlusion_{number}.{suffix}")


def join(path: str, analysis: str) -> None:
    """Merge a table of scores into an analysis table by run, subrun and event."""
    pd.read_csv(analysis).merge(pd.read_csv(path), on=IDS, how="outer").to_csv("plain_join.csv", index=False)


def panel():
    """Return a figure with one panel."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    return plt.subplots(dpi=150)


def save(figure, axes, stem: str) -> None:
    """Save a figure with a legend as PNG and PDF."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    for suffix in (".png", ".pdf"):
        figure.savefig(Path(stem).with_suffix(suffix))


def histogram(samples: dict[str, np.ndarray], stem: str, reach: tuple[float, float] = (0, 1)) -> None:
    """Draw histograms of scores; save them as PNG and PDF."""
    figure, axes = panel()
    for name, scores in samples.items():
        axes.hist(scores, bins=50, range=reach, histtype="step", label=name)
    save(figure, axes, stem)


SCRIPTS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (infer, train, occlude, join)
}

if __name__ == "__main__":
    SCRIPTS[sys.argv[1]](*sys.argv[2:])
