"""Particles and their energy deposits as columns, and the vectors of their motion."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmcnn.simulation.lartpc.argon import Floats


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles at the start of their tracks, n in all.

    Attributes:
        code: (n,) int64, PDG code, one of those in ``argon``.
        kinetic: (n,) kinetic energy [MeV].
        position: (n, 3) start [cm]: drift distance from the anode, height, along the beam.
        direction: (n, 3) unit vectors on the same axes.
        time: (n,) time after the trigger [µs]; it shifts the image along the drift.
        path: (n,) longest path that is followed [cm]; beyond, nothing is visible.
    """

    code: NDArray[np.int64]
    kinetic: Floats
    position: Floats
    direction: Floats
    time: Floats
    path: Floats

    def __len__(self) -> int:
        return len(self.code)

    def take(self, which: NDArray[np.bool_] | slice) -> Particles:
        """Return the particles where ``which`` (n,) is True, or those of a slice."""
        return Particles(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Deposits:
    """Energy deposits of m steps, each much shorter than a pixel.

    Attributes:
        energy: (m,) deposited energy [MeV].
        length: (m,) length of the step [cm].
        position: (m, 3) centre of the step [cm], axes as in ``Particles``.
        time: (m,) time after the trigger [µs].
    """

    energy: Floats
    length: Floats
    position: Floats
    time: Floats


def particles(
    code: int | NDArray[np.int64],
    kinetic: Floats,
    position: Floats,
    direction: Floats,
    time: Floats | float = 0.0,
    path: Floats | float = np.inf,
) -> Particles:
    """Return particles of ``kinetic`` energies (n,) [MeV]; every other argument is one for all or one for each."""
    n = len(kinetic)
    places, flights = np.empty((n, 3)), np.empty((n, 3))
    places[:], flights[:] = position, direction
    return Particles(
        np.full(n, code), kinetic, places, flights, np.full(n, time, np.float64), np.full(n, path, np.float64)
    )


def transverse_axes(direction: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors (n, 3) perpendicular to ``direction`` (n, 3) and to each other.

    T. Duff et al., "Building an orthonormal basis, revisited", JCGT 6 (2017): stable for every direction.
    """
    x, y, z = direction.T
    sign = np.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    u, v = np.empty_like(direction), np.empty_like(direction)
    u[:, 0], u[:, 1], u[:, 2] = 1 + sign * x**2 * a, sign * b, -sign * x
    v[:, 0], v[:, 1], v[:, 2] = b, sign + y**2 * a, -y
    return u, v


def deflect(direction: Floats, angle: Floats, rng: np.random.Generator) -> Floats:
    """Rotate ``direction`` (n, 3) by ``angle`` (n,) [rad] at a random azimuth."""
    u, v = transverse_axes(direction)
    azimuth = rng.uniform(0, 2 * np.pi, len(angle))
    side = np.cos(azimuth)[:, None] * u + np.sin(azimuth)[:, None] * v
    return np.cos(angle)[:, None] * direction + np.sin(angle)[:, None] * side


def isotropic_directions(n: int, rng: np.random.Generator) -> Floats:
    """Draw (n, 3) isotropic unit vectors."""
    vectors = rng.standard_normal((n, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def running_sum(values: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return cumulative sums along axis 0 that restart after each of ``counts`` (n,) rows, all at least 1."""
    total: Floats = np.cumsum(values, axis=0)
    first = np.cumsum(counts) - counts
    total -= np.repeat(total[first] - values[first], counts, axis=0)
    return total


def walk(
    start: Particles, counts: NDArray[np.int64], angle: Floats, step: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Move n particles through ``counts`` (n,) steps of ``step`` cm each, with multiple scattering.

    Rows are the steps of particle 0, of particle 1 and so on; m is the sum of counts. ``angle`` (m,) is the rms
    projected scattering angle of every step [rad]. Return the centre of every step [cm] and the direction there, both
    (m, 3).
    """
    turned = running_sum(angle[:, None] * rng.standard_normal((len(angle), 2)), counts)
    total = np.hypot(turned[:, 0], turned[:, 1]) + 1e-12
    turned *= (np.sin(total) / total)[:, None]
    along = np.cos(total)[:, None] * np.repeat(start.direction, counts, axis=0)
    for side, axis in enumerate(transverse_axes(start.direction)):
        along += turned[:, side, None] * np.repeat(axis, counts, axis=0)
    begin = np.repeat(start.position, counts, axis=0)
    return begin + step * (running_sum(along, counts) - along / 2), along
