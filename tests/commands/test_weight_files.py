"""Weight files of Keras and DM-CNN through every command that takes a ``weight_file``, as the README says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from checkpoints.saved_by_keras import layers_of, randomised, save
from dmcnn import attribute, display, export, infer, occlude
from dmcnn.models.cnn3d import CNN3D
from dmcnn.models.lariat import LArIAT
from dmcnn.models.mpid import MPID
from dmcnn.models.smartpixel import SmartPixel
from models.test_smartpixel import keras_layers

SAMPLES = {
    "mpid": "sample://dark-trident/test?events=3",
    "lariat": "sample://lariat/test?events=6",
    "cnn3d": "sample://calorimeter/test?events=6",
    "smartpixel": "sample://smartpixel/test?events=20",
}


def weights(kind: str, folder: Path) -> Path:
    """Write a weight file with random numbers."""
    if kind == "mpid":
        torch.manual_seed(1)
        path = folder / "net.pwf"
        torch.save(MPID().state_dict(), path)
        return path
    if kind == "lariat":
        return keras(LArIAT(), (240, 146, 1), folder)
    if kind == "cnn3d":
        return keras(CNN3D(filters_1=2, filters_2=3, dense_1=4, dense_2=3), (21, 32, 32, 1), folder)
    return save(folder / "net.hdf5", keras_layers(SmartPixel()), None)


def keras(net: nn.Module, shape: tuple[int, ...], folder: Path) -> Path:
    """Write a whole model of Keras with the layers of a network for inputs of ``shape``, channels last."""
    maps: list[torch.Size] = []
    flatten = next(module for module in net.modules() if isinstance(module, nn.Flatten))
    flatten.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0].shape[1:]))
    *axes, channels = shape  # the channels of the 3-D network are its frames
    randomised(net, 1)(torch.zeros(1, *([channels] if len(axes) == 2 else []), *axes))
    return save(folder / "net.h5", layers_of(net, (*maps[0][1:], maps[0][0])), shape)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
def test_every_command_takes_every_kind_of_weight_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"input_file={SAMPLES[kind]}", f"weight_file={weights(kind, tmp_path)}", "GPUID=cpu"]
    words += ["charge_mean=10.0", "charge_std=2.0"] if kind == "smartpixel" else []
    words += ["plane=2"] if kind == "mpid" else []
    assert infer.main(words) == 0
    (table,) = (tmp_path / "outputs").glob("*_scores.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == int(SAMPLES[kind].rpartition("=")[2])
    assert {row["status"] for row in rows} == {"scored"}
    assert display.main([*words, "-n", "0", "dpi=30"]) == 0
    assert export.main([word for word in words if not word.startswith("plane")]) == 0
    if kind != "smartpixel":
        assert all(row["label"] for row in rows)
        assert occlude.main([*words, "-n", "0", "stride=100"]) == 0
        assert attribute.main([*words, "-n", "0", 'methods=["saliency"]', "judge=False"]) == 0
