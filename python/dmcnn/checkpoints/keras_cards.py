"""Cards of networks trained in Keras, from the shapes and the ``model_config`` in their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.checkpoints import keras_layers
from dmcnn.checkpoints.card import Card, Own
from dmcnn.checkpoints.keras_file import KerasWeights, read_weights
from dmcnn.detectors import calorimeter, lariat, smartpixel
from dmcnn.metrics.gaussian import FULL


def load_keras(path: Path, own: Own) -> tuple[nn.Module, Card]:
    """Return the network of a file of Keras in evaluation mode on the CPU, and its card.

    Args:
        path: path of the file.
        own: user's own model: files of Keras name none.

    Raises:
        InputError: the weights are those of no network of dmcnn.
    """
    weights, where = read_weights(path), str(path)
    with _config_errors(where):
        card = keras_card(weights, where)
    with torch.device("meta"):  # a damaged file may ask for more memory than there is
        net = card.build()
    keras_layers.fill(net, weights.layers, where)
    if weights.config is not None:
        with _config_errors(where):
            keras_layers.check_steps(net, weights.config, where)
    return net.eval(), card


@contextmanager
def _config_errors(where: str) -> Iterator[None]:
    """Raise InputError for any missing or malformed field of a ``model_config``, which is untrusted JSON."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{where}: its model_config describes no chain of layers ({error!r:.160})") from None


def keras_card(weights: KerasWeights, where: str) -> Card:
    """Return the card of the network of a file of Keras, from shapes and ``model_config``.

    A separable convolution belongs to SmartPixel, other kernels over two axes to LArIAT, kernels over three axes to
    CNN3D. Only the ``model_config`` has the size of the input: without it the default size of the network is taken.

    Raises:
        InputError: the weights are those of no network of dmcnn.
    """
    if any("depthwise_kernel" in layer for layer in weights.layers.values()):
        return _smartpixel(weights, where)
    kernels = [layer["kernel"].shape for layer in weights.layers.values() if "kernel" in layer]
    axes = len(kernels[0]) - 2 if kernels else 0
    if axes not in (2, 3):
        names = ", ".join(repr(name) for name, layer in weights.layers.items() if layer) or "none"
        raise InputError(
            f"{where}: not the weights of a convolutional network that dmcnn has: layers with weights are {names}"
        )
    return _lariat(weights, kernels) if axes == 2 else _cnn3d(weights, kernels)


def _lariat(weights: KerasWeights, kernels: list[tuple[int, ...]]) -> Card:
    """Return the card of a LArIAT network."""
    arguments = {"num_class": kernels[-1][-1], "channels": kernels[0][-2]}
    arguments |= {"height": lariat.WIRES, "width": lariat.BINS}
    if weights.config is not None:
        arguments["height"], arguments["width"], arguments["channels"] = _input_size(weights.config)
    files = {"reading": {"xdim": arguments["width"], "ydim": arguments["height"]}, "label": "prefix"}
    return _card("lariat", arguments, weights, lariat.CLASSES, scaling="minmax", **files)


def _cnn3d(weights: KerasWeights, kernels: list[tuple[int, ...]]) -> Card:
    """Return the card of a CNN3D network."""
    first, second, *dense = kernels
    arguments: dict[str, Any] = {"channels": 21, "height": 32, "width": 32, "num_class": dense[-1][-1]}
    arguments |= {
        "filters_1": first[-1],
        "kernel_1": first[0],
        "filters_2": second[-1],
        "kernel_2": second[0],
    }
    arguments |= {"dense_1": dense[0][-1], "dense_2": dense[1][-1]}
    if weights.config is not None:
        arguments["channels"], arguments["height"], arguments["width"] = _input_size(weights.config)
        arguments["activation"] = _activation(weights.config)
    return _card("cnn3d", arguments, weights, calorimeter.CLASSES, reading={}, label="y")


def _smartpixel(weights: KerasWeights, where: str) -> Card:
    """Return the card of a SmartPixel network of QKeras, trained on charges of 4 bits."""
    if weights.config is not None:
        raise InputError(f"{where}: found a whole model of QKeras, expected its weights alone (save_weights)")
    shapes = [
        {key: value.shape for key, value in layer.items()} for layer in weights.layers.values() if layer
    ]
    axes = [len(shape) for layer in shapes for shape in layer.values()]
    if axes != [4, 4, 1, 4, 1, 2, 1, 2, 1, 2, 1] or "pointwise_kernel" not in shapes[0]:
        raise InputError(
            f"{where}: expected a separable and a 1x1 convolution and three dense layers, found weights of "
            f"{', '.join(map(repr, (name for name, layer in weights.layers.items() if layer)))}"
        )
    first, _, *dense = shapes
    kernel, _, channels, _ = first["depthwise_kernel"]
    filters, outputs = first["pointwise_kernel"][-1], dense[-1]["kernel"][-1]
    height, width, pool = _window(kernel, filters, dense[0]["kernel"][0], where)
    arguments = {"num_class": outputs, "channels": channels, "height": height, "width": width}
    arguments |= {"filters_1": filters, "kernel_1": kernel, "pool": pool}
    arguments |= {f"dense_{i}": layer["kernel"][-1] for i, layer in enumerate(dense[:-1], start=1)}
    targets = _targets(outputs, where)
    slices = [0, 19] if channels == 2 else list(range(channels))
    return Card(
        model="smartpixel",
        arguments=arguments,
        classes=[],
        signal=None,
        activation="none",
        reading={"slices": slices, "charge": "standardised", "charge_bits": 4},
        targets=[*targets],
        target_scales=[*targets.values()],
        diagonal="relu",
        label="",
        loss="clipped_nll",
        environment={"keras": weights.version},
    )


def _window(kernel: int, filters: int, inputs: int, where: str) -> tuple[int, int, int]:
    """Return rows and columns of the frames and the side of the pooling that leave ``inputs`` to the dense layers."""
    for height, width in smartpixel.WINDOWS:
        rows, columns = height - kernel + 1, width - kernel + 1
        for pool in range(1, min(rows, columns) + 1):
            if filters * (rows // pool) * (columns // pool) == inputs:
                return height, width, pool
    listed = " or ".join(f"{height} x {width}" for height, width in smartpixel.WINDOWS)
    raise InputError(
        f"{where}: no pooling of frames of {listed} pixels leaves {inputs} inputs of the dense layers"
    )


def _targets(outputs: int, where: str) -> dict[str, float]:
    """Return {target: scale} of a network with ``outputs``: k means and k (k + 1)/2 numbers of their covariance."""
    try:
        count = FULL.targets(outputs)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    known = smartpixel.TARGETS
    return known if count == len(known) else {f"target{i}": 1.0 for i in range(count)}


def _card(
    model: str, arguments: dict[str, Any], weights: KerasWeights, classes: Sequence[str], **more: Any
) -> Card:
    """Return the card of a classification network."""
    count = arguments["num_class"]
    names = classes if count == len(classes) else [f"class{number}" for number in range(count)]
    output = keras_layers.output_of(weights.config) if weights.config is not None else "softmax"
    return Card(
        model=model,
        arguments=arguments,
        classes=list(names),
        signal="electron" if names is calorimeter.CLASSES else None,
        activation="sigmoid" if output == "sigmoid" else "softmax",
        loss="cross_entropy",
        environment={"keras": weights.version},
        **more,
    )


def _input_size(config: dict[str, Any]) -> tuple[int, int, int]:
    """Return the three axes of the input, without the batch and without the last axis of 1 that a Reshape adds."""
    kind, first = keras_layers.layers_of(config)[0]
    shape = first.get("batch_input_shape") or first["batch_shape"]
    sizes = [int(size) for size in shape[1:]]
    if kind == "Reshape":
        sizes = [int(size) for size in first["target_shape"]]
    if len(sizes) == 4 and sizes[-1] == 1:
        sizes.pop()
    a, b, c = sizes
    return a, b, c


def _activation(config: dict[str, Any]) -> str:
    """Return the activation of the convolutions."""
    return next(
        str(layer["activation"]) for kind, layer in keras_layers.layers_of(config) if kind == "Conv3D"
    )
