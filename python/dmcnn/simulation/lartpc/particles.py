"""What moves through the argon and what it leaves behind, as columns; and the vectors needed to steer it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmcnn.simulation.lartpc.argon import Floats


@dataclass(frozen=True, eq=False)
class Particles:
    """n particles about to move.

    Attributes:
        code: (n,) int64, PDG code: one of those in ``argon``.
        kinetic: (n,) kinetic energy [MeV].
        position: (n, 3) start [cm]: drift distance from the anode, height, along the beam.
        direction: (n, 3) unit vectors on the same axes.
        time: (n,) delay to the trigger [µs]: it displaces what is seen along the drift.
        path: (n,) longest path [cm] worth following: from there on nothing can be seen.
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
        """The particles where ``which`` is True, or in a slice."""
        return Particles(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Deposits:
    """m pieces of track, each short against a pixel.

    Attributes:
        energy: (m,) deposited [MeV].
        length: (m,) of the piece [cm].
        position: (m, 3) middle of the piece [cm], axes as in ``Particles``.
        time: (m,) delay to the trigger [µs].
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
    """Particles of ``kinetic`` energies (n,) [MeV]; everything else is one for all or one for each."""
    n = len(kinetic)
    places, flights = np.empty((n, 3)), np.empty((n, 3))
    places[:], flights[:] = position, direction
    return Particles(
        np.full(n, code), kinetic, places, flights, np.full(n, time, np.float64), np.full(n, path, np.float64)
    )


def frame(direction: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors (n, 3) that stand upright on ``direction`` (n, 3) and on each other.

    T. Duff et al., "Building an orthonormal basis, revisited", JCGT 6 (2017): no square root, no bad direction.
    """
    x, y, z = direction.T
    sign = np.copysign(1.0, z)
    a = -1 / (sign + z)
    b = x * y * a
    u, v = np.empty_like(direction), np.empty_like(direction)
    u[:, 0], u[:, 1], u[:, 2] = 1 + sign * x**2 * a, sign * b, -sign * x
    v[:, 0], v[:, 1], v[:, 2] = b, sign + y**2 * a, -y
    return u, v


def deflected(direction: Floats, angle: Floats, rng: np.random.Generator) -> Floats:
    """``direction`` (n, 3) turned by ``angle`` (n,) [rad] to a random side."""
    u, v = frame(direction)
    around = rng.uniform(0, 2 * np.pi, len(angle))
    side = np.cos(around)[:, None] * u + np.sin(around)[:, None] * v
    return np.cos(angle)[:, None] * direction + np.sin(angle)[:, None] * side


def isotropic(n: int, rng: np.random.Generator) -> Floats:
    """(n, 3) unit vectors without preference."""
    vectors = rng.standard_normal((n, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def running(values: Floats, counts: NDArray[np.int64]) -> Floats:
    """Sums along axis 0 that begin anew after each of ``counts`` (n,) rows, all at least 1."""
    total: Floats = np.cumsum(values, axis=0)
    first = np.cumsum(counts) - counts
    total -= np.repeat(total[first] - values[first], counts, axis=0)
    return total


def walk(
    start: Particles, counts: NDArray[np.int64], angle: Floats, step: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Follow n particles through ``counts`` (n,) steps of ``step`` cm each, one after another in the rows.

    ``angle`` (m,) is the multiple-scattering angle of every step [rad, rms, projected], m the sum of counts.
    Returns the middle of every step and the direction there, both (m, 3).
    """
    turned = running(angle[:, None] * rng.standard_normal((len(angle), 2)), counts)
    total = np.hypot(turned[:, 0], turned[:, 1]) + 1e-12
    turned *= (np.sin(total) / total)[:, None]
    along = np.cos(total)[:, None] * np.repeat(start.direction, counts, axis=0)
    for side, axis in enumerate(frame(start.direction)):
        along += turned[:, side, None] * np.repeat(axis, counts, axis=0)
    begin = np.repeat(start.position, counts, axis=0)
    return begin + step * (running(along, counts) - along / 2), along
