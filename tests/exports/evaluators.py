"""Exported networks run without dmcnn and torch: JSON in whole numbers, QONNX in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def half_even(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """A quotient of whole numbers, rounded; in the middle to the even one."""
    low, rest = np.divmod(numerator, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (low % 2 == 1))
    return low + up


def windows(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """(n, C, H', W', rows, columns) of (n, C, H, W)."""
    return np.lib.stride_tricks.sliding_window_view(values, (rows, columns), axis=(2, 3))


def convolved(values: NDArray[Any], kernel: NDArray[Any], groups: int) -> NDArray[Any]:
    """(n, out, H', W') of (n, in, H, W) and a kernel (out, in / groups, rows, columns)."""
    parts = []
    for part, own in zip(np.split(values, groups, axis=1), np.split(kernel, groups), strict=True):
        parts.append(np.einsum("nchwij,ocij->nohw", windows(part, *kernel.shape[2:]), own))
    return np.concatenate(parts, axis=1)


def integers(content: Mapping[str, Any], pixels: NDArray[np.int64], one: int) -> NDArray[np.float64]:
    """Outputs of the JSON for (n, C, H, W) pixels of which ``one`` is 1.0; no rounding but what it says."""
    values = pixels
    for layer in content["layers"]:
        kind = layer["kind"]
        if kind in ("convolution", "dense"):
            weight = np.array(layer["weight"]["integers"], np.int64)
            assert list(weight.shape) == layer["weight"]["shape"]
            assert layer["weight"]["low"] <= weight.min() <= weight.max() <= layer["weight"]["high"]
            one *= round(1 / layer["weight"]["step"])
            values = (
                convolved(values, weight, layer["groups"]) if kind == "convolution" else values @ weight.T
            )
            if "bias" in layer:
                bias = np.array(layer["bias"]["integers"], np.int64) * round(one * layer["bias"]["step"])
                values = values + bias.reshape(-1, *[1] * (values.ndim - 2))
        elif kind in ("tanh", "round"):
            steps = round(1 / layer["step"])
            assert steps == 2 ** (layer["bits"] - 1)
            values = np.clip(half_even(values * steps, one), layer["low"], layer["high"])
            one = steps
        elif kind == "average":
            size = layer["size"]
            values = windows(values, size, size)[:, :, ::size, ::size].sum(axis=(4, 5))
            one *= size * size
        else:
            assert kind == "flatten"
            values = values.reshape(len(values), -1)
    return values / one


def qonnx(model: Any, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Outputs of a QONNX file for (n, C, H, W) images."""
    import onnx

    known: dict[str, Any] = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    known[model.graph.input[0].name] = images.astype(np.float64)
    for node in model.graph.node:
        how = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        known[node.output[0]] = operate(node.op_type, how, *(known[name] for name in node.input))
    found: NDArray[np.float64] = known[model.graph.output[0].name]
    return found


def operate(kind: str, how: Mapping[str, Any], *inputs: NDArray[Any]) -> NDArray[Any]:
    """One operator, as ONNX and QONNX describe it."""
    x, *rest = inputs
    if kind == "Quant":
        scale, zero, bits = rest
        assert (how["signed"], how["rounding_mode"], float(zero)) == (1, b"ROUND", 0.0)
        high = 2.0 ** (bits - 1) - 1
        return np.rint(np.clip(x / scale, -high if how["narrow"] else -high - 1, high)) * scale
    if kind == "Conv":
        found = convolved(x, rest[0], how["group"])
        return found if len(rest) == 1 else found + rest[1].reshape(-1, 1, 1)
    if kind == "Gemm":
        assert how["transB"] == 1
        return x @ rest[0].T + rest[1]
    if kind == "AveragePool":
        rows, columns = how["kernel_shape"]
        assert how["strides"] == [rows, columns]
        return windows(x, rows, columns)[:, :, ::rows, ::columns].mean(axis=(4, 5))
    assert kind == "Flatten"
    return x.reshape(len(x), -1)
