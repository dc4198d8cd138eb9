"""Process with the smart pixel network in QKeras, which answers every line ``step`` or ``predict`` with CPU seconds.

python benchmarks/qkeras_process.py SLICES BATCH      (TensorFlow 2.15, QKeras 0.9)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np
import tensorflow as tf
from qkeras import QActivation, QConv2D, QDense, QSeparableConv2D, quantized_bits
from tensorflow.keras import layers, models


def network(slices: int) -> tf.keras.Model:
    """Return the network for frames (13, 21, slices)."""

    def bits(count: int, symmetric: int = 0) -> quantized_bits:
        return quantized_bits(count, 0, symmetric, alpha=1)

    low = {"kernel_quantizer": bits(4), "bias_quantizer": bits(4)}
    high = {"kernel_quantizer": bits(8), "bias_quantizer": bits(8)}
    separable = QSeparableConv2D(
        5, 3, depthwise_quantizer=bits(4, 1), pointwise_quantizer=bits(4, 1), bias_quantizer=bits(4)
    )
    return models.Sequential([
        layers.Input((13, 21, slices)), separable, QActivation("quantized_tanh(4, 0, 1)"),
        QConv2D(5, 1, **low), QActivation("quantized_tanh(4, 0, 1)"),
        layers.AveragePooling2D(3), QActivation(bits(8)), layers.Flatten(),
        QDense(16, **high), QActivation("quantized_tanh(8, 0, 1)"),
        QDense(16, **high), QActivation("quantized_tanh(8, 0, 1)"), QDense(14, **high),
    ])  # fmt: skip


def calls(slices: int, batch: int) -> dict[str, Callable[[], object]]:
    """Return the forward and backward pass of one batch, and the prediction of one."""
    net, random = network(slices), np.random.default_rng(1)
    charged = random.random((batch, 13, 21, slices)) < 1 / 8
    frames = (random.integers(-8, 8, charged.shape) / 8 * charged).astype(np.float32)
    weight = tf.constant(random.normal(size=(batch, 14)), tf.float32)
    inputs = tf.constant(frames)

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(net(inputs, training=True) * weight)
        gradients: list[tf.Tensor] = tape.gradient(loss, net.trainable_variables)
        return gradients

    return {"step": step, "predict": lambda: net.predict(frames, batch_size=batch, verbose=0)}


def main() -> None:
    """Answer lines until the input ends."""
    chosen = calls(*map(int, sys.argv[1:]))
    for call in chosen.values():
        call()
    for line in sys.stdin:
        start = time.process_time()
        chosen[line.strip()]()
        sys.stdout.write(f"{time.process_time() - start}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
