"""Test-beam sample: one electron, kaon, muon, photon or pion in a LArIAT-like detector.

Dimensions, wires, field and sampling are those of R. Acciarri et al. (LArIAT), JINST 15 (2020) P04026. Axes of
positions [cm]: drift distance from the anode, height above the beam, distance along the beam.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from dmcnn.detectors.lariat import (
    BINS,
    CLASSES,
    DRIFT_LENGTH,
    DRIFT_VELOCITY,
    FIELD,
    FIRST_BIN,
    HALF_HEIGHT,
    LENGTH,
    TICK,
    TICKS_PER_BIN,
    WIRE_ANGLE,
    WIRE_PITCH,
    WIRES,
)  # fmt: skip
from dmcnn.images.sparse import META, UNIT_PIXEL, SparseImages, unset_events
from dmcnn.simulation.lartpc import argon, hadrons
from dmcnn.simulation.lartpc.argon import ELECTRON, KAON, MASS, MUON, PHOTON, PION, Floats
from dmcnn.simulation.lartpc.generators import BEAM, NEUTRAL_PION_MASS
from dmcnn.simulation.lartpc.particles import Deposits, Particles, deflect, particles
from dmcnn.simulation.lartpc.response import (
    LONGITUDINAL_DIFFUSION,
    TRANSVERSE_DIFFUSION,
    Response,
    add_noise,
    spread,
)
from dmcnn.simulation.ranges import check

CODES = {"electron": ELECTRON, "kaon": KAON, "muon": MUON, "photon": PHOTON, "pion": PION, "pion_zero": None}
"""Particle of the beam -> PDG code; None for the neutral pion, which decays at the front face."""


@dataclass(frozen=True)
class Beam:
    """Beam parameters; for each field see the argument of ``lariat``."""

    fractions: Sequence[float] | None
    momentum_lo: float
    momentum_hi: float
    beam_size: float
    beam_angle: float

    def kind(self, number: int, rng: np.random.Generator) -> int:
        """Return the class number of event ``number``."""
        if self.fractions is None:
            return number % len(CLASSES)
        edges = np.cumsum(self.fractions)
        return int(np.searchsorted(edges[:-1], rng.random() * edges[-1], side="right"))

    def particle(self, kind: int, rng: np.random.Generator) -> Particles:
        """Draw the particle, or the photons of the neutral pion, at the front face."""
        across = self.beam_size * rng.standard_normal(2)
        place = np.array([[DRIFT_LENGTH / 2 + across[0], across[1], 0.0]])
        direction = deflect(BEAM, self.beam_angle * np.hypot(*rng.standard_normal((2, 1))), rng)
        momentum = rng.uniform(self.momentum_lo, self.momentum_hi)
        code = CODES[CLASSES[kind]]
        if code is None:
            return hadrons.neutral_pion(np.hypot(momentum, NEUTRAL_PION_MASS), place, direction, rng)
        return particles(code, np.hypot(momentum, MASS[code]) - np.full(1, MASS[code]), place, direction)


def lariat(
    events: int,
    seed: int,
    batch: int = 64,
    start: int = 0,
    *,
    version: int = 2,
    fractions: Sequence[float] | None = None,
    momentum_lo: float = 200.0,
    momentum_hi: float = 1500.0,
    beam_size: float = 4.0,
    beam_angle: float = 0.05,
    gain: float = 220.0,
    lifetime: float = 1000.0,
    shaping: float = 8.0,
    noise: float = 6.0,
    zero_suppression: float = 20.0,
) -> Iterator[SparseImages]:
    """Simulate images of the collection plane, each of one beam particle, labelled with its number in ``CLASSES``.

    As in LArIAT's own arrays of 240 x 146 pixels, axis 0 (H) is the wire and axis 1 (W) the drift time, 4 mm per
    pixel on both. Event i of a seed is the same whatever the number of events and the batch size. Ids are unset.

    Args:
        events: number of events.
        seed: not negative.
        batch: images per batch.
        start: number of the first event.
        version: 1 straggles by Moyal's formula and has no annihilation photons.
        fractions: relative frequency of each of ``CLASSES``; None = the classes in turn.
        momentum_lo, momentum_hi: [MeV/c] range of the uniform momentum, equal for all particles.
        beam_size: rms distance of the particles from the centre of the front face, along each axis [cm].
        beam_angle: rms angle to the beam axis in each projection [rad].
        gain: ADC counts per MeV of ionisation that escapes recombination.
        lifetime: lifetime of drifting electrons [µs].
        shaping: Gaussian width of the deconvolved pulse [ticks].
        noise: rms in a pixel [ADC].
        zero_suppression: pixels below are set to 0 [ADC].

    Raises:
        InputError: arguments outside their ranges, one line each; raised by the call, not by the first batch.
    """
    arguments = dict(locals())
    del arguments["fractions"]
    check(arguments, _RANGES, _faults(fractions, momentum_lo, momentum_hi))
    beam = Beam(fractions, momentum_lo, momentum_hi, beam_size, beam_angle)
    response = Response(gain, lifetime, shaping, noise, zero_suppression)
    return (
        _images(version, beam, response, seed, range(first, min(first + batch, events)))
        for first in range(start, events, batch)
    )


def _images(version: int, beam: Beam, response: Response, seed: int, numbers: Sequence[int]) -> SparseImages:
    """Simulate the events ``numbers`` as images of one channel."""
    kinds, indices, values = [], [], []
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        kinds.append(beam.kind(number, rng))
        image = charge_image(hadrons.transport(beam.particle(kinds[-1], rng), rng, version), response)
        add_noise(image, response, rng)
        indices.append(np.flatnonzero(image).astype(np.int32))
        values.append(image[indices[-1]].astype(np.float32))
    events = unset_events(len(kinds))
    events["entry"] = numbers
    return SparseImages(
        offsets=np.cumsum([0, *map(len, indices)], dtype=np.int64),
        index=np.concatenate(indices),
        value=np.concatenate(values),
        shape=(1, WIRES, BINS),
        events=events,
        meta=np.full((len(kinds), 1), np.array((0, UNIT_PIXEL, 0, 0, BINS, WIRES), META)),
        label=np.array(kinds, np.int64),
    )


def charge_image(deposits: Deposits, response: Response) -> Floats:
    """Return (WIRES * BINS,) ADC counts without noise: each deposit is a Gaussian over 3 wires, 5 bins."""
    x, y, z = deposits.position.T
    inside = (x > 0) & (x < DRIFT_LENGTH) & (np.abs(y) < HALF_HEIGHT) & (z > 0) & (z < LENGTH)
    x, y, z, energy = x[inside], y[inside], z[inside], deposits.energy[inside]
    drift = x / DRIFT_VELOCITY
    charge = response.gain * energy * argon.surviving_charge(energy / deposits.length[inside], FIELD)
    charge *= np.exp(-drift / response.lifetime)
    wire = WIRES / 2 + ((z - LENGTH / 2) * np.sin(WIRE_ANGLE) + y * np.cos(WIRE_ANGLE)) / WIRE_PITCH
    tick = (drift + deposits.time[inside]) / TICK
    across = np.sqrt(2 * TRANSVERSE_DIFFUSION * drift) / WIRE_PITCH
    along = np.hypot(np.sqrt(2 * LONGITUDINAL_DIFFUSION * drift) / DRIFT_VELOCITY / TICK, response.shaping)
    wires, on_wire = spread(wire, across, 3, WIRES)
    bins, in_bin = spread(FIRST_BIN + tick / TICKS_PER_BIN, along / TICKS_PER_BIN, 5, BINS)
    on_wire *= charge.astype(np.float32)[:, None]
    pixel = wires[:, :, None] * BINS + bins[:, None, :]
    weight = on_wire[:, :, None] * in_bin[:, None, :]
    return np.bincount(pixel.ravel(), weight.ravel(), WIRES * BINS).astype(np.float64, copy=False)


_RANGES = {
    "batch": (1, inf),
    "start": (0, inf),
    "version": (1, 2),
    "momentum_lo": (10, 1e4),
    "momentum_hi": (10, 1e4),
    "beam_angle": (0, 1),
    "gain": (1e-9, inf),
    "lifetime": (1e-9, inf),
}
"""Argument -> smallest and largest value; the others must be finite and not negative."""


def _faults(fractions: Sequence[float] | None, momentum_lo: float, momentum_hi: float) -> Iterator[str]:
    """Yield a line for each fault of the arguments that no range describes."""
    if momentum_lo > momentum_hi:
        yield f"momentum_lo = {momentum_lo} is above momentum_hi = {momentum_hi}"
    if fractions is not None and (
        len(fractions) != len(CLASSES) or min(fractions) < 0 or not 0 < sum(fractions) < inf
    ):
        yield f"fractions = {fractions}, expected one number for each of {', '.join(CLASSES)}"
