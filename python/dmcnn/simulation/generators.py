"""Who enters the argon: dark tridents, neutrino interactions, cosmic muons."""

from __future__ import annotations

import numpy as np

from dmcnn.simulation import argon
from dmcnn.simulation.argon import ELECTRON, MASS, MUON, PHOTON, PION, PROTON, Floats
from dmcnn.simulation.detector import DRIFT_LENGTH, DRIFT_VELOCITY, HALF_HEIGHT, TICK, TRIGGER_TICK, Window
from dmcnn.simulation.particles import Particles, deflected, joined, particles

NEUTRAL_PION_MASS = 134.977  # MeV
BEAM = np.array([[0.0, 0.0, 1.0]])


def two_body(
    energy: float, mass: float, daughter: float, direction: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Isotropic decay in flight into two of mass ``daughter``: kinetic energies (2,) [MeV], directions (2, 3).

    ``energy`` is the parent's total energy [MeV], ``direction`` (1, 3) its flight.
    """
    gamma = energy / mass
    speed = np.sqrt(1 - 1 / gamma**2)
    momentum = np.sqrt(mass**2 / 4 - daughter**2)
    cosine = rng.uniform(-1, 1)
    along = gamma * (momentum * cosine * np.array([1.0, -1.0]) + speed * mass / 2)
    across = momentum * np.sqrt(1 - cosine**2)
    side = deflected(direction, np.array([np.pi / 2]), rng)
    vectors = along[:, None] * direction + np.array([[across], [-across]]) * side
    size = np.linalg.norm(vectors, axis=1)
    return np.hypot(size, daughter) - daughter, vectors / size[:, None]


def dark_trident(
    vertex: Floats, mass: float, mean_energy: float, spread: float, rng: np.random.Generator
) -> Particles:
    """e+e- of an on-shell dark photon of ``mass`` [MeV] radiated by dark matter scattering off an argon nucleus.

    Its kinetic energy is Gamma(2)-distributed with mean ``mean_energy`` [MeV], its flight ``spread`` rad rms
    off the beam in each projection (P. deNiverville et al., arXiv:1808.03303: boosted, hence forward).
    """
    energy = mass + rng.gamma(2.0, mean_energy / 2)
    flight = deflected(BEAM, spread * np.hypot(*rng.standard_normal((2, 1))), rng)
    kinetic, direction = two_body(energy, mass, MASS[ELECTRON], flight, rng)
    return particles(ELECTRON, kinetic, vertex, direction)


def neutrino(
    vertex: Floats, charged_current: float, neutral_pions: float, rng: np.random.Generator
) -> Particles:
    """Final state of a muon-neutrino interaction in argon, of the energies of the booster and NuMI beams.

    A muon with probability ``charged_current``, one proton and on average half a one more, a charged pion in
    one of four, on average ``neutral_pions`` neutral ones, which decay at once. A neutral-current interaction
    has at least one pion: without, nothing would have been selected.
    """
    is_charged = rng.random() < charged_current
    count = {
        MUON: int(is_charged),
        PROTON: 1 + rng.poisson(0.5),
        PION: rng.poisson(0.25),
    }
    pi0 = rng.poisson(neutral_pions)
    if not is_charged and count[PION] + pi0 == 0:
        pi0 = 1
    code = np.repeat(list(count), list(count.values()))
    scale = {MUON: (2.0, 200.0, 0.5), PROTON: (1.5, 60.0, 0.7), PION: (2.0, 90.0, 0.8)}
    shape, energy, spread = np.array([scale[c] for c in code.tolist()]).T
    kinetic = 15 + rng.gamma(shape, energy)
    direction = deflected(np.repeat(BEAM, len(code), 0), spread * np.abs(rng.standard_normal(len(code))), rng)
    out = [particles(code, kinetic, vertex, direction)]
    for _ in range(pi0):
        flight = deflected(BEAM, np.abs(rng.standard_normal(1)), rng)
        total = NEUTRAL_PION_MASS + rng.gamma(2.0, 90.0)
        energies, directions = two_body(total, NEUTRAL_PION_MASS, 0.0, flight, rng)
        out.append(particles(PHOTON, energies, vertex, directions))
    return joined(out)


def cosmic_at(vertex: Floats, stopping: float, window: Window, rng: np.random.Generator) -> Particles:
    """A cosmic muon through ``vertex`` (3,), which with probability ``stopping`` ends there."""
    direction = _downward(1, rng)
    enter, leave = window.crossing(vertex[None], direction, np.zeros(1))
    stops = rng.random() < stopping
    kinetic = argon.energy_at_range(-enter, MASS[MUON]) if stops else _muon_energy(1, rng)
    path = -enter + 1.0 if stops else leave - enter
    return particles(MUON, kinetic, vertex + enter[:, None] * direction, direction, 0.0, path)


def cosmic_rays(window: Window, flux: float, rng: np.random.Generator) -> Particles:
    """The cosmic muons of one readout that the window sees, where they enter its part of the argon.

    ``flux`` through a horizontal plane [1/(cm² min)]; the angles follow cos² of the zenith, the arrival is
    uniform in time: muons late or early by less than a drift time appear displaced and cut at the anode or
    the cathode.
    """
    margin = 2 * HALF_HEIGHT
    _, tick, _, last_tick = window.edges
    lower, upper = window.box(np.zeros(1))
    first = (tick - TRIGGER_TICK) * TICK - DRIFT_LENGTH / DRIFT_VELOCITY
    last = (last_tick - TRIGGER_TICK) * TICK
    low = np.array([-margin, lower[0, 2] - margin, first])
    high = np.array([DRIFT_LENGTH + margin, upper[0, 2] + margin, last])
    size = high - low
    n = rng.poisson(flux / 60e6 * size.prod())
    x, z, time = (low + size * rng.random((n, 3))).T
    position = np.stack([x, np.full(n, HALF_HEIGHT), z], axis=1)
    direction = _downward(n, rng)
    enter, leave = window.crossing(position, direction, time)
    enter = np.maximum(enter, 0.0)
    muons = particles(
        MUON, _muon_energy(n, rng), position + enter[:, None] * direction, direction, time, leave - enter
    )
    return muons.take(leave > enter)


def _downward(n: int, rng: np.random.Generator) -> Floats:
    """(n, 3) directions of muons through a horizontal plane: intensity cos² of the zenith, so cos³ of flux."""
    return deflected(np.repeat([[0.0, -1.0, 0.0]], n, 0), np.arccos(rng.random(n) ** 0.25), rng)


def _muon_energy(n: int, rng: np.random.Generator) -> Floats:
    """Kinetic energies (n,) [MeV] of cosmic muons near the surface: log-normal about 3 GeV."""
    return 3000.0 * np.exp(rng.standard_normal(n))
