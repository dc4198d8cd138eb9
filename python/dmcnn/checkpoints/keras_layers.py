"""Weights of Keras in the order of torch, and a check that both compute the same; TensorFlow is not needed."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn.layers import trace

Layers = Mapping[str, Mapping[str, NDArray[np.float32]]]
"""{layer: {kernel, bias, gamma, …: array}}, in the order in which the layers are applied."""

DENSE = {"weight": "kernel", "bias": "bias"}
"""Tensor in torch -> weight in Keras of a convolution or dense layer."""

NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
WEIGHTS: dict[type[nn.Module], dict[str, str]] = {
    nn.Conv2d: DENSE, nn.Conv3d: DENSE, nn.Linear: DENSE, nn.BatchNorm2d: NORM, nn.BatchNorm3d: NORM,
}  # fmt: skip
"""Kind of module -> {tensor in torch: weight in Keras}; a module may lack some of them, such as a bias."""

OUTPUT_ACTIVATIONS = ("softmax", "sigmoid", "linear")
"""Activations of the last layer, which a task applies to the outputs of the network."""

WITHOUT_EFFECT = ("InputLayer", "Reshape", "Dropout", "SpatialDropout2D", "SpatialDropout3D")
"""Layers that change no value in evaluation mode."""


def fill(net: nn.Module, layers: Layers, where: str, *, is_in_order: bool = True) -> None:
    """Copy weights of Keras into a chain of torch layers in order.

    Kernels of convolutions are (…, in, out) in Keras and (out, in, …) in torch. Keras flattens maps as (rows,
    columns, maps) and torch as (maps, rows, columns), so that the inputs of the first dense layer are permuted. A
    separable convolution of Keras is two layers in torch.

    Args:
        net: network, perhaps on the meta device: shapes are checked before memory is allocated.
        layers: layers of Keras; those without weights are ignored.
        where: path of the file, for errors.
        is_in_order: whether the layers are in the order in which they are applied; else in order within their kind.

    Raises:
        InputError: the first layer that does not fit: too many or too few, another shape, missing or not finite.
    """
    sources = [(name, weights) for name, weights in _split_separable(layers) if weights]
    modules = [(name, module) for name, module in net.named_modules() if _tensors(module)]
    kind = type(net).__name__
    if len(sources) != len(modules):
        names = ", ".join(repr(name) for name, _ in sources)
        raise InputError(
            f"{where}: {len(sources)} layers with weights ({names}), {kind} has {len(modules)} such layers"
        )
    if not is_in_order:
        sources = _in_order(sources, [module for _, module in modules])
    state = {name: torch.zeros((), dtype=torch.int64) for name in net.state_dict() if "num_batches" in name}
    maps = 1
    for (layer, weights), (name, module) in zip(sources, modules, strict=True):
        for tensor, weight in _tensors(module).items():
            shape = tuple(getattr(module, tensor).shape)
            value = _weight(weights, weight, _keras_shape(shape), f"{where}: layer {layer!r}", kind)
            state[f"{name}.{tensor}"] = torch.from_numpy(_to_torch(value, maps))
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            maps = module.out_channels
        elif isinstance(module, nn.Linear):
            maps = 1
    net.load_state_dict(state, assign=True)


def _in_order(
    sources: Sequence[tuple[str, Mapping[str, NDArray[np.float32]]]], modules: Sequence[nn.Module]
) -> list[tuple[str, Mapping[str, NDArray[np.float32]]]]:
    """Return the layers in the order of the modules, each the next of its kind; as they are if kinds do not fit."""
    kinds: defaultdict[int, deque[tuple[str, Mapping[str, NDArray[np.float32]]]]] = defaultdict(deque)
    for name, weights in sources:
        kinds[weights["kernel"].ndim if "kernel" in weights else 1].append((name, weights))
    try:
        return [kinds[next(module.parameters()).ndim].popleft() for module in modules]
    except IndexError:
        return list(sources)


def _split_separable(layers: Layers) -> Iterator[tuple[str, Mapping[str, NDArray[np.float32]]]]:
    """Yield (name, weights) of every layer; for a separable convolution first the depthwise, then the pointwise one.

    The (rows, columns, in, copies) of a depthwise kernel in Keras become (rows, columns, 1, in x copies).
    """
    for name, weights in layers.items():
        each, mix = weights.get("depthwise_kernel"), weights.get("pointwise_kernel")
        if each is None or mix is None:
            yield name, weights
            continue
        shape = *each.shape[:-2], 1, math.prod(each.shape[-2:])
        yield f"{name}/depthwise", {"kernel": each.reshape(shape)}
        rest = {key: value for key, value in weights.items() if value is not each and value is not mix}
        yield f"{name}/pointwise", {"kernel": mix, **rest}


def _tensors(module: nn.Module) -> dict[str, str]:
    """Return {tensor in torch: weight in Keras} of one module."""
    names = next((names for kind, names in WEIGHTS.items() if isinstance(module, kind)), {})
    return {tensor: name for tensor, name in names.items() if getattr(module, tensor) is not None}


def _keras_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in Keras of a tensor of ``shape`` in torch."""
    return (*shape[2:], *shape[1::-1]) if len(shape) > 1 else shape


def _to_torch(value: NDArray[np.float32], maps: int) -> NDArray[np.float32]:
    """Return a weight in the axis order of torch.

    Args:
        value: weight of Keras.
        maps: number of maps that were flattened before a dense layer, else 1.
    """
    if value.ndim == 2:
        value = value.reshape(-1, maps, value.shape[1]).transpose(2, 1, 0).reshape(value.shape[1], -1)
    elif value.ndim > 2:
        value = np.moveaxis(value, (-1, -2), (0, 1))
    return np.ascontiguousarray(value)


def _weight(
    weights: Mapping[str, NDArray[np.float32]], name: str, shape: tuple[int, ...], where: str, net: str
) -> NDArray[np.float32]:
    """Return a weight of Keras after checking its shape and values.

    Raises:
        InputError: it is missing, has another shape, or is not finite.
    """
    if name not in weights:
        raise InputError(
            f"{where} has no {name} but {', '.join(map(repr, weights))}; {net} expects shape {shape}"
        )
    value = weights[name]
    if value.shape != shape:
        raise InputError(f"{where}: {name} has shape {value.shape}, {net} expects {shape}")
    if not np.isfinite(value).all():
        raise InputError(f"{where}: {name} holds NaN or Inf")
    return value


def check_steps(net: nn.Module, config: Mapping[str, Any], where: str) -> None:
    """Check that a network computes the same steps as the layers of Keras.

    Weights of the same shapes fit networks with other padding, pooling, order or activation, which only the
    ``model_config`` gives.

    Raises:
        InputError: the first step that differs.
        KeyError, TypeError, …: the ``model_config`` does not describe a chain of layers.
    """
    keras_steps = [*_keras_steps(config)]
    if keras_steps and keras_steps[-1][1] in OUTPUT_ACTIVATIONS:
        keras_steps.pop()
    pairs = zip([*keras_steps, ("output", "the end")], [*_torch_steps(net), "the end"], strict=False)
    for (layer, step), own in pairs:
        if step != own:
            raise InputError(
                f"{where}: layer {layer!r}: found {step!r}, {type(net).__name__} expects {own!r}"
            )


def layers_of(config: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (kind, arguments) of every layer that a ``model_config`` describes, in order."""
    return [(layer["class_name"], layer["config"]) for layer in config["config"]["layers"]]


def output_of(config: Mapping[str, Any]) -> str:
    """Return the activation of the last layer."""
    return str(layers_of(config)[-1][1].get("activation", "linear"))


def _keras_steps(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (layer, step in words) of every layer that changes values, with its activation as a second step."""
    for kind, layer in layers_of(config):
        if kind in WITHOUT_EFFECT:
            continue
        name, activation = layer["name"], layer.get("activation", "linear")
        if layer.get("data_format", "channels_last") != "channels_last":
            yield name, f"{kind} of {layer['data_format']}"
        elif kind in ("Conv2D", "Conv3D"):
            yield name, _convolution(kind, layer["strides"], layer["padding"], layer["dilation_rate"])
        elif kind == "BatchNormalization":
            yield name, f"{kind} of epsilon {layer['epsilon']:g}"
        elif kind in ("MaxPooling2D", "MaxPooling3D"):
            yield name, _pooling(kind, layer["pool_size"], layer["strides"], layer["padding"])
        elif kind in ("ReLU", "ELU", "Softmax"):
            yield name, kind.lower()
        elif kind != "Activation":
            yield name, kind
        if activation != "linear":
            yield name, str(activation)


def _torch_steps(net: nn.Module) -> Iterator[str]:
    """Yield the steps of a network of torch in the words of ``_keras_steps``."""
    for layer in trace(net):
        step = TORCH_STEPS.get(type(layer.module))
        if step is not None:
            yield step(layer.module)


def _convolution(kind: str, strides: Any, padding: str, dilation: Any) -> str:
    """Return a convolution in words."""
    return f"{kind} at stride {tuple(strides)}, padding {padding}, dilation {tuple(dilation)}"


def _pooling(kind: str, size: Any, strides: Any, padding: str) -> str:
    """Return a pooling in words."""
    return f"{kind} of {tuple(size)} at stride {tuple(strides)}, padding {padding}"


def _torch_convolution(module: Any) -> str:
    """Return a convolution of torch in words."""
    padding = module.padding if isinstance(module.padding, str) else "valid"
    kind = f"Conv{len(module.stride)}D"
    return _convolution(kind, module.stride, padding, module.dilation)


def _torch_pooling(module: Any) -> str:
    """Return a pooling of torch in words."""
    axes = 3 if isinstance(module, nn.MaxPool3d) else 2
    size = (module.kernel_size,) * axes
    return _pooling(f"MaxPooling{axes}D", size, size, "valid")


TORCH_STEPS: dict[type[nn.Module], Callable[[Any], str]] = {  # kind of module -> its step in words
    nn.Conv2d: _torch_convolution,
    nn.Conv3d: _torch_convolution,
    nn.BatchNorm2d: lambda module: f"BatchNormalization of epsilon {module.eps:g}",
    nn.BatchNorm3d: lambda module: f"BatchNormalization of epsilon {module.eps:g}",
    nn.MaxPool2d: _torch_pooling,
    nn.MaxPool3d: _torch_pooling,
    nn.Flatten: lambda _: "Flatten",
    nn.Linear: lambda _: "Dense",
    nn.ReLU: lambda _: "relu",
    nn.ELU: lambda _: "elu",
}
