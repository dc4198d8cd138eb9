"""Evaluation of exported networks without dmcnn and torch: JSON in integers, QONNX in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def half_even(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """Divide integers and round the quotient, half to even."""
    low, rest = np.divmod(numerator, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (low % 2 == 1))
    return low + up


def windows(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Return the (n, C, H', W', rows, columns) windows of (n, C, H, W) maps."""
    return np.lib.stride_tricks.sliding_window_view(values, (rows, columns), axis=(2, 3))


def beside(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Return the adjacent windows as (n, C, H', W', rows * columns)."""
    found = windows(values, rows, columns)[:, :, ::rows, ::columns]
    return found.reshape(*found.shape[:4], rows * columns)


def convolved(
    values: NDArray[Any], kernel: NDArray[Any], groups: int, stride: Any, padding: Any, dilation: Any
) -> NDArray[Any]:
    """Convolve (n, in, H, W) maps with a kernel (out, in / groups, rows, columns) to (n, out, H', W')."""
    values = np.pad(values, [(0, 0), (0, 0), *((side, side) for side in padding)])
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel.shape[2:], strict=True)]
    parts = []
    for part, own in zip(np.split(values, groups, axis=1), np.split(kernel, groups), strict=True):
        seen = windows(part, *reach)[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
        parts.append(np.einsum("nchwij,ocij->nohw", seen, own))
    return np.concatenate(parts, axis=1)


def integers(content: Mapping[str, Any], pixels: NDArray[np.int64], one: int) -> NDArray[np.float64]:
    """Compute the outputs of the JSON for (n, C, H, W) pixels in units of 1 / ``one``, in exact arithmetic."""
    known, before = {"images": (pixels, one)}, "images"
    for layer in content["layers"]:
        kind, inputs = layer["kind"], [known[name] for name in layer.get("inputs", [before])]
        values, one = inputs[0]
        if kind in ("convolution", "dense"):
            weight = np.array(layer["weight"]["integers"], np.int64)
            assert list(weight.shape) == layer["weight"]["shape"]
            assert layer["weight"]["low"] <= weight.min() <= weight.max() <= layer["weight"]["high"]
            one *= round(1 / layer["weight"]["step"])
            if kind == "dense":
                values = values @ weight.T
            else:
                how = (("stride", [1, 1]), ("padding", [0, 0]), ("dilation", [1, 1]))
                values = convolved(values, weight, layer["groups"], *(layer.get(*one) for one in how))
            if "bias" in layer:
                bias = np.array(layer["bias"]["integers"], np.int64) * round(one * layer["bias"]["step"])
                values = values + bias.reshape(-1, *[1] * (values.ndim - 2))
        elif kind in ("tanh", "round"):
            steps = round(1 / layer["step"])
            assert steps == 2 ** (layer["bits"] - 1)
            values = np.clip(half_even(values * steps, one), layer["low"], layer["high"])
            one = steps
        elif kind in ("average", "maximum"):
            size = layer["size"] if isinstance(layer["size"], list) else [layer["size"]] * 2
            seen = beside(values, *size)
            values = seen.sum(axis=4) if kind == "average" else seen.max(axis=4)
            one *= size[0] * size[1] if kind == "average" else 1
        elif kind == "add":
            assert inputs[1][1] == one
            values = values + inputs[1][0]
        elif kind == "relu":
            values = values.clip(0)
        elif kind == "flatten":
            values = values.reshape(len(values), -1)
        else:
            assert kind == "identity"
        before = layer["name"]
        known[before] = values, one
    return values / one


def qonnx(model: Any, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the outputs of a QONNX file for (n, C, H, W) images."""
    import onnx

    known: dict[str, Any] = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    known[model.graph.input[0].name] = images.astype(np.float64)
    for node in model.graph.node:
        how = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        known[node.output[0]] = operate(node.op_type, how, *(known[name] for name in node.input))
    found: NDArray[np.float64] = known[model.graph.output[0].name]
    return found


def operate(kind: str, how: Mapping[str, Any], *inputs: NDArray[Any]) -> NDArray[Any]:
    """Evaluate one operator by the definitions of ONNX and QONNX."""
    x, *rest = inputs
    if kind == "Quant":
        scale, zero, bits = rest
        assert (how["signed"], how["rounding_mode"], float(zero)) == (1, b"ROUND", 0.0)
        high = 2.0 ** (bits - 1) - 1
        return np.rint(np.clip(x / scale, -high if how["narrow"] else -high - 1, high)) * scale
    if kind == "Conv":
        assert how["pads"][:2] == how["pads"][2:]
        found = convolved(x, rest[0], how["group"], how["strides"], how["pads"][:2], how["dilations"])
        return found if len(rest) == 1 else found + rest[1].reshape(-1, 1, 1)
    if kind == "Gemm":
        assert how["transB"] == 1
        return x @ rest[0].T + rest[1]
    if kind in ("AveragePool", "MaxPool"):
        assert how["strides"] == how["kernel_shape"]
        seen = beside(x, *how["kernel_shape"])
        return seen.mean(axis=4) if kind == "AveragePool" else seen.max(axis=4)
    if kind == "Relu":
        return x.clip(0)
    if kind == "Add":
        return x + rest[0]
    if kind == "Identity":
        return x
    assert kind == "Flatten"
    return x.reshape(len(x), -1)
