"""Charged pions and kaons in argon: where they interact or decay, and what comes of it, down to the ionisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmcnn._common.columns import join
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import ELECTRON, KAON, MASS, MUON, PHOTON, PION, PROTON, Floats
from dmcnn.simulation.lartpc.generators import NEUTRAL_PION_MASS, two_body
from dmcnn.simulation.lartpc.particles import Deposits, Particles, deflected, particles
from dmcnn.simulation.lartpc.showers import shower
from dmcnn.simulation.lartpc.tracks import track

REACH = 150.0
"""Longest path worth following [cm]: beyond the diagonal of a test-beam detector."""

DECAY_LENGTH = {PION: 780.45, KAON: 371.1}
"""cτ [cm] (Particle Data Group)."""

INTERACTION_LENGTH = {PION: argon.NUCLEAR_INTERACTION_LENGTH, KAON: 1.5 * argon.NUCLEAR_INTERACTION_LENGTH}
"""[cm]; a positive kaon holds no antiquark that a nucleon could annihilate, so it goes further."""

TO_MUON = 0.75
"""Kaon decays to a muon and a neutrino; the others give a charged and a neutral pion. In nature 64 % and 21 %: the
decays to three particles are given to these two in proportion."""

ABSORBED, EXCHANGED = 0.35, 0.2
"""Interactions of a pion that no pion leaves, and those that a neutral one leaves; the rest leave a charged one.
Typical of 200 to 1000 MeV/c on nuclei like argon."""

LOST = 0.2
"""Interactions of a kaon that no charged kaon leaves."""


def transport(start: Particles, rng: np.random.Generator) -> Deposits:
    """All ionisation of ``start`` and of everything it sets free, decays to, or knocks out of nuclei."""
    left, light, now = [], [], start
    while len(now):
        light.append(now.take(np.isin(now.code, (ELECTRON, PHOTON))))
        tracked, freed = track(now.take(np.isin(now.code, (MUON, PROTON))), rng)
        left.append(tracked)
        light.append(freed)
        hadrons = now.take(np.isin(now.code, (PION, KAON)))
        products = [now.take(slice(0))]
        for number in range(len(hadrons)):
            tracked, made = follow(hadrons.take(slice(number, number + 1)), rng)
            left.append(tracked)
            products.append(made)
        now = join(products)
    return join([*left, shower(join(light), rng)])


def follow(hadron: Particles, rng: np.random.Generator) -> tuple[Deposits, Particles]:
    """Move one pion or kaon until it stops, interacts, decays or is out of sight: its ionisation, its products."""
    code = int(hadron.code[0])
    mass = MASS[code]
    reach = float(argon.csda_range(hadron.kinetic, mass)[0])
    momentum = float(np.sqrt(hadron.kinetic * (hadron.kinetic + 2 * mass))[0])
    interaction = rng.exponential(INTERACTION_LENGTH[code])
    path = min(interaction, rng.exponential(momentum / mass * DECAY_LENGTH[code]), REACH)
    left, freed = track(replace(hadron, path=np.array([path])), rng, np.inf)
    stops = reach <= path
    if code == PION if stops else path == REACH:  # ``track`` has made a stopped pion decay
        return left, freed
    energy = mass + float(argon.energy_at_range(np.array([max(reach - path, 0.0)]), mass)[0])
    end, flight = _end(hadron, left)
    fate = decay if stops or path < interaction else interact
    return left, join([freed, fate(code, energy, end, flight, rng)])


def _end(hadron: Particles, left: Deposits) -> tuple[Floats, Floats]:
    """Place (1, 3) [cm] and direction (1, 3) at the end of a track of which ``left`` are the steps."""
    if len(left.energy) < 2:
        return left.position[-1:], hadron.direction
    step = left.position[-1:] - left.position[-2:-1]
    return left.position[-1:], step / np.linalg.norm(step)


def decay(code: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """Visible products of a pion or kaon of total ``energy`` [MeV] that decays.

    ``place`` and ``direction`` are (1, 3): where it does [cm], and its flight.
    """
    if code == PION or rng.random() < TO_MUON:
        kinetic, flight = unequal(energy, MASS[code], (MASS[MUON], 0.0), direction, rng)
        return particles(MUON, kinetic[:1], place, flight[:1])
    kinetic, flight = unequal(energy, MASS[KAON], (MASS[PION], NEUTRAL_PION_MASS), direction, rng)
    photons = neutral_pion(kinetic[1] + NEUTRAL_PION_MASS, place, flight[1:], rng)
    return join([particles(PION, kinetic[:1], place, flight[:1]), photons])


def unequal(
    energy: float, mass: float, daughters: tuple[float, float], direction: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Isotropic decay in flight into two of different masses: kinetic energies (2,) [MeV], directions (2, 3).

    ``energy`` is the parent's total energy, ``mass`` its mass [MeV], ``direction`` (1, 3) its flight.
    """
    first, second = daughters
    momentum = np.sqrt((mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)) / (2 * mass)
    masses, gamma = np.array(daughters), energy / mass
    cosine = rng.uniform(-1, 1)
    speed = np.sqrt(max(1 - 1 / gamma**2, 0.0))
    along = gamma * (momentum * cosine * np.array([1.0, -1.0]) + speed * np.hypot(momentum, masses))
    across = momentum * np.sqrt(1 - cosine**2)
    side = deflected(direction, np.array([np.pi / 2]), rng)
    vectors = along[:, None] * direction + np.array([[across], [-across]]) * side
    size = np.linalg.norm(vectors, axis=1)
    return np.hypot(size, masses) - masses, vectors / size[:, None]


def neutral_pion(energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """The two photons of a neutral pion of total ``energy`` [MeV], which decays where it was made."""
    kinetic, flight = two_body(energy, NEUTRAL_PION_MASS, 0.0, direction, rng)
    return particles(PHOTON, kinetic, place, flight)


def interact(
    code: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator
) -> Particles:
    """Visible products of a pion or kaon of total ``energy`` [MeV] that hits a nucleus at ``place``.

    A leading meson, if one is left, keeps part of the kinetic energy; protons share at most the rest.
    """
    free = energy - MASS[code]
    kept = free * rng.uniform(0.2, 0.9)
    flight = deflected(direction, 0.5 * np.abs(rng.standard_normal(1)), rng)
    fate = rng.random()
    if fate < (ABSORBED if code == PION else LOST):
        rest = energy if code == PION else free
        return _protons(1 + rng.poisson(1.0), rest, place, direction, rng)
    if code == PION and fate < ABSORBED + EXCHANGED:
        leading = neutral_pion(NEUTRAL_PION_MASS + kept, place, flight, rng)
    else:
        leading = particles(code, np.array([kept]), place, flight)
    return join([leading, _protons(rng.poisson(0.7), free - kept, place, direction, rng)])


def _protons(n: int, energy: float, place: Floats, direction: Floats, rng: np.random.Generator) -> Particles:
    """n protons that share at most ``energy`` [MeV]; the rest goes to neutrons and to breaking the nucleus up."""
    kinetic = np.minimum(rng.gamma(1.5, 50.0, n), energy / max(n, 1))
    flight = deflected(np.repeat(direction, n, axis=0), 0.9 * np.abs(rng.standard_normal(n)), rng)
    return particles(PROTON, kinetic, place, flight)
