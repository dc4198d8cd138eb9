"""Charged pions and kaons in argon: interactions, decays, and the ionisation of all products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import ELECTRON, KAON, MASS, MUON, PHOTON, PION, PROTON, Floats
from dmcnn.simulation.lartpc.generators import NEUTRAL_PION_MASS, two_body
from dmcnn.simulation.lartpc.particles import Deposits, Particles, deflect, particles
from dmcnn.simulation.lartpc.showers import shower
from dmcnn.simulation.lartpc.tracks import track

REACH = 150.0
"""Longest path that is followed [cm], beyond the diagonal of a test-beam detector."""

DECAY_LENGTH = {PION: 780.45, KAON: 371.1}
"""cτ [cm] (Particle Data Group)."""

INTERACTION_LENGTH = {PION: argon.NUCLEAR_INTERACTION_LENGTH, KAON: 1.5 * argon.NUCLEAR_INTERACTION_LENGTH}
"""[cm] mean free path; longer for a positive kaon, which has no antiquark that annihilates on a nucleon."""

MUON_DECAY_FRACTION = 0.75
"""Fraction of kaon decays to a muon and a neutrino; the others are to a charged and a neutral pion. In nature 64 %
and 21 %: three-body decays are shared between these two in proportion."""

ABSORPTION, CHARGE_EXCHANGE = 0.35, 0.2
"""Fractions of pion interactions with no pion, and with a neutral pion, in the final state; the rest have a charged
pion. Typical of 200 to 1000 MeV/c on nuclei like argon."""

KAON_CHARGE_EXCHANGE = 0.2
"""Fraction of kaon interactions without a charged kaon in the final state."""


def transport(start: Particles, rng: np.random.Generator, version: int = 2) -> Deposits:
    """Return all ionisation of the particles ``start``, their secondary particles and decay products."""
    deposits, light, current = [], [], start
    while len(current):
        light.append(current.take(np.isin(current.code, (ELECTRON, PHOTON))))
        tracked, electrons = track(current.take(np.isin(current.code, (MUON, PROTON))), rng, version=version)
        deposits.append(tracked)
        light.append(electrons)
        hadrons = current.take(np.isin(current.code, (PION, KAON)))
        products = [current.take(slice(0))]
        for number in range(len(hadrons)):
            tracked, secondaries = follow(hadrons.take(slice(number, number + 1)), rng, version)
            deposits.append(tracked)
            products.append(secondaries)
        current = join(products)
    return join([*deposits, shower(join(light), rng, version)])


def follow(hadron: Particles, rng: np.random.Generator, version: int = 2) -> tuple[Deposits, Particles]:
    """Track one pion or kaon until it stops, interacts, decays or leaves; return its ionisation and its products."""
    code = int(hadron.code[0])
    mass = MASS[code]
    reach = float(argon.csda_range(hadron.kinetic, mass)[0])
    momentum = float(np.sqrt(hadron.kinetic * (hadron.kinetic + 2 * mass))[0])
    interaction = rng.exponential(INTERACTION_LENGTH[code])
    path = min(interaction, rng.exponential(momentum / mass * DECAY_LENGTH[code]), REACH)
    deposits, electrons = track(replace(hadron, path=np.array([path])), rng, np.inf, version)
    stops = reach <= path
    if code == PION if stops else path == REACH:  # ``track`` contains the decay of a stopped pion
        return deposits, electrons
    energy = mass + float(argon.energy_at_range(np.array([max(reach - path, 0.0)]), mass)[0])
    end, flight = _end(hadron, deposits)
    fate = decay if stops or path < interaction else interact
    return deposits, join([electrons, fate(code, energy, end, flight, rng)])


def _end(hadron: Particles, deposits: Deposits) -> tuple[Floats, Floats]:
    """Return position (1, 3) [cm] and direction (1, 3) at the end of a track with the steps ``deposits``."""
    if len(deposits.energy) < 2:
        return deposits.position[-1:], hadron.direction
    step = deposits.position[-1:] - deposits.position[-2:-1]
    return deposits.position[-1:], step / np.linalg.norm(step)


def decay(code: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """Generate the visible decay products of a pion or kaon of total ``energy`` [MeV].

    ``place`` (1, 3) [cm] is the decay point, ``direction`` (1, 3) the direction of the parent.
    """
    if code == PION or rng.random() < MUON_DECAY_FRACTION:
        kinetic, flight = two_body_unequal(energy, MASS[code], (MASS[MUON], 0.0), direction, rng)
        return particles(MUON, kinetic[:1], place, flight[:1])
    kinetic, flight = two_body_unequal(energy, MASS[KAON], (MASS[PION], NEUTRAL_PION_MASS), direction, rng)
    photons = neutral_pion(kinetic[1] + NEUTRAL_PION_MASS, place, flight[1:], rng)
    return join([particles(PION, kinetic[:1], place, flight[:1]), photons])


def two_body_unequal(
    energy: float, mass: float, daughters: tuple[float, float], direction: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw an isotropic decay in flight to two masses; return kinetic energies (2,) [MeV] and directions (2, 3).

    ``energy`` and ``mass`` [MeV] are total energy and mass of the parent, ``direction`` (1, 3) is its direction,
    ``daughters`` are the masses of the daughters [MeV].
    """
    first, second = daughters
    momentum = np.sqrt((mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)) / (2 * mass)
    masses, gamma = np.array(daughters), energy / mass
    cosine = rng.uniform(-1, 1)
    speed = np.sqrt(max(1 - 1 / gamma**2, 0.0))
    along = gamma * (momentum * cosine * np.array([1.0, -1.0]) + speed * np.hypot(momentum, masses))
    across = momentum * np.sqrt(1 - cosine**2)
    side = deflect(direction, np.array([np.pi / 2]), rng)
    vectors = along[:, None] * direction + np.array([[across], [-across]]) * side
    size = np.linalg.norm(vectors, axis=1)
    return np.hypot(size, masses) - masses, vectors / size[:, None]


def neutral_pion(energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """Generate the two photons of a neutral pion of total ``energy`` [MeV], which decays at ``place``."""
    kinetic, flight = two_body(energy, NEUTRAL_PION_MASS, 0.0, direction, rng)
    return particles(PHOTON, kinetic, place, flight)


def interact(
    code: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator
) -> Particles:
    """Generate the visible products of a pion or kaon of total ``energy`` [MeV] that hits a nucleus at ``place``.

    A leading meson, if any, has 20 to 90 % of the kinetic energy; protons share at most the rest.
    """
    free = energy - MASS[code]
    meson = free * rng.uniform(0.2, 0.9)
    flight = deflect(direction, 0.5 * np.abs(rng.standard_normal(1)), rng)
    fate = rng.random()
    if fate < (ABSORPTION if code == PION else KAON_CHARGE_EXCHANGE):
        rest = energy if code == PION else free
        return _protons(1 + rng.poisson(1.0), rest, place, direction, rng)
    if code == PION and fate < ABSORPTION + CHARGE_EXCHANGE:
        leading = neutral_pion(NEUTRAL_PION_MASS + meson, place, flight, rng)
    else:
        leading = particles(code, np.array([meson]), place, flight)
    return join([leading, _protons(rng.poisson(0.7), free - meson, place, direction, rng)])


def _protons(n: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """Generate n protons that share at most ``energy`` [MeV]; the rest goes to neutrons and nuclear breakup."""
    kinetic = np.minimum(rng.gamma(1.5, 50.0, n), energy / max(n, 1))
    flight = deflect(np.repeat(direction, n, axis=0), 0.9 * np.abs(rng.standard_normal(n)), rng)
    return particles(PROTON, kinetic, place, flight)
