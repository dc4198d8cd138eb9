"""From a recipe and a number to an event, and from events to a batch of images."""

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
from dmcnn.simulation.lartpc.detector import Window, place
from dmcnn.simulation.lartpc.generators import cosmic_rays
from dmcnn.simulation.lartpc.particles import Deposits, Particles
from dmcnn.simulation.lartpc.response import Response, digitise
from dmcnn.simulation.lartpc.showers import shower
from dmcnn.simulation.lartpc.tracks import track

EVENTS_PER_SUBRUN = 50

Source: TypeAlias = Callable[[Floats, Window, np.random.Generator], Particles]


@dataclass(frozen=True)
class Recipe:
    """All that decides how events look.

    Attributes:
        rows, columns: size of an image [pixels].
        jitter: rms distance of the vertex to the middle of the image, on each axis [pixels].
        runs: run number of each kind of event.
        fractions: probability of each kind; they add up to one.
        sources: what makes each kind.
        cosmic_flux: of the muons laid over every event, through a horizontal plane [1/(cm² min)].
        response: of the electronics.
    """

    rows: int
    columns: int
    jitter: float
    runs: tuple[int, ...]
    fractions: tuple[float, ...]
    sources: tuple[Source, ...]
    cosmic_flux: float
    response: Response


@dataclass(frozen=True)
class Event:
    """One event: its kind as run number, the place of its image, the pixels that hold charge."""

    run: int
    window: Window
    index: NDArray[np.int32]
    value: NDArray[np.float32]


def simulate(recipe: Recipe, seed: int, number: int) -> Event:
    """Event ``number`` of ``seed``: it depends on nothing else."""
    rng = np.random.default_rng([seed, number])
    vertex, window = place(recipe.rows, recipe.columns, recipe.jitter, rng)
    kind = int(np.searchsorted(np.cumsum(recipe.fractions[:-1]), rng.random(), side="right"))
    primaries = recipe.sources[kind](vertex, window, rng)
    rays = cosmic_rays(window, recipe.cosmic_flux, rng)
    ionisation = deposits(join([primaries, rays]), rng)
    return Event(recipe.runs[kind], window, *digitise(ionisation, window, recipe.response, rng))


def deposits(primaries: Particles, rng: np.random.Generator) -> Deposits:
    """All ionisation of ``primaries`` and of everything they set free."""
    light = (primaries.code == ELECTRON) | (primaries.code == PHOTON)
    left, freed = track(primaries.take(~light), rng)
    return join([left, shower(join([primaries.take(light), freed]), rng)])


def images(recipe: Recipe, seed: int, numbers: Sequence[int]) -> SparseImages:
    """The events of ``numbers`` as images of one channel, without labels.

    Event and entry are the number, counted from 1 and 0; a subrun holds ``EVENTS_PER_SUBRUN`` events.
    """
    made = [simulate(recipe, seed, number) for number in numbers]
    events = np.zeros(len(made), EVENT)
    events["run"] = [event.run for event in made]
    events["entry"] = numbers
    events["event"] = events["entry"] + 1
    events["subrun"] = events["entry"] // EVENTS_PER_SUBRUN + 1
    meta = np.zeros((len(made), 1), META)
    meta["plane"], meta["unit"] = PLANE, UNIT_WIRE_TICK
    edges = np.array([event.window.edges for event in made])
    for name, edge in zip(("x_min", "y_min", "x_max", "y_max"), edges.T, strict=True):
        meta[name][:, 0] = edge
    return SparseImages(
        offsets=np.cumsum([0, *(len(event.index) for event in made)], dtype=np.int64),
        index=np.concatenate([event.index for event in made]),
        value=np.concatenate([event.value for event in made]),
        shape=(1, recipe.rows, recipe.columns),
        events=events,
        meta=meta,
    )
