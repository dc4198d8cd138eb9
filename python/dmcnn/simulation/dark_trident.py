"""The built-in sample: e+e- pairs of dark tridents among neutrino interactions and cosmic muons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmcnn.errors import InputError
from dmcnn.images import EVENT, META, UNIT_WIRE_TICK, SparseImages
from dmcnn.simulation import generators
from dmcnn.simulation.argon import ELECTRON, PHOTON, Floats
from dmcnn.simulation.detector import PLANE, READOUT, TICKS_PER_ROW, WIRES, Window, place
from dmcnn.simulation.particles import Deposits, Particles, joined
from dmcnn.simulation.response import Response, digitise
from dmcnn.simulation.showers import shower
from dmcnn.simulation.tracks import track

SIGNAL_RUN, NEUTRINO_RUN, COSMIC_RUN = 100, 200, 300
"""Run numbers: they tell the kinds of event apart, as in DM-CNN's files, where run 100 is the signal."""

EVENTS_PER_SUBRUN = 50


@dataclass(frozen=True)
class _Sample:
    """The parameters of ``dark_trident`` that one event needs."""

    seed: int
    rows: int
    columns: int
    signal_fraction: float
    dark_photon_mass: float
    dark_photon_energy: float
    angular_spread: float
    cosmic_fraction: float
    stopping_fraction: float
    charged_current: float
    neutral_pions: float
    cosmic_flux: float
    vertex_jitter: float
    response: Response


def dark_trident(
    events: int,
    seed: int,
    batch: int = 64,
    *,
    xdim: int = 512,
    ydim: int = 512,
    signal_fraction: float = 0.5,
    dark_photon_mass: float = 50.0,
    dark_photon_energy: float = 400.0,
    angular_spread: float = 0.25,
    cosmic_fraction: float = 0.3,
    stopping_fraction: float = 0.5,
    charged_current: float = 0.7,
    neutral_pions: float = 0.4,
    cosmic_flux: float = 1.0,
    vertex_jitter: float = 8.0,
    gain: float = 220.0,
    lifetime: float = 18000.0,
    shaping: float = 2.5,
    noise: float = 2.8,
    zero_suppression: float = 7.0,
) -> Iterator[SparseImages]:
    """Simulate ``events`` collection-plane images of a MicroBooNE-like detector, in batches."""
    response = Response(gain, lifetime, shaping, noise, zero_suppression)
    sample = _Sample(
        seed,
        ydim,
        xdim,
        signal_fraction,
        dark_photon_mass,
        dark_photon_energy,
        angular_spread,
        cosmic_fraction,
        stopping_fraction,
        charged_current,
        neutral_pions,
        cosmic_flux,
        vertex_jitter,
        response,
    )
    for first in range(0, events, batch):
        yield _batch(sample, range(first, min(first + batch, events)))


def _batch(sample, numbers):
    images, runs, windows = [], [], []
    for number in numbers:
        run, window, image = _event(sample, number)
        runs.append(run)
        windows.append(window)
        images.append(image)
    counts = [len(index) for index, _ in images]
    n = len(images)
    events = np.zeros(n, EVENT)
    events["run"] = runs
    events["entry"] = np.array(numbers)
    events["event"] = events["entry"] + 1
    events["subrun"] = events["entry"] // EVENTS_PER_SUBRUN + 1
    meta = np.zeros((n, 1), META)
    meta["plane"], meta["unit"] = PLANE, UNIT_WIRE_TICK
    for name, edge in zip(("x_min", "y_min", "x_max", "y_max"), np.array([w.edges for w in windows]).T):
        meta[name][:, 0] = edge
    return SparseImages(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        index=np.concatenate([i for i, _ in images]),
        value=np.concatenate([v for _, v in images]),
        shape=(1, sample.rows, sample.columns),
        events=events,
        meta=meta,
    )


def _event(sample, number):
    rng = np.random.default_rng([sample.seed, number])
    vertex, window = place(sample.rows, sample.columns, sample.vertex_jitter, rng)
    run, primaries = _primaries(sample, vertex, window, rng)
    rays = generators.cosmic_rays(window, sample.cosmic_flux, rng)
    return run, window, digitise(deposits(joined([primaries, rays]), rng), window, sample.response, rng)


def _primaries(sample, vertex, window, rng):
    if rng.random() < sample.signal_fraction:
        return SIGNAL_RUN, generators.dark_trident(
            vertex, sample.dark_photon_mass, sample.dark_photon_energy, sample.angular_spread, rng
        )
    if rng.random() < sample.cosmic_fraction:
        return COSMIC_RUN, generators.cosmic_at(vertex, sample.stopping_fraction, window, rng)
    seen = generators.neutrino(vertex, sample.charged_current, sample.neutral_pions, rng)
    return NEUTRINO_RUN, replace(seen, path=window.crossing(seen.position, seen.direction, seen.time)[1])


def deposits(primaries, rng):
    light = (primaries.code == ELECTRON) | (primaries.code == PHOTON)
    heavy = primaries.take(~light)
    parts, electrons = [], [primaries.take(light)]
    if len(heavy):
        left, freed = track(heavy, rng)
        parts.append(left)
        electrons.append(freed)
    parts.append(shower(joined(electrons), rng))
    return joined(parts)
