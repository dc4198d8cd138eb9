"""Tracks of muons, charged pions, kaons and protons: straggling, scattering, knock-on electrons, decay at rest."""

from __future__ import annotations

import numpy as np

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import (
    ELECTRON,
    KNOCK_ON_CUT,
    MASS,
    MUON,
    NUCLEAR_INTERACTION_LENGTH,
    PION,
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
"""Step length [cm], half a wire pitch."""

DECAY_FRACTION = 0.66
"""Fraction of stopped muons that decay: all positive ones and a quarter of the negative ones in argon."""


def track(
    heavy: Particles,
    rng: np.random.Generator,
    interaction_length: float = NUCLEAR_INTERACTION_LENGTH,
    version: int = 2,
) -> tuple[Deposits, Particles]:
    """Track muons, pions, kaons and protons until they stop, interact or reach the end of their path.

    The energy follows the range table; its mean loss per step is the Bethe formula restricted to collisions below
    ``KNOCK_ON_CUT``. Hadrons interact after an exponential length of mean ``interaction_length`` [cm], which ends the
    track. Return the deposits and the electrons: knock-on electrons and those of muons (also from pions) that decay
    at rest.
    """
    mass = np.array([MASS[code] for code in heavy.code.tolist()])
    ranges = argon.csda_range(heavy.kinetic, mass)
    interaction = rng.exponential(interaction_length, len(heavy))
    path = np.minimum(heavy.path, np.where(heavy.code == MUON, np.inf, interaction))
    counts = np.maximum(np.ceil(np.minimum(ranges, path) / STEP), 1).astype(np.int64)

    m, time = np.repeat(mass, counts), np.repeat(heavy.time, counts)
    residual = np.repeat(ranges + STEP, counts) - running_sum(np.full(len(m), STEP), counts)
    energy = argon.energy_at_range(residual, m)
    loss = energy - argon.energy_at_range(np.maximum(residual - STEP, 0), m)
    middle = np.maximum(energy - loss / 2, 1e-3 * m)
    most = argon.largest_transfer(middle, m)
    b2 = argon.beta2(middle, m)
    scattering = argon.scattering_angle(np.sqrt(middle * (middle + 2 * m)), b2, STEP)
    points, along = walk(heavy, counts, scattering, STEP, rng)
    part = argon.stopping_power(middle, m, KNOCK_ON_CUT) / argon.stopping_power(middle, m)
    straggle = argon.straggle if version > 1 else argon.straggle_moyal
    deposit = straggle(loss * part, STEP, b2, np.minimum(most, KNOCK_ON_CUT), rng)

    hit = rng.random(len(m)) < STEP * argon.transfer_rate(most, b2, KNOCK_ON_CUT)
    hits = particles(ELECTRON, middle[hit], points[hit], along[hit], time[hit])
    stopped = (ranges < path) & np.isin(heavy.code, (MUON, PION))
    ends = points[np.cumsum(counts)[stopped] - 1]
    electrons = [_knock_ons(hits, b2[hit], most[hit], rng), _michel(ends, heavy.time[stopped], rng)]
    return Deposits(deposit, np.minimum(residual, STEP), points, time), join(electrons)


def _knock_ons(hits: Particles, b2: Floats, most: Floats, rng: np.random.Generator) -> Particles:
    """Return the knock-on electrons of ``hits``, at the angle of the elastic collision.

    The spectrum is (1 - β² T/most)/T² from ``KNOCK_ON_CUT`` to ``most``, drawn from 1/T² by rejection.
    """
    kinetic = KNOCK_ON_CUT / (1 - rng.random(len(hits)) * (1 - KNOCK_ON_CUT / most))
    direction = deflect(hits.direction, argon.knock_on_angle(kinetic, most), rng)
    electrons = particles(ELECTRON, kinetic, hits.position, direction, hits.time)
    return electrons.take(rng.random(len(hits)) > b2 * kinetic / most)


def _michel(position: Floats, time: Floats, rng: np.random.Generator) -> Particles:
    """Return an isotropic electron for a fraction ``DECAY_FRACTION`` of muons at rest; the others are captured.

    Its energy is x times half the muon mass with density 6x² - 4x³. A stopped pion becomes a muon within 1 mm.
    """
    decays = rng.random(len(time)) < DECAY_FRACTION
    n = int(decays.sum())
    x = np.linspace(0.0, 1.0, 200)
    kinetic = MASS[MUON] / 2 * np.interp(rng.random(n), 2 * x**3 - x**4, x)
    return particles(ELECTRON, kinetic, position[decays], isotropic_directions(n, rng), time[decays])
