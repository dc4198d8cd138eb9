"""Electromagnetic showers: bremsstrahlung, pair conversion and Compton scattering, generation by generation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import CRITICAL_ENERGY, ELECTRON, MASS, PHOTON, RADIATION_LENGTH, Floats
from dmcnn.simulation.lartpc.particles import Deposits, Particles, deflected, particles, running, walk

STEP = 0.15
"""Length of an electron's step [cm]: half a wire pitch."""

PHOTON_CUT = 0.1
"""Photons below this energy [MeV] are not followed: a tenth of what a muon leaves under one wire is lost."""

IONISATION = CRITICAL_ENERGY / RADIATION_LENGTH
"""Collision loss of electrons [MeV/cm]: Rossi's definition of the critical energy, read backwards."""

_M = MASS[ELECTRON]


def shower(start: Particles, rng: np.random.Generator) -> Deposits:
    """Follow electrons (positrons are not told apart) and photons until all their energy is deposited.

    Each generation moves every electron to its end and every photon to its next interaction, all at once.
    """
    is_photon = start.code == PHOTON
    electrons, photons = start.take(~is_photon), start.take(is_photon)
    deposits = []
    while True:
        freed, scattered = interact(photons, rng)
        left, radiated = brake(join([electrons, freed]), rng)
        deposits.append(left)
        photons = join([scattered, radiated])
        if not len(photons):
            return join(deposits)
        electrons = electrons.take(slice(0))


def interact(photons: Particles, rng: np.random.Generator) -> tuple[Particles, Particles]:
    """Move every photon to its first interaction: the electrons it frees there, and the scattered photons."""
    pair, compton = argon.pair_rate(photons.kinetic), argon.compton_rate(photons.kinetic)
    distance = rng.exponential(1 / (pair + compton))
    there = replace(photons, position=photons.position + distance[:, None] * photons.direction)
    converts = rng.random(len(photons)) * (pair + compton) < pair
    electrons, scattered = _scatter(there.take(~converts), rng)
    return join([_convert(there.take(converts), rng), electrons]), scattered


def _convert(photons: Particles, rng: np.random.Generator) -> Particles:
    """Electron and positron of every photon: they share the energy uniformly, each about m/E off its flight."""
    total = photons.kinetic - 2 * _M
    share = rng.random(len(photons))
    kinetic = np.concatenate([total * share, total * (1 - share)])
    direction = _aside(np.tile(photons.direction, (2, 1)), kinetic, rng)
    return particles(
        ELECTRON, kinetic, np.tile(photons.position, (2, 1)), direction, np.tile(photons.time, 2)
    )


def _scatter(photons: Particles, rng: np.random.Generator) -> tuple[Particles, Particles]:
    """Compton electrons, straight on, and the photons left, whose energy is log-uniform down to the backward one."""
    before, along, at, time = photons.kinetic, photons.direction, photons.position, photons.time
    after = before * (1 + 2 * before / _M) ** -rng.random(len(photons))
    cosine = np.clip(1 - _M / after + _M / before, -1, 1)
    scattered = particles(PHOTON, after, at, deflected(along, np.arccos(cosine), rng), time)
    return particles(ELECTRON, before - after, at, along, time), scattered.take(after > PHOTON_CUT)


def brake(electrons: Particles, rng: np.random.Generator) -> tuple[Deposits, Particles]:
    """Move every electron to its end: what it ionises, and the photons it radiates on the way.

    Photons of a fraction y of the electron's energy come at (4/3 - 4y/3 + y²)/y per radiation length. With
    the fractions known, the energy after each step, E -> (1 - y)(E - loss), is a running product and sum.
    """
    loss = IONISATION * STEP
    counts = np.maximum(np.ceil(electrons.kinetic / loss), 1).astype(np.int64)
    begin, time = np.repeat(electrons.kinetic, counts), np.repeat(electrons.time, counts)
    least = np.minimum(PHOTON_CUT / begin, 1.0)
    y = np.minimum(least ** rng.random(len(begin)), 1 - 1e-6)
    emits = rng.random(len(begin)) < -4 / 3 * np.log(least) * (1 - y + 0.75 * y**2) * STEP / RADIATION_LENGTH
    faded = np.where(emits, np.log1p(-y), 0.0)
    kept = np.exp(np.maximum(running(faded, counts) - faded, -20.0))
    energy = kept * (begin - loss * running(1 / kept, counts)) + loss

    alive = energy > 0
    middle = np.maximum(energy, loss / 2)
    momentum = np.sqrt(middle * (middle + 2 * _M))
    scattering = argon.scattering_angle(momentum, argon.beta2(middle, _M), STEP)
    points, along = walk(electrons, counts, scattering, STEP, rng)
    mean = np.minimum(energy, loss)[alive]
    deposit = argon.straggle(mean, mean / IONISATION, np.ones_like(mean), middle[alive], rng)

    radiated = y * (energy - loss)
    emits &= radiated > PHOTON_CUT
    flight = _aside(along[emits], energy[emits], rng)
    photons = particles(PHOTON, radiated[emits], points[emits], flight, time[emits])
    return Deposits(deposit, mean / IONISATION, points[alive], time[alive]), photons


def _aside(direction: Floats, energy: Floats, rng: np.random.Generator) -> Floats:
    """``direction`` deflected by the angle, of the order m/E, of the relativistic processes."""
    return deflected(direction, np.abs(rng.standard_normal(len(energy))) * _M / (energy + _M), rng)
