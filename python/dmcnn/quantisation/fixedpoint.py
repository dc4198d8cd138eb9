"""Fixed-point arithmetic of a quantised pixel network on a CPU: the numbers of the chip, faster than float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dmcnn import _core
from dmcnn._common.errors import InputError
from dmcnn._common.threads import threads
from dmcnn.images.sparse import SparseImages

CONVOLUTIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "depthwise": ("depthwise.weight", (1,)),
    "pointwise": ("pointwise.weight", (2, 3)),
    "bias": ("pointwise.bias", ()),
    "conv": ("conv.weight", (2, 3)),
    "conv_bias": ("conv.bias", ()),
}
"""Argument of the core -> parameter of the network, and its axes of length 1, which are removed."""

DENSE = {"dense_1": "act_3", "dense_2": "act_4", "output": None}
"""Dense layer -> its activation, in order."""

ROUNDING_STEPS = {"act_1_bits": "act_1", "act_2_bits": "act_2", "pool_bits": "pool_quantiser"}
"""Other argument of the core -> the step whose number of bits it is."""

PARAMETERS = (
    *(name for name, _ in CONVOLUTIONS.values()),
    *(f"{layer}.{kind}" for layer in DENSE for kind in ("weight", "bias")),
)
"""Names of the parameters of a network."""

STEPS = ("input", *ROUNDING_STEPS.values(), "act_3", "act_4")
"""Steps of a network whose results are rounded."""


class Codes(NamedTuple):
    """Weight or bias as int8 integers in units of 2^(1 - bits)."""

    integers: NDArray[np.int8]
    bits: int


class FixedPoint:
    """Network ``smartpixel`` in fixed-point arithmetic; outputs equal those of QKeras and of torch bit for bit.

    Pixels are rounded to ``bits["input"]`` bits, half to even, as in training. A frame with a NaN among the pixels
    that reach the outputs has NaN outputs; infinite pixels have the largest charge. Windows, slices, filters,
    kernels, pools and layer sizes may be any within the limits of ``_core.Network``.

    Args:
        layers: integers and bits (2 to 8) of every parameter, by its name (see ``PARAMETERS``), in the shapes of
            torch: (C, 1, k, k), (F, C, 1, 1), (F,), (F, F, 1, 1), (out, in). Inputs of dense_1 are (maps, rows,
            columns).
        shape: (C, H, W) of a frame: time slices, rows (y), columns (x).
        pool: side of the pooling window [pixels].
        bits: bits (2 to 12) of the result of every step (see ``STEPS``).

    Raises:
        InputError: a missing parameter or step, or values that the core does not accept.
    """

    def __init__(
        self,
        layers: Mapping[str, Codes],
        *,
        shape: tuple[int, int, int],
        pool: int,
        bits: Mapping[str, int],
    ) -> None:
        for values, names in ((layers, PARAMETERS), (bits, STEPS)):
            missing = [name for name in names if name not in values]
            if missing:
                raise InputError(f"no values for {', '.join(missing)}; expected {', '.join(names)}")
        self.shape = shape
        core: dict[str, Any] = {word: _tensor(layers, *source) for word, source in CONVOLUTIONS.items()}
        core |= {word: bits[step] for word, step in ROUNDING_STEPS.items()}
        dense = [
            (
                _tensor(layers, f"{layer}.weight"),
                _tensor(layers, f"{layer}.bias"),
                bits[after] if after else 0,
            )
            for layer, after in DENSE.items()
        ]
        try:
            self._net = _core.Network(shape, pool, dense=dense, input_bits=bits["input"], **core)
        except ValueError as error:
            raise InputError(str(error)) from None

    @classmethod
    def from_network(
        cls, net: nn.Module, shape: tuple[int, int, int], *, input_bits: int | None
    ) -> FixedPoint:
        """Convert a ``smartpixel`` network to fixed-point arithmetic.

        Args:
            net: network with quantisers for every weight, bias and activation (bits_1 and bits_2 not 0).
            shape: (C, H, W) of the frames.
            input_bits: bits to which the pixels are rounded: ``charge_bits`` of the training, which the card knows
                (``card.reading.get("charge_bits")``).

        Raises:
            InputError: pixels, a parameter or step that are not rounded or have too many bits, or another shape of
                frames.
        """
        if input_bits is None:
            raise InputError("the network takes pixels that are not rounded (no charge_bits)")
        layers = {name: _codes(net, name) for name in PARAMETERS}
        bits = {step: _bits(net.get_submodule(step), step) for step in STEPS if step != "input"}
        pool: Any = net.get_submodule("pool")
        return cls(layers, shape=shape, pool=int(pool.kernel_size), bits={"input": input_bits, **bits})

    def __call__(
        self, images: SparseImages | NDArray[np.float32], *, n_threads: int | None = None
    ) -> NDArray[np.float32]:
        """Compute the (n, m) float32 outputs of frames.

        Args:
            images: n frames of standardised charge, sparse or as (n, C, H, W) float32.
            n_threads: number of threads; None takes $DMCNN_NUM_THREADS, or all cores. Outputs do not depend on it.

        Raises:
            InputError: frames of another shape or dtype.
        """
        shape = images.shape if isinstance(images, SparseImages) else images.shape[1:]
        if tuple(shape) != tuple(self.shape):
            raise InputError(f"frames of shape {tuple(shape)}, expected {tuple(self.shape)}")
        workers = threads(n_threads)
        if isinstance(images, SparseImages):
            return self._net.predict(
                images.offsets, images.index, images.value, self.shape, n_threads=workers
            )
        if images.dtype != np.float32:
            raise InputError(f"frames of {images.dtype}, expected float32")
        return self._net.predict_dense(np.ascontiguousarray(images), n_threads=workers)


def _tensor(
    layers: Mapping[str, Codes], name: str, ones: tuple[int, ...] = ()
) -> tuple[NDArray[np.int8], int]:
    """Return integers and bits of a parameter for the core, without the axes ``ones`` of length 1."""
    integers, bits = layers[name]
    if integers.dtype != np.int8:
        raise InputError(f"{name} is {integers.dtype}, expected int8")
    if ones and (integers.ndim != 4 or any(integers.shape[axis] != 1 for axis in ones)):
        raise InputError(f"{name} has shape {integers.shape}, expected 4 axes, {ones} of length 1")
    return np.ascontiguousarray(integers.squeeze(ones)), bits


def _codes(net: nn.Module, name: str) -> Codes:
    """Return a parameter of a network as integers."""
    path, _, kind = name.rpartition(".")
    layer = net.get_submodule(path)
    quantiser: Any = getattr(layer, f"{kind}_quantiser", None)
    bits = _bits(quantiser, name)
    if bits > 8:
        raise InputError(f"{name} has {bits} bits, expected at most 8")
    return Codes(quantiser.codes(getattr(layer, kind)).cpu().numpy().astype(np.int8), bits)


def _bits(quantiser: object, name: str) -> int:
    """Return the bits of a quantiser; InputError if there is none."""
    bits = getattr(quantiser, "bits", None)
    if not isinstance(bits, int):
        raise InputError(f"{name} is not rounded to a number of bits, as fixed-point arithmetic needs")
    return bits
