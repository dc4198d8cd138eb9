"""Events of a liquid-argon sample: simulation by event model and number, and batches of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join
from dmcnn.detectors.lartpc import PLANE
from dmcnn.images.sparse import EVENT, META, UNIT_WIRE_TICK, SparseImages
from dmcnn.simulation.lartpc.argon import ELECTRON, PHOTON, Floats
from dmcnn.simulation.lartpc.detector import Window, place_window
from dmcnn.simulation.lartpc.generators import cosmic_rays
from dmcnn.simulation.lartpc.particles import Deposits, Particles
from dmcnn.simulation.lartpc.response import Response, digitise
from dmcnn.simulation.lartpc.showers import shower
from dmcnn.simulation.lartpc.tracks import track

EVENTS_PER_SUBRUN = 50

Source: TypeAlias = Callable[[Floats, Window, np.random.Generator], Particles]


@dataclass(frozen=True)
class EventModel:
    """Event model: image size, kinds of events with their fractions, cosmic flux and response.

    Attributes:
        version: version of the physics, see the sample.
        rows, columns: size of an image [pixels].
        jitter: rms distance of the vertex from the centre of the image, along each axis [pixels].
        runs: run number of each kind of event.
        fractions: probability of each kind; they add up to one.
        sources: generator of the primary particles of each kind.
        cosmic_flux: flux through a horizontal plane of the muons that overlay every event [1/(cm² min)].
        response: response of the electronics.
    """

    version: int
    rows: int
    columns: int
    jitter: float
    runs: tuple[int, ...]
    fractions: tuple[float, ...]
    sources: tuple[Source, ...]
    cosmic_flux: float
    response: Response


@dataclass(frozen=True)
class SimulatedEvent:
    """One event: kind as run number, window of the image, index and value of the active pixels."""

    run: int
    window: Window
    index: NDArray[np.int32]
    value: NDArray[np.float32]


def simulate(model: EventModel, seed: int, number: int) -> SimulatedEvent:
    """Simulate event ``number``; it depends on ``model``, ``seed`` and ``number`` alone."""
    rng = np.random.default_rng([seed, number])
    vertex, window = place_window(model.rows, model.columns, model.jitter, rng)
    kind = int(np.searchsorted(np.cumsum(model.fractions[:-1]), rng.random(), side="right"))
    primaries = model.sources[kind](vertex, window, rng)
    rays = cosmic_rays(window, model.cosmic_flux, rng)
    ionisation = deposits(join([primaries, rays]), rng, model.version)
    return SimulatedEvent(model.runs[kind], window, *digitise(ionisation, window, model.response, rng))


def deposits(primaries: Particles, rng: np.random.Generator, version: int = 2) -> Deposits:
    """Return all ionisation of ``primaries`` and their secondary particles."""
    light = (primaries.code == ELECTRON) | (primaries.code == PHOTON)
    tracks, electrons = track(primaries.take(~light), rng, version=version)
    return join([tracks, shower(join([primaries.take(light), electrons]), rng, version)])


def images(model: EventModel, seed: int, numbers: Sequence[int]) -> SparseImages:
    """Simulate the events ``numbers`` as images of one channel, without labels.

    The entry is the number, the event id is the number + 1; a subrun has ``EVENTS_PER_SUBRUN`` events.
    """
    simulated = [simulate(model, seed, number) for number in numbers]
    events = np.zeros(len(simulated), EVENT)
    events["run"] = [event.run for event in simulated]
    events["entry"] = numbers
    events["event"] = events["entry"] + 1
    events["subrun"] = events["entry"] // EVENTS_PER_SUBRUN + 1
    meta = np.zeros((len(simulated), 1), META)
    meta["plane"], meta["unit"] = PLANE, UNIT_WIRE_TICK
    edges = np.array([event.window.edges for event in simulated])
    for name, edge in zip(("x_min", "y_min", "x_max", "y_max"), edges.T, strict=True):
        meta[name][:, 0] = edge
    return SparseImages(
        offsets=np.cumsum([0, *(len(event.index) for event in simulated)], dtype=np.int64),
        index=np.concatenate([event.index for event in simulated]),
        value=np.concatenate([event.value for event in simulated]),
        shape=(1, model.rows, model.columns),
        events=events,
        meta=meta,
    )
