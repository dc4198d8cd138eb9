"""Electromagnetic showers: bremsstrahlung, conversions, Compton scattering, annihilation, generation by generation.

Version 1 has no annihilation photons and no knock-on electrons, and forgets photons below ``PHOTON_CUT``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import (
    CRITICAL_ENERGY,
    ELECTRON,
    KNOCK_ON_CUT,
    MASS,
    PHOTON,
    POSITRON,
    RADIATION_LENGTH,
    Floats,
)
from dmcnn.simulation.lartpc.particles import (
    Deposits,
    Particles,
    deflect,
    isotropic_directions,
    particles,
    running_sum,
    walk,
)

STEP = 0.15
"""Step length of electrons [cm], half a wire pitch."""

PHOTON_CUT = 0.1
"""Photons below this energy [MeV] are absorbed at once: a tenth of the deposit of a muon under one wire."""

IONISATION = CRITICAL_ENERGY / RADIATION_LENGTH
"""Version 1: collision loss of electrons [MeV/cm], from Rossi's definition of the critical energy."""

PLATEAU = argon.relativistic_loss(KNOCK_ON_CUT)
"""Loss of electrons [MeV/cm] to collisions below ``KNOCK_ON_CUT``."""

_M = MASS[ELECTRON]


def shower(start: Particles, rng: np.random.Generator, version: int = 2) -> Deposits:
    """Track electrons, positrons and photons until all their energy is deposited.

    Each generation moves all electrons to their ends and all photons to their next interactions at once.
    """
    is_photon = start.code == PHOTON
    electrons, photons = start.take(~is_photon), start.take(is_photon)
    deposits = []
    while True:
        secondaries, scattered = interact(photons, rng, version)
        ionisation, electrons, radiated = brake(join([electrons, secondaries]), rng, version)
        deposits.append(ionisation)
        photons = join([scattered, radiated])
        if not len(photons) and not len(electrons):
            return join(deposits)


def interact(photons: Particles, rng: np.random.Generator, version: int = 2) -> tuple[Particles, Particles]:
    """Move every photon to its next interaction; return the electrons from it, and the scattered photons."""
    pair, compton = argon.pair_rate(photons.kinetic), argon.compton_rate(photons.kinetic)
    distance = rng.exponential(1 / (pair + compton))
    moved = replace(photons, position=photons.position + distance[:, None] * photons.direction)
    converts = rng.random(len(photons)) * (pair + compton) < pair
    electrons, scattered = _scatter(moved.take(~converts), rng, version)
    return join([_convert(moved.take(converts), rng, version), electrons]), scattered


def _convert(photons: Particles, rng: np.random.Generator, version: int) -> Particles:
    """Return electron and positron of every photon; they share the energy uniformly, at angles of about m/E."""
    total = photons.kinetic - 2 * _M
    share = rng.random(len(photons))
    kinetic = np.concatenate([total * share, total * (1 - share)])
    direction = _deflect_relativistic(np.tile(photons.direction, (2, 1)), kinetic, rng)
    code = np.repeat((ELECTRON, POSITRON if version > 1 else ELECTRON), len(photons))
    return particles(code, kinetic, np.tile(photons.position, (2, 1)), direction, np.tile(photons.time, 2))


def _scatter(photons: Particles, rng: np.random.Generator, version: int) -> tuple[Particles, Particles]:
    """Return Compton electrons, in the photon's direction, and the scattered photons above ``PHOTON_CUT``.

    The energy of a scattered photon is log-uniform down to that of backward scattering.
    """
    before, along, at, time = photons.kinetic, photons.direction, photons.position, photons.time
    after = before * (1 + 2 * before / _M) ** -rng.random(len(photons))
    cosine = np.clip(1 - _M / after + _M / before, -1, 1)
    scattered = particles(PHOTON, after, at, deflect(along, np.arccos(cosine), rng), time)
    remains = after > PHOTON_CUT
    left = before - after * (remains if version > 1 else 1.0)
    return particles(ELECTRON, left, at, along, time), scattered.take(remains)


def brake(
    electrons: Particles, rng: np.random.Generator, version: int = 2
) -> tuple[Deposits, Particles, Particles]:
    """Move every electron to its end; return its ionisation, the electrons that it knocks on, and its photons.

    Given the fractions y that it loses to photons and electrons, the energy after each step, E -> (1 - y)(E - loss),
    is a cumulative product and sum.
    """
    ionisation = PLATEAU if version > 1 else IONISATION
    loss = ionisation * STEP
    counts = np.maximum(np.ceil(electrons.kinetic / loss), 1).astype(np.int64)
    begin, time = np.repeat(electrons.kinetic, counts), np.repeat(electrons.time, counts)
    y, emits = _radiate(begin, rng)
    knocks = np.zeros_like(emits)
    if version > 1:
        unradiated = np.maximum(begin - loss * (running_sum(np.ones_like(begin), counts) - 1), loss / 2)
        emits &= rng.random(len(begin)) < argon.radiation_factor(unradiated)
        y, knocks = _knock(y, emits, unradiated, rng)
    logarithm = np.where(emits | knocks, np.log1p(-y), 0.0)
    fraction = np.exp(np.maximum(running_sum(logarithm, counts) - logarithm, -20.0))
    energy = fraction * (begin - loss * running_sum(1 / fraction, counts)) + loss

    alive = energy > 0
    middle = np.maximum(energy, loss / 2)
    momentum = np.sqrt(middle * (middle + 2 * _M))
    scattering = argon.scattering_angle(momentum, argon.beta2(middle, _M), STEP)
    points, along = walk(electrons, counts, scattering, STEP, rng)
    mean = np.minimum(energy, loss)[alive]
    straggle = argon.straggle if version > 1 else argon.straggle_moyal
    most = np.minimum(middle[alive] / 2, KNOCK_ON_CUT) if version > 1 else middle[alive]
    deposit = straggle(mean, mean / ionisation, np.ones_like(mean), most, rng)
    steps = Deposits(deposit, mean / ionisation, points[alive], time[alive])

    lost = y * (energy - loss)
    emits &= lost > PHOTON_CUT
    flight = _deflect_relativistic(along[emits], energy[emits], rng)
    photons = particles(PHOTON, lost[emits], points[emits], flight, time[emits])
    if version == 1:
        return steps, electrons.take(slice(0)), photons
    knocks &= lost > 0
    flight = deflect(along[knocks], argon.knock_on_angle(lost[knocks], energy[knocks]), rng)
    free = particles(ELECTRON, lost[knocks], points[knocks], flight, time[knocks])
    first = np.cumsum(counts) - counts
    last = first + np.add.reduceat(alive, first, dtype=np.int64) - 1
    rest = last[electrons.code == POSITRON]
    return steps, free, join([photons, _annihilate(points[rest], time[rest], rng)])


def _radiate(energy: Floats, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Draw for every step the fraction of its energy that an electron would radiate, and whether it does.

    The spectrum of photons with a fraction y is (4/3 - 4y/3 + y²)/y per radiation length.
    """
    least = np.minimum(PHOTON_CUT / energy, 1.0)
    y = np.minimum(least ** rng.random(len(energy)), 1 - 1e-6)
    rate = -4 / 3 * np.log(least) * (1 - y + 0.75 * y**2) * STEP / RADIATION_LENGTH
    return y, rng.random(len(energy)) < rate


def _knock(
    y: Floats, emits: NDArray[np.bool_], energy: Floats, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Draw at which steps electrons of ``energy`` [MeV] that radiate nothing knock on others, of at most half of it.

    Return ``y`` with the fraction of the energy that the others get, and these steps.
    """
    most = np.maximum(energy / 2, KNOCK_ON_CUT)
    knocks = (rng.random(len(energy)) < STEP * argon.transfer_rate(most, 1.0, KNOCK_ON_CUT)) & ~emits
    kinetic = KNOCK_ON_CUT / (1 - rng.random(len(energy)) * (1 - KNOCK_ON_CUT / most))
    return np.where(knocks, kinetic / energy, y), knocks


def _annihilate(position: Floats, time: Floats, rng: np.random.Generator) -> Particles:
    """Return the two photons of every positron that has come to rest at ``position`` (n, 3)."""
    flight = isotropic_directions(len(position), rng)
    energy = np.full(2 * len(position), _M)
    return particles(
        PHOTON, energy, np.tile(position, (2, 1)), np.concatenate([flight, -flight]), np.tile(time, 2)
    )


def _deflect_relativistic(direction: Floats, energy: Floats, rng: np.random.Generator) -> Floats:
    """Rotate ``direction`` (n, 3) by a random angle of order m/E, typical of relativistic processes."""
    return deflect(direction, np.abs(rng.standard_normal(len(energy))) * _M / (energy + _M), rng)
