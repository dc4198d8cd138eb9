"""Liquid argon: stopping power, range and scattering of charged particles, recombination, photon interactions.

Units: MeV, cm, µs, kV/cm. Formulas and constants: Particle Data Group, "Passage of particles through matter"
and "Atomic and nuclear properties of materials" (liquid argon).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

ELECTRON, POSITRON, PHOTON, MUON, PION, KAON, PROTON = 11, -11, 22, 13, 211, 321, 2212
"""PDG codes; without a magnetic field the sign of the charge has no effect, so only one of each pair is used, but for
positrons, which annihilate."""

MASS = {ELECTRON: 0.51100, PHOTON: 0.0, MUON: 105.658, PION: 139.570, KAON: 493.677, PROTON: 938.272}
"""Rest mass [MeV]."""

DENSITY = 1.396  # g/cm³
Z_OVER_A = 0.45059  # mol/g
RADIATION_LENGTH = 14.0  # cm
CRITICAL_ENERGY = 32.0  # MeV, of electrons
KNOCK_ON_CUT = 1.5  # MeV
"""Knock-on electrons above this energy are separate particles; below, they belong to the track."""
NUCLEAR_INTERACTION_LENGTH = 85.7  # cm, of protons and pions

_K = 0.307075 * Z_OVER_A * DENSITY  # MeV/cm, the constant of the Bethe formula in liquid argon
_MEAN_EXCITATION = 188e-6  # MeV
_X0, _X1, _A, _C = 0.2, 3.0, 0.19559, 5.2146  # Sternheimer's density correction, exponent 3
_ELECTRON_DENSITY = 6.02214e23 * Z_OVER_A * DENSITY  # 1/cm³
_ELECTRON_RADIUS = 2.81794e-13  # cm


def beta2(kinetic: Floats, mass: Floats | float) -> Floats:
    """Return the squared velocity, in units of c², of particles of ``kinetic`` energy and rest ``mass`` [MeV]."""
    return 1.0 - (mass / (kinetic + mass)) ** 2


def largest_transfer(kinetic: Floats, mass: Floats | float) -> Floats:
    """Return the largest kinetic energy [MeV] that a heavy particle transfers to an electron in one collision."""
    m, gamma = MASS[ELECTRON], 1.0 + kinetic / mass
    transfer: Floats = 2 * m * (gamma**2 - 1) / (1 + 2 * gamma * m / mass + (m / mass) ** 2)
    return transfer


def transfer_rate(most: Floats, b2: Floats | float, cut: float) -> Floats:
    """Return the collisions per cm that transfer ``cut`` to ``most`` [MeV], by Rutherford's 1/T² law."""
    return 0.5 * _K / b2 * (1 / cut - 1 / np.maximum(most, cut))


def knock_on_angle(kinetic: Floats, most: Floats) -> Floats:
    """Return the angle [rad] of an electron that gets ``kinetic`` [MeV], ``most`` of them at most, in a collision."""
    m = MASS[ELECTRON]
    return np.arccos(np.sqrt(np.minimum(kinetic * (most + 2 * m) / (most * (kinetic + 2 * m)), 1)))


def stopping_power(kinetic: Floats, mass: Floats | float, cut: float = np.inf) -> Floats:
    """Return the mean energy loss [MeV/cm] of a heavy particle of charge 1.

    Bethe formula with density correction; restricted to collisions that transfer less than ``cut`` [MeV].
    """
    b2 = beta2(kinetic, mass)
    bg2 = b2 / (1 - b2)
    most = largest_transfer(kinetic, mass)
    upper = np.minimum(cut, most)
    x = 0.5 * np.log10(bg2)
    density = 2 * np.log(10) * x - _C + _A * np.clip(_X1 - x, 0, None) ** 3
    bracket = np.log(2 * MASS[ELECTRON] * bg2 * upper / _MEAN_EXCITATION**2) - b2 * (1 + upper / most)
    loss: Floats = 0.5 * _K / b2 * (bracket - np.where(x > _X0, density, 0.0))
    return loss


@lru_cache(maxsize=1)
def _range_table() -> tuple[Floats, Floats]:
    """Return kinetic energy and range, both divided by the mass [1, cm/MeV]: nearly equal for all heavy particles."""
    mass = MASS[PROTON]
    kinetic = mass * np.geomspace(1e-3, 300.0, 800)
    slowness = 1 / stopping_power(kinetic, mass)
    first = kinetic[0] * slowness[0] / 2
    steps = np.diff(kinetic) * (slowness[1:] + slowness[:-1]) / 2
    return kinetic / mass, np.concatenate([[first], first + np.cumsum(steps)]) / mass


def csda_range(kinetic: Floats, mass: Floats | float) -> Floats:
    """Return the range [cm] in the continuous-slowing-down approximation."""
    energies, ranges = _range_table()
    return np.interp(kinetic / mass, energies, ranges) * mass


def energy_at_range(residual: Floats, mass: Floats | float) -> Floats:
    """Return the kinetic energy [MeV] of a particle with ``residual`` range [cm]."""
    energies, ranges = _range_table()
    x = residual / mass
    below = energies[0] * x / ranges[0]
    return np.where(x < ranges[0], below, np.interp(x, ranges, energies)) * mass


def relativistic_loss(cut: float) -> float:
    """Return the mean loss [MeV/cm] of an electron to collisions below ``cut`` [MeV], equal from a few MeV on.

    Bethe formula in the limit of the density correction, where the loss no longer rises (Fermi's plateau).
    """
    return 0.5 * _K * float(np.log(2 * MASS[ELECTRON] * cut / _MEAN_EXCITATION**2) - 1 + _C)


SOFT = 0.25
"""Largest energy transfer of the collisions that ``straggle`` sums up as a Gaussian, in units of ξ."""


def straggle(
    mean: Floats, length: Floats | float, b2: Floats, most: Floats, rng: np.random.Generator
) -> Floats:
    """Draw energy deposits [MeV] about ``mean`` over ``length`` [cm] for particles of squared velocity ``b2``.

    Collisions with electrons, none of more than ``most`` MeV: the many soft ones are a Gaussian, the hard ones (four
    for ξ = 0.15 MeV/β² per g/cm² Z/A) are drawn one by one from 1/T². So deposits of short steps add up to those of
    long ones, and have Landau's peak and tail where ``most`` is large. A deposit is at least a quarter of the mean.
    """
    xi = 0.5 * _K * length / b2
    soft = np.minimum(SOFT * xi, most)
    hits = rng.poisson(xi * (1 / soft - 1 / most))
    of = np.repeat(np.arange(len(hits)), hits)
    transfer = soft[of] / (1 - rng.random(len(of)) * (1 - soft[of] / most[of]))
    deposit = mean - xi * np.log(most / soft) + np.bincount(of, transfer, len(hits))
    deposit += np.sqrt(xi * soft) * rng.standard_normal(len(hits))
    least: Floats = np.maximum(deposit, mean / 4)
    return least


def moyal(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Draw Moyal variates of unit scale and mean 0, an analytic approximation of Landau straggling.

    J. E. Moyal, Phil. Mag. 46 (1955) 263: exp(-x) is chi-square distributed with one degree of freedom.
    """
    variates: Floats = -np.log(rng.standard_normal(shape) ** 2 + 1e-12) - (np.euler_gamma + np.log(2))
    return variates


def straggle_moyal(
    mean: Floats, length: Floats | float, b2: Floats, most: Floats, rng: np.random.Generator
) -> Floats:
    """Draw what ``straggle`` does in version 1, from a distribution without Landau's tail.

    The Moyal scale is 1.12 ξ, which gives Landau's full width at half maximum, 4.02 ξ. Where collisions of at most
    ``most`` MeV are many, the Gaussian width sqrt(ξ·most·(1 - β²/2)) is smaller and replaces it. A deposit is at
    least a quarter of the mean.
    """
    xi = 0.5 * _K * length / b2
    scale = np.minimum(1.12 * xi, np.sqrt(xi * most * (1 - b2 / 2)) / (np.pi / np.sqrt(2)))
    deposit: Floats = np.maximum(mean + scale * moyal(mean.shape, rng), mean / 4)
    return deposit


def scattering_angle(momentum: Floats, b2: Floats, length: float) -> Floats:
    """Return Highland's projected multiple-scattering angle [rad] over ``length`` [cm] at ``momentum`` [MeV/c].

    The logarithmic term is omitted: it is for the whole path, and many short steps would each apply it.
    """
    angle: Floats = 13.6 / (np.sqrt(b2) * momentum) * np.sqrt(length / RADIATION_LENGTH)
    return np.minimum(angle, 1.0)


def surviving_charge(loss: Floats, field: float) -> Floats:
    """Return the fraction of ionisation that escapes recombination, for dE/dx = ``loss`` [MeV/cm], ``field`` [kV/cm].

    Birks' law with ICARUS' constants (S. Amoruso et al., Nucl. Instrum. Meth. A 523 (2004) 275).
    """
    return 0.800 / (1 + 0.0486 / (DENSITY * field) * loss)


def compton_rate(energy: Floats) -> Floats:
    """Return the Compton scatterings per cm of a photon of ``energy`` [MeV] (Klein and Nishina, free electrons)."""
    k = energy / MASS[ELECTRON]
    log = np.log1p(2 * k)
    first = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - log / k)
    area = first + log / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2
    return 2 * np.pi * _ELECTRON_RADIUS**2 * area * _ELECTRON_DENSITY


def radiation_factor(kinetic: Floats) -> Floats:
    """Return the energy that electrons radiate per radiation length over their ``kinetic`` energy [MeV].

    A fit to the Bethe-Heitler cross-section: within 0.05 above 1 MeV, 1 above 1 GeV.
    """
    return 1 / (1 + kinetic**-0.69)


def pair_rate(energy: Floats) -> Floats:
    """Return the pair conversions per cm of a photon of ``energy`` [MeV].

    7/9 per radiation length, times a fit to the parametrised Bethe-Heitler cross-section of Geant4's physics
    manual in argon: within 2 % above 10 MeV; 0.03 too high below 5 MeV, where Compton scattering dominates.
    """
    threshold = 2 * MASS[ELECTRON]
    reduction = np.clip(1 - threshold / energy, 0, None) / (1 + (30 / energy) ** 0.77)
    return 7 / (9 * RADIATION_LENGTH) * reduction
