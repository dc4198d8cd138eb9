"""Generators of primary particles: dark tridents, neutrino interactions, cosmic muons.

A source takes the vertex (3,) [cm], the window of the image and a random generator, and returns the primary particles
of an event; its other arguments are physics parameters.
"""

from __future__ import annotations

import numpy as np

from dmcnn._common.columns import join
from dmcnn.detectors.lartpc import DRIFT_LENGTH, DRIFT_VELOCITY, HALF_HEIGHT, TICK, TRIGGER_TICK
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import ELECTRON, MASS, MUON, PHOTON, PION, PROTON, Floats
from dmcnn.simulation.lartpc.detector import Window
from dmcnn.simulation.lartpc.particles import Particles, deflect, particles

NEUTRAL_PION_MASS = 134.977  # MeV
BEAM = np.array([[0.0, 0.0, 1.0]])
DOWN = np.array([[0.0, -1.0, 0.0]])

_SPECTRA = {
    MUON: (2.0, 200.0, 0.5),
    PROTON: (1.5, 60.0, 0.7),
    PION: (2.0, 90.0, 0.8),
    PHOTON: (2.0, 90.0, 1.0),
}
"""Particle of a neutrino interaction -> shape and scale [MeV] of its Gamma-distributed kinetic energy, and rms angle
to the beam [rad]. PHOTON stands for the neutral pion. Typical of the booster and NuMI beams."""

_LEAST_KINETIC = 15.0  # MeV, smallest kinetic energy of products


def two_body(
    energy: float, mass: float, daughter: float, direction: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw an isotropic two-body decay in flight; return kinetic energies (2,) [MeV] and directions (2, 3).

    ``energy`` and ``mass`` [MeV] are total energy and mass of the parent, ``direction`` (1, 3) is its direction,
    ``daughter`` the mass of each daughter.
    """
    gamma = energy / mass
    speed = np.sqrt(1 - 1 / gamma**2)
    momentum = np.sqrt(mass**2 / 4 - daughter**2)
    cosine = rng.uniform(-1, 1)
    along = gamma * (momentum * cosine * np.array([1.0, -1.0]) + speed * mass / 2)
    across = momentum * np.sqrt(1 - cosine**2)
    side = deflect(direction, np.array([np.pi / 2]), rng)
    vectors = along[:, None] * direction + np.array([[across], [-across]]) * side
    size = np.linalg.norm(vectors, axis=1)
    return np.hypot(size, daughter) - daughter, vectors / size[:, None]


def dark_trident(
    vertex: Floats,
    window: Window,
    rng: np.random.Generator,
    *,
    mass: float,
    mean_energy: float,
    spread: float,
) -> Particles:
    """Generate the e+e- pair of a dark photon of ``mass`` [MeV] that dark matter radiates off an argon nucleus.

    The dark photon (arXiv:2312.13945) is on its mass shell; its kinetic energy is Gamma(2)-distributed with mean
    ``mean_energy`` [MeV], its rms angle to the beam is ``spread`` [rad] in each projection.
    """
    energy = mass + rng.gamma(2.0, mean_energy / 2)
    flight = deflect(BEAM, spread * np.hypot(*rng.standard_normal((2, 1))), rng)
    kinetic, direction = two_body(energy, mass, MASS[ELECTRON], flight, rng)
    return particles(ELECTRON, kinetic, vertex, direction)


def neutrino(
    vertex: Floats,
    window: Window,
    rng: np.random.Generator,
    *,
    charged_current: float,
    neutral_pions: float,
) -> Particles:
    """Generate the final state of a muon-neutrino interaction with argon.

    It has a muon with probability ``charged_current``, on average 1.5 protons (at least 1), 0.25 charged pions and
    ``neutral_pions`` neutral pions. A neutral-current interaction without any pion gets a neutral one, as it
    would not be selected otherwise.
    """
    counts = {
        MUON: int(rng.random() < charged_current),
        PROTON: 1 + rng.poisson(0.5),
        PION: rng.poisson(0.25),
    }
    neutral = rng.poisson(neutral_pions)
    if not counts[MUON] and not counts[PION]:
        neutral = max(neutral, 1)
    code = np.repeat(list(counts), list(counts.values()))
    shape, scale, spread = np.array([_SPECTRA[c] for c in code.tolist()]).T
    kinetic = _LEAST_KINETIC + rng.gamma(shape, scale)
    direction = deflect(np.repeat(BEAM, len(code), 0), spread * np.abs(rng.standard_normal(len(code))), rng)
    visible = window.crossing(np.broadcast_to(vertex, (len(code), 3)), direction, np.zeros(len(code)))[1]
    tracks = particles(code, kinetic, vertex, direction, 0.0, visible)
    return join([tracks, *(_neutral_pion(vertex, rng) for _ in range(neutral))])


def _neutral_pion(vertex: Floats, rng: np.random.Generator) -> Particles:
    """Generate the two photons of a neutral pion, which decays at the vertex."""
    shape, scale, spread = _SPECTRA[PHOTON]
    flight = deflect(BEAM, spread * np.abs(rng.standard_normal(1)), rng)
    energy = NEUTRAL_PION_MASS + _LEAST_KINETIC + rng.gamma(shape, scale)
    kinetic, direction = two_body(energy, NEUTRAL_PION_MASS, 0.0, flight, rng)
    return particles(PHOTON, kinetic, vertex, direction)


def cosmic_muon(vertex: Floats, window: Window, rng: np.random.Generator, *, stopping: float) -> Particles:
    """Generate a cosmic muon through ``vertex``, which stops there with probability ``stopping``."""
    direction = _downward(1, rng)
    enter, leave = window.crossing(vertex[None], direction, np.zeros(1))
    stops = rng.random() < stopping
    kinetic = argon.energy_at_range(-enter, MASS[MUON]) if stops else _muon_energy(1, rng)
    return particles(MUON, kinetic, vertex + enter[:, None] * direction, direction, 0.0, leave - enter)


def cosmic_rays(window: Window, flux: float, rng: np.random.Generator) -> Particles:
    """Generate the cosmic muons of one readout that cross the window, at their entry into its part of the argon.

    ``flux`` is the flux through a horizontal plane [1/(cm² min)]. Arrival is uniform in time: muons early or late by
    less than a drift time appear shifted along the drift, cut at the anode or the cathode.
    """
    margin = 2 * HALF_HEIGHT
    lower, upper = window.box(np.zeros(1))
    _, first_tick, _, last_tick = window.edges
    earliest = (first_tick - TRIGGER_TICK) * TICK - DRIFT_LENGTH / DRIFT_VELOCITY
    low = np.array([-margin, lower[0, 2] - margin, earliest])
    high = np.array([DRIFT_LENGTH + margin, upper[0, 2] + margin, (last_tick - TRIGGER_TICK) * TICK])
    n = rng.poisson(flux / 60e6 * np.prod(high - low))
    drift, beam, time = (low + (high - low) * rng.random((n, 3))).T
    top = np.stack([drift, np.full(n, HALF_HEIGHT), beam], axis=1)
    direction = _downward(n, rng)
    enter, leave = window.crossing(top, direction, time)
    start = top + enter[:, None] * direction
    return particles(MUON, _muon_energy(n, rng), start, direction, time, leave - enter).take(leave > enter)


def _downward(n: int, rng: np.random.Generator) -> Floats:
    """Draw (n, 3) directions through a horizontal plane of muons with an intensity of squared zenith cosine."""
    return deflect(np.repeat(DOWN, n, 0), np.arccos(rng.random(n) ** 0.25), rng)


def _muon_energy(n: int, rng: np.random.Generator) -> Floats:
    """Draw kinetic energies (n,) [MeV] of cosmic muons near the surface: log-normal about 3 GeV."""
    return 3000.0 * np.exp(rng.standard_normal(n))
