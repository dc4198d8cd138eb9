"""Response of the detector, ionisation to ADC counts: recombination, capture, diffusion, electronics, noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from dmcnn.detectors.lartpc import (
    DRIFT_LENGTH,
    DRIFT_VELOCITY,
    FIELD,
    HALF_HEIGHT,
    TICK,
    TICKS_PER_ROW,
    WIRE_PITCH,
)  # fmt: skip
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import Floats
from dmcnn.simulation.lartpc.detector import Window
from dmcnn.simulation.lartpc.particles import Deposits

LONGITUDINAL_DIFFUSION, TRANSVERSE_DIFFUSION = 3.74e-6, 5.85e-6  # cm²/µs, MicroBooNE and its field


@dataclass(frozen=True)
class Response:
    """Response of detector and electronics to charge.

    Attributes:
        gain: ADC counts per MeV of ionisation that escapes recombination.
        lifetime: lifetime of drifting electrons [µs].
        shaping: Gaussian width of the deconvolved pulse [ticks].
        noise: rms in every pixel [ADC].
        zero_suppression: pixels below are set to 0 [ADC].
    """

    gain: float
    lifetime: float
    shaping: float
    noise: float
    zero_suppression: float


def digitise(
    deposits: Deposits, window: Window, response: Response, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the image of ``deposits`` in the window: flat row-major pixel numbers, increasing, and charges [ADC]."""
    image = charge_image(deposits, window, response)
    add_noise(image, response, rng)
    index = np.flatnonzero(image)
    return index.astype(np.int32), image[index].astype(np.float32)


def charge_image(deposits: Deposits, window: Window, response: Response) -> Floats:
    """Return (rows * columns,) ADC counts without noise: each deposit is a Gaussian over 5 rows, 3 columns."""
    column, row = window.column(deposits.position), window.row(deposits.position, deposits.time)
    inside = (column >= 0) & (column < window.columns) & (row >= 0) & (row < window.rows)
    inside &= (np.abs(deposits.position[:, 1]) < HALF_HEIGHT) & (deposits.position[:, 0] > 0)
    inside &= deposits.position[:, 0] < DRIFT_LENGTH
    drift = deposits.position[inside, 0] / DRIFT_VELOCITY
    energy = deposits.energy[inside]
    charge = response.gain * energy * argon.surviving_charge(energy / deposits.length[inside], FIELD)
    charge *= np.exp(-drift / response.lifetime)
    across = np.sqrt(2 * TRANSVERSE_DIFFUSION * drift) / WIRE_PITCH
    along = np.hypot(np.sqrt(2 * LONGITUDINAL_DIFFUSION * drift) / DRIFT_VELOCITY / TICK, response.shaping)
    columns, in_column = spread(column[inside], across, 3, window.columns)
    rows, in_row = spread(row[inside], along / TICKS_PER_ROW, 5, window.rows)
    in_row *= charge.astype(np.float32)[:, None]
    pixel = rows[:, :, None] * window.columns + columns[:, None, :]
    weight = in_row[:, :, None] * in_column[:, None, :]
    image = np.bincount(pixel.ravel(), weight.ravel(), window.rows * window.columns)
    return image.astype(np.float64, copy=False)


def spread(
    centre: Floats, width: Floats, pixels: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return pixel numbers and Gaussian fractions, both (n, pixels), on an axis of ``size`` pixels.

    The fractions add up to one before those outside the axis are set to 0, at pixel 0 or the last.
    """
    first = np.floor(centre).astype(np.int64) - pixels // 2
    edges = np.arange(pixels + 1, dtype=np.float32) - (centre - first).astype(np.float32)[:, None]
    edges /= np.maximum(width, 1e-3).astype(np.float32)[:, None]
    # a tanh gives the Gaussian integral to 3e-4; NumPy has no erf
    integral = np.tanh(edges * (0.7978846 + 0.0356774 * edges**2))
    share = np.diff(integral, axis=1)
    share /= share.sum(axis=1, keepdims=True)
    number = first[:, None] + np.arange(pixels)
    clipped = np.clip(number, 0, size - 1)
    share *= clipped == number
    return clipped, share


def add_noise(image: Floats, response: Response, rng: np.random.Generator) -> None:
    """Add Gaussian noise to every pixel, then apply zero suppression, in place.

    Noise is drawn only for pixels with charge and for those of the others that pass the zero suppression; the number
    of these is binomial, and their values are in the Gaussian tail (see ``_gaussian_tail``).
    """
    charged = np.flatnonzero(image > 0.01)
    values = image[charged] + response.noise * rng.standard_normal(len(charged))
    image[:] = 0.0
    if response.noise > 0:
        cut = response.zero_suppression / response.noise
        empty = rng.integers(0, len(image), rng.binomial(len(image), erfc(cut / sqrt(2)) / 2))
        image[empty] = response.noise * _gaussian_tail(cut, len(empty), rng)
    image[charged] = np.where(values > response.zero_suppression, values, 0.0)


def _gaussian_tail(cut: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw n standard normal variates above ``cut`` >= 0.

    Marsaglia's method: a Rayleigh tail, x accepted with probability cut / x; below 1, plain rejection is faster.
    """
    variates = np.zeros(0)
    while len(variates) < n:
        if cut < 1:
            x = np.abs(rng.standard_normal(2 * n))
            accepted = x > cut
        else:
            x = np.sqrt(cut**2 - 2 * np.log1p(-rng.random(2 * n)))
            accepted = rng.random(2 * n) * x < cut
        variates = np.concatenate([variates, x[accepted]])
    return variates[:n]
