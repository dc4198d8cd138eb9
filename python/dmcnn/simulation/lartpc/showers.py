"""Electromagnetic showers: bremsstrahlung, pair conversion and Compton scattering, generation by generation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import CRITICAL_ENERGY, ELECTRON, MASS, PHOTON, RADIATION_LENGTH, Floats
from dmcnn.simulation.lartpc.particles import Deposits, Particles, deflect, particles, running_sum, walk

STEP = 0.15
"""Step length of electrons [cm], half a wire pitch."""

PHOTON_CUT = 0.1
"""Photons below this energy [MeV] are dropped: a tenth of the deposit of a muon under one wire."""

IONISATION = CRITICAL_ENERGY / RADIATION_LENGTH
"""Collision loss of electrons [MeV/cm], from Rossi's definition of the critical energy."""

_M = MASS[ELECTRON]


def shower(start: Particles, rng: np.random.Generator) -> Deposits:
    """Track electrons (and positrons, as electrons) and photons until all their energy is deposited.

    Each generation moves all electrons to their ends and all photons to their next interactions at once.
    """
    is_photon = start.code == PHOTON
    electrons, photons = start.take(~is_photon), start.take(is_photon)
    deposits = []
    while True:
        secondaries, scattered = interact(photons, rng)
        ionisation, radiated = brake(join([electrons, secondaries]), rng)
        deposits.append(ionisation)
        photons = join([scattered, radiated])
        if not len(photons):
            return join(deposits)
        electrons = electrons.take(slice(0))


def interact(photons: Particles, rng: np.random.Generator) -> tuple[Particles, Particles]:
    """Move every photon to its next interaction; return the electrons from it, and the scattered photons."""
    pair, compton = argon.pair_rate(photons.kinetic), argon.compton_rate(photons.kinetic)
    distance = rng.exponential(1 / (pair + compton))
    moved = replace(photons, position=photons.position + distance[:, None] * photons.direction)
    converts = rng.random(len(photons)) * (pair + compton) < pair
    electrons, scattered = _scatter(moved.take(~converts), rng)
    return join([_convert(moved.take(converts), rng), electrons]), scattered


def _convert(photons: Particles, rng: np.random.Generator) -> Particles:
    """Return electron and positron of every photon; they share the energy uniformly, at angles of about m/E."""
    total = photons.kinetic - 2 * _M
    share = rng.random(len(photons))
    kinetic = np.concatenate([total * share, total * (1 - share)])
    direction = _deflect_relativistic(np.tile(photons.direction, (2, 1)), kinetic, rng)
    return particles(
        ELECTRON, kinetic, np.tile(photons.position, (2, 1)), direction, np.tile(photons.time, 2)
    )


def _scatter(photons: Particles, rng: np.random.Generator) -> tuple[Particles, Particles]:
    """Return Compton electrons, in the photon's direction, and the scattered photons above ``PHOTON_CUT``.

    The energy of a scattered photon is log-uniform down to that of backward scattering.
    """
    before, along, at, time = photons.kinetic, photons.direction, photons.position, photons.time
    after = before * (1 + 2 * before / _M) ** -rng.random(len(photons))
    cosine = np.clip(1 - _M / after + _M / before, -1, 1)
    scattered = particles(PHOTON, after, at, deflect(along, np.arccos(cosine), rng), time)
    return particles(ELECTRON, before - after, at, along, time), scattered.take(after > PHOTON_CUT)


def brake(electrons: Particles, rng: np.random.Generator) -> tuple[Deposits, Particles]:
    """Move every electron to its end; return its ionisation and the photons that it radiates.

    The spectrum of photons with a fraction y of the electron's energy is (4/3 - 4y/3 + y²)/y per radiation length.
    Given the fractions, the energy after each step, E -> (1 - y)(E - loss), is a cumulative product and sum.
    """
    loss = IONISATION * STEP
    counts = np.maximum(np.ceil(electrons.kinetic / loss), 1).astype(np.int64)
    begin, time = np.repeat(electrons.kinetic, counts), np.repeat(electrons.time, counts)
    least = np.minimum(PHOTON_CUT / begin, 1.0)
    y = np.minimum(least ** rng.random(len(begin)), 1 - 1e-6)
    emits = rng.random(len(begin)) < -4 / 3 * np.log(least) * (1 - y + 0.75 * y**2) * STEP / RADIATION_LENGTH
    logarithm = np.where(emits, np.log1p(-y), 0.0)
    fraction = np.exp(np.maximum(running_sum(logarithm, counts) - logarithm, -20.0))
    energy = fraction * (begin - loss * running_sum(1 / fraction, counts)) + loss

    alive = energy > 0
    middle = np.maximum(energy, loss / 2)
    momentum = np.sqrt(middle * (middle + 2 * _M))
    scattering = argon.scattering_angle(momentum, argon.beta2(middle, _M), STEP)
    points, along = walk(electrons, counts, scattering, STEP, rng)
    mean = np.minimum(energy, loss)[alive]
    deposit = argon.straggle(mean, mean / IONISATION, np.ones_like(mean), middle[alive], rng)

    radiated = y * (energy - loss)
    emits &= radiated > PHOTON_CUT
    flight = _deflect_relativistic(along[emits], energy[emits], rng)
    photons = particles(PHOTON, radiated[emits], points[emits], flight, time[emits])
    return Deposits(deposit, mean / IONISATION, points[alive], time[alive]), photons


def _deflect_relativistic(direction: Floats, energy: Floats, rng: np.random.Generator) -> Floats:
    """Rotate ``direction`` (n, 3) by a random angle of order m/E, typical of relativistic processes."""
    return deflect(direction, np.abs(rng.standard_normal(len(energy))) * _M / (energy + _M), rng)
