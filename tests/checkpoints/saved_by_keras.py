"""Files in the format of Keras 2, written from a network of torch with the inverse conversion."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import nn

BATCH_NORM = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")


def layers_of(net: nn.Module, maps: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return description and weights in Keras of a chain of torch layers; ``maps`` is (…, C) of the last maps."""
    layers: list[dict[str, Any]] = []
    flat = True
    for module in net.modules():
        name = f"layer_{len(layers)}"
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            kernel = np.moveaxis(module.weight.detach().numpy(), (0, 1), (-1, -2))
            config = {
                "strides": module.stride,
                "padding": module.padding if isinstance(module.padding, str) else "valid",
                "dilation_rate": module.dilation,
                "data_format": "channels_last",
            }
            layers.append(layer(f"Conv{len(module.stride)}D", name, config, kernel=kernel, bias=module.bias))
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            values = (module.weight, module.bias, module.running_mean, module.running_var)
            weights = {key.split(":")[0]: value for key, value in zip(BATCH_NORM, values, strict=True)}
            layers.append(layer("BatchNormalization", name, {"epsilon": module.eps}, **weights))
        elif isinstance(module, nn.MaxPool2d | nn.MaxPool3d):
            size = (2,) * (len(maps) - 1)
            config = {"pool_size": size, "strides": size, "padding": "valid"}
            layers.append(layer(f"MaxPooling{len(size)}D", name, config))
        elif isinstance(module, nn.Linear):
            columns = module.weight.detach().numpy()
            if flat:  # the inputs of the first one, from (C, …) to (…, C)
                columns = np.moveaxis(columns.reshape(len(columns), maps[-1], *maps[:-1]), 1, -1)
                flat = False
            kernel = columns.reshape(len(columns), -1).T
            layers.append(layer("Dense", name, {}, kernel=kernel, bias=module.bias))
        elif isinstance(module, nn.ReLU | nn.ELU):
            target = next(one for one in reversed(layers) if one["class_name"].startswith(("Conv", "Dense")))
            target["config"]["activation"] = type(module).__name__.lower()
        elif isinstance(module, nn.Flatten | nn.Dropout):
            layers.append(layer(type(module).__name__, name, {"rate": 0.1}))
    layers[-1]["config"]["activation"] = "softmax"
    return layers


def layer(kind: str, name: str, config: dict[str, Any], **weights: Any) -> dict[str, Any]:
    arrays = {
        key: value if isinstance(value, np.ndarray) else value.detach().numpy()
        for key, value in weights.items()
    }
    return {
        "class_name": kind,
        "config": {"name": name, "activation": "linear", **config},
        "weights": arrays,
    }


def save(path: Path, layers: list[dict[str, Any]], shape: tuple[int, ...] | None) -> Path:
    """Write a model file for inputs of ``shape``, or a file of weights alone if it is None."""
    with h5py.File(path, "w") as file:
        root = file if shape is None else file.create_group("model_weights")
        if shape is not None:
            first = {
                "class_name": "InputLayer",
                "config": {"name": "in", "batch_input_shape": [None, *shape]},
            }
            shown = [first] + [{key: one[key] for key in ("class_name", "config")} for one in layers]
            config = {"class_name": "Sequential", "config": {"name": "s", "layers": shown}}
            file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = root.attrs["keras_version"] = "2.15.0"
        root.attrs["layer_names"] = [one["config"]["name"] for one in layers]
        for one in layers:
            name, weights = one["config"]["name"], one["weights"]
            group = root.create_group(name)
            names = [f"{name}/{key}:0" for key in weights]
            group.attrs["weight_names"] = names or np.zeros(0)
            for key, value in zip(names, weights.values(), strict=True):
                group[key] = np.asarray(value, np.float32)
    return path


def save3(path: Path, layers: list[dict[str, Any]], shape: tuple[int, ...] | None) -> Path:
    """Write a ``.keras`` file as Keras 3.15 does, or a ``.weights.h5`` if the shape is None."""
    content = io.BytesIO()
    counts: Counter[str] = Counter()
    with h5py.File(content, "w") as file:
        for one in layers:
            kind = re.sub("(?<=[a-z])(?=[A-Z])", "_", one["class_name"]).lower()
            number = counts[kind]
            counts[kind] += 1
            group = file.create_group(f"layers/{kind}{f'_{number}' if number else ''}/vars")
            group.attrs["name"] = one["config"]["name"]
            for place, value in enumerate(one["weights"].values()):
                group[str(place)] = np.asarray(value, np.float32)
    if shape is None:
        path.write_bytes(content.getvalue())
        return path
    first = {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, *shape]}}
    config = [first] + [{key: one[key] for key in ("class_name", "config")} for one in layers]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr(
            "config.json", json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": config}})
        )
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def randomised(net: nn.Module, seed: int) -> nn.Module:
    """Draw all numbers of a network anew, including those that begin at 0 or 1; set it to evaluation mode."""
    random = np.random.default_rng(seed)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            values: NDArray[np.float64] = random.uniform(0.5, 1.5, tensor.shape)
            if tensor.ndim > 1:
                values = (values - 1) * 4 / np.sqrt(tensor[0].numel())
            tensor.copy_(tensor.new_tensor(values))
    return net.eval()
