"""Electrons and photons in the barrel of a crystal calorimeter behind a silicon tracker in a solenoid, as in CMS.

Rows of an image run along pseudorapidity, columns along azimuth, in which the field bends. Electrons radiate in the
tracker, and some photons convert there: both spread their energy in azimuth, electrons to one side, pairs to both.

Numbers: CMS Collaboration, The CMS experiment at the CERN LHC, JINST 3 (2008) S08004 (geometry, material, noise);
CMS ECAL, Time reconstruction and performance, JINST 5 (2010) T03011; G. Grindhammer, S. Peters, hep-ex/0001020
(radial profile).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from dmcnn.detectors.calorimeter import ENERGY_UNIT, TIME_UNIT
from dmcnn.images.sparse import UNIT_CELL, SparseImages, sparse, unset_events
from dmcnn.simulation.blocks import Columns, simulate_batches
from dmcnn.simulation.ranges import check

Floats = NDArray[np.float64]

PHOTON, ELECTRON = 0, 1
"""Class numbers, as in the published files."""
TIME_RANGE = 0.3
"""[TIME_UNIT] largest |t|: a pulse fit that ends beyond it gets a uniform random time within."""

BLOCK = 256
"""Events per generator, always simulated together, so that an event does not depend on the number of events."""

RADIUS = 1.29
"""[m] distance from the beam to the front of the crystals."""
TRACKER = 0.04, 1.1
"""[m] inner and outer radius of the material."""
MATERIAL_SLOPE = 1.8
"""Power of cosh(eta) with which the material grows, to 1.6 radiation lengths at the end of the barrel."""
BARREL = 1.4
"""Largest |eta|."""
CRYSTAL = 0.022
"""[m] side of a crystal's front, which is also the Moliere radius of lead tungstate."""
SOFTEST = 0.005
"""Energy share of the softest radiated photon; softer ones are neglected."""
RADIATIONS = 6
"""Largest number of photons that a charged particle radiates."""
SPOTS = 1200
"""Energy deposits per event; their number sets the fluctuations of the shower shape."""
CORE, TAIL, CORE_SHARE = 0.14, 1.0, 0.85
"""Radial profile: median radii of core and tail [Moliere radii], and the energy share of the core."""
TIMING = 35.0, 0.15
"""[ns] resolution: noise term, over the ratio of amplitude to noise, and constant term."""


@dataclass(frozen=True)
class Detector:
    """Detector of the simulation: image size [crystals], field [T], material at eta = 0 [radiation lengths], share of
    the converted photons that remain, noise and zero suppression [GeV], stochastic [sqrt(GeV)] and constant term of
    the energy resolution."""

    shape: tuple[int, int]
    field: float
    material: float
    conversions: float
    noise: float
    zero_suppression: float
    stochastic: float
    constant: float


def calorimeter(
    events: int,
    seed: int,
    batch: int = BLOCK,
    start: int = 0,
    *,
    xdim: int = 32,
    ydim: int = 32,
    electron_fraction: float = 0.5,
    transverse_momentum: float = 50.0,
    field: float = 3.8,
    material: float = 0.4,
    conversions: float = 0.45,
    noise: float = 0.045,
    zero_suppression: float = 0.1,
    stochastic: float = 0.028,
    constant: float = 0.003,
) -> Iterator[SparseImages]:
    """Simulate images of energy [50 GeV] and time [50 ns] around the hottest crystal; labels: 1 electron, 0 photon.

    Event i of a seed is the same whatever the number of events and the batch size. A crystal without energy has
    energy and time 0.

    Args:
        events: number of events.
        seed: not negative.
        batch: images per batch.
        start: number of the first event.
        xdim, ydim: width (azimuth) and height (pseudorapidity) of an image [crystals].
        electron_fraction: probability of an event to be an electron.
        transverse_momentum: transverse momentum [GeV].
        field: magnetic field of the solenoid [T].
        material: material in front of the crystals at eta = 0 [radiation lengths]; four times that at the barrel's
            end.
        conversions: share of the converted photons that remain in the sample; the tracker identifies the others.
        noise: rms of a crystal [GeV].
        zero_suppression: crystals below are set to 0 [GeV].
        stochastic, constant: terms of the energy resolution [sqrt(GeV)], [1].

    Raises:
        InputError: arguments outside their ranges, one line each.
    """
    check(locals(), _RANGES)
    detector = Detector(
        (ydim, xdim), field, material, conversions, noise, zero_suppression, stochastic, constant
    )
    return _batches(detector, events, seed, batch, start, electron_fraction, transverse_momentum)


def _batches(
    detector: Detector,
    events: int,
    seed: int,
    batch: int,
    start: int,
    electron_fraction: float,
    momentum: float,
) -> Iterator[SparseImages]:
    """Yield batches of simulated images."""

    def block(rng: np.random.Generator) -> Columns:
        """Simulate a block of images and labels."""
        label = (rng.random(BLOCK) < electron_fraction).astype(np.int64)
        return simulate(detector, label, momentum, rng), label

    for first, (pictures, label) in simulate_batches(block, events, seed, batch, BLOCK, start):
        yield images(pictures, label, first)


def simulate(
    detector: Detector, label: NDArray[np.int64], momentum: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Simulate (n, 2, H, W) float32 images of energy and time of particles with class ``label`` (n,)."""
    eta = rng.uniform(-BARREL, BARREL, len(label))
    energy, place = particles(detector, label, eta, momentum, rng)
    deposit = shower(detector, energy, place, rng)
    return digitise(detector, deposit, rng)


def particles(
    detector: Detector, label: NDArray[np.int64], eta: Floats, momentum: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return energies [GeV] and azimuthal positions [m] at the crystals, both (n, k), of all particles of each event.

    Both legs of a pair are propagated as an electron is: they bend and radiate in the remaining material. An electron
    is a pair whose second leg has no energy; so is an unconverted photon, whose first leg does not bend.
    """
    n = len(label)
    depth = detector.material * np.cosh(eta) ** MATERIAL_SLOPE
    electron = label == ELECTRON
    start = np.where(
        electron, 0, rng.exponential(9 / 7, n) / depth
    )  # fraction of the material before the charged leg
    charged = electron | (start < 1) & (rng.random(n) < detector.conversions)
    share = np.where(electron | ~charged, 1, rng.random(n))
    sign = np.where(rng.random(n) < 0.5, -1, 1)
    legs = [
        _leg(detector, momentum * part, np.where(charged, start, 1), depth, np.where(charged, q, 0), rng)
        for part, q in ((share, sign), (1 - share, -sign))
    ]
    transverse, place = (np.concatenate(column, axis=1) for column in zip(*legs, strict=True))
    return transverse * np.cosh(eta)[:, None], place


def _leg(
    detector: Detector,
    momentum: Floats,
    start: Floats,
    depth: Floats,
    charge: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return transverse momenta [GeV] and positions [m] at the crystals of charged particles and their radiation.

    Args:
        momentum, charge: (n,) transverse momentum [GeV], and charge; a charge of 0 neither bends nor radiates.
        start: (n,) fraction of the ``depth`` [radiation lengths] before the particle begins.
        depth: (n,) material between the two radii of the tracker [radiation lengths].
    """
    n, (inner, outer) = len(momentum), TRACKER
    curvature = 0.3 * detector.field * charge
    radius, slope, place = inner + start * (outer - inner), np.zeros(n), np.zeros(n)
    left, at, photons = momentum.copy(), start.copy(), []
    for _ in range(RADIATIONS):
        # -4/3 ln k photons above a fraction k of the energy per radiation length, with spectrum 1/k
        at = at + rng.exponential(1, n) / (-4 / 3 * np.log(SOFTEST) * depth)
        share = np.where((at < 1) & (charge != 0), SOFTEST ** rng.random(n), 0)
        step = np.where(at < 1, inner + at * (outer - inner), radius) - radius
        bend = np.divide(curvature, left, out=np.zeros(n), where=left > 0)
        place, slope = place + slope * step + bend * step**2 / 2, slope + bend * step
        radius = radius + step
        photons.append((left * share, place + slope * (RADIUS - radius)))
        left = left * (1 - share)
    step, bend = RADIUS - radius, np.divide(curvature, left, out=np.zeros(n), where=left > 0)
    photons.append((left, place + slope * step + bend * step**2 / 2))
    energy, where = (np.stack(column, axis=1) for column in zip(*photons, strict=True))
    return energy, where


def shower(detector: Detector, energy: Floats, place: Floats, rng: np.random.Generator) -> Floats:
    """Return the (n, H, W) energies [GeV] in the crystals of particles of ``energy`` [GeV] at ``place`` [m], (n, k).

    The hottest crystal is centred in the image; energy outside the image is lost.
    """
    n, (height, width) = len(energy), detector.shape
    total = energy.sum(axis=1)
    parent = np.cumsum(energy, axis=1) / total[:, None]
    which = (rng.random((n, SPOTS))[:, :, None] > parent[:, None, :-1]).sum(axis=2)
    share = rng.random((n, SPOTS))
    radius = np.where(rng.random((n, SPOTS)) < CORE_SHARE, CORE, TAIL) * np.sqrt(share / (1 - share))
    angle = rng.uniform(0, 2 * np.pi, (n, SPOTS))
    weight = np.ones((n, SPOTS))
    spread = detector.stochastic / np.sqrt(total), np.full(n, detector.constant)
    seen = total * (1 + np.hypot(*spread) * rng.standard_normal(n))
    weight *= (seen / weight.sum(axis=1))[:, None]
    across = np.take_along_axis(place, which, axis=1) / CRYSTAL + rng.random(n)[:, None]
    column = np.floor(across + radius * np.cos(angle)).astype(np.int64)
    row = np.floor(rng.random(n)[:, None] + radius * np.sin(angle)).astype(np.int64)
    row, column = _centre_on_hottest(row, column, weight)
    row, column = row + height // 2, column + width // 2
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    cell = (np.arange(n)[:, None] * height + row) * width + column
    deposit: Floats = np.bincount(cell[inside], weight[inside], n * height * width).astype(np.float64)
    return deposit.reshape(n, height, width)


def _centre_on_hottest(
    row: NDArray[np.int64], column: NDArray[np.int64], weight: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns (n, SPOTS) relative to the hottest crystal of each event."""
    n, reach = len(row), 32
    near = (np.abs(row) < reach) & (np.abs(column) < reach)
    cell = (row + reach) * 2 * reach + column + reach + np.arange(n)[:, None] * 4 * reach**2
    hottest = np.bincount(cell[near], weight[near], n * 4 * reach**2).reshape(n, -1).argmax(axis=1)
    return row - (hottest // (2 * reach) - reach)[:, None], column - (hottest % (2 * reach) - reach)[:, None]


def digitise(detector: Detector, deposit: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Convert energies (n, H, W) [GeV] into (n, 2, H, W) float32 energy [ENERGY_UNIT] and time [TIME_UNIT]."""
    out = np.zeros((len(deposit), 2, *detector.shape), np.float32)
    measured = deposit + detector.noise * rng.standard_normal(deposit.shape, np.float32)
    above = measured > detector.zero_suppression
    energy = measured[above]
    term, floor = TIMING
    spread = np.hypot(term * detector.noise / energy, floor) / TIME_UNIT
    time = spread * rng.standard_normal(len(energy))
    time = np.where(np.abs(time) < TIME_RANGE, time, rng.uniform(-TIME_RANGE, TIME_RANGE, len(energy)))
    out[:, 0][above], out[:, 1][above] = energy / ENERGY_UNIT, time
    return out


def images(pictures: NDArray[np.float32], label: NDArray[np.int64], first: int) -> SparseImages:
    """Convert (n, 2, H, W) images into SparseImages with entries from ``first`` on."""
    events = unset_events(len(pictures), first)
    return sparse(pictures, events, label=label, unit=UNIT_CELL, axis0="channel")


_RANGES = {
    "events": (0, inf),
    "seed": (0, inf),
    "batch": (1, inf),
    "start": (0, inf),
    "xdim": (1, 1024),
    "ydim": (1, 1024),
    "electron_fraction": (0, 1),
    "conversions": (0, 1),
    "transverse_momentum": (1, 1e4),
    "field": (0, 100),
    "material": (1e-9, 100),
}
"""Argument -> smallest and largest value; the others must be finite and not negative."""
