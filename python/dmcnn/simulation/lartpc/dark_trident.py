"""Dark-trident sample: e+e- pairs of dark tridents among neutrino interactions and cosmic muons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf

from dmcnn.detectors.lartpc import ROWS, WIRES
from dmcnn.images.sparse import SparseImages
from dmcnn.simulation.lartpc import generators
from dmcnn.simulation.lartpc.argon import ELECTRON, MASS
from dmcnn.simulation.lartpc.events import EventModel, images
from dmcnn.simulation.lartpc.response import Response
from dmcnn.simulation.ranges import check

SIGNAL_RUN, NEUTRINO_RUN, COSMIC_RUN = 100, 200, 300
"""Run numbers of the kinds of event; 100 is the signal, as in DM-CNN's files."""


def dark_trident(
    events: int,
    seed: int,
    batch: int = 64,
    start: int = 0,
    *,
    version: int = 2,
    xdim: int = 512,
    ydim: int = 512,
    vertex_jitter: float = 40.0,
    signal_fraction: float = 0.5,
    dark_photon_mass: float = 50.0,
    dark_photon_energy: float = 400.0,
    angular_spread: float = 0.25,
    cosmic_fraction: float = 0.3,
    stopping_fraction: float = 0.5,
    charged_current: float = 0.7,
    neutral_pions: float = 0.4,
    cosmic_flux: float = 1.0,
    gain: float = 220.0,
    lifetime: float = 18000.0,
    shaping: float = 2.5,
    noise: float = 2.2,
    zero_suppression: float = 7.0,
) -> Iterator[SparseImages]:
    """Simulate images of the collection plane of a MicroBooNE-like detector around a vertex, in random order.

    Event i of a seed is the same whatever the number of events and the batch size. The run number is
    ``SIGNAL_RUN``, ``NEUTRINO_RUN`` or ``COSMIC_RUN``; images carry no label.

    Args:
        events: number of events.
        seed: not negative.
        batch: images per batch.
        start: number of the first event.
        version: 1 straggles by Moyal's formula and has no annihilation photons.
        xdim, ydim: width [wires] and height [rows of 6 ticks] of an image.
        vertex_jitter: rms distance of the vertex from the centre, along each axis [pixels].
        signal_fraction: probability of an event to be a dark trident.
        dark_photon_mass: mass [MeV]; with the energy it sets the opening angle of the pair.
        dark_photon_energy: mean kinetic energy [MeV].
        angular_spread: rms angle of the dark photon to the beam in each projection [rad].
        cosmic_fraction: fraction of the background with a cosmic muon at the vertex; the rest are neutrino
            interactions.
        stopping_fraction: fraction of these muons that stop at the vertex; most decay there.
        charged_current: fraction of the neutrino interactions with a muon.
        neutral_pions: mean number of neutral pions of a neutrino interaction.
        cosmic_flux: flux through a horizontal plane of the muons that overlay every event [1/(cm² min)].
        gain: ADC counts per MeV of ionisation that escapes recombination.
        lifetime: lifetime of drifting electrons [µs].
        shaping: Gaussian width of the deconvolved pulse [ticks].
        noise: rms in a pixel [ADC].
        zero_suppression: pixels below are set to 0 [ADC].

    Raises:
        InputError: arguments outside their ranges, one line each; raised by the call, not by the first batch.
    """
    check(locals(), _RANGES)
    background = 1 - signal_fraction
    model = EventModel(
        version=version,
        rows=ydim,
        columns=xdim,
        jitter=vertex_jitter,
        runs=(SIGNAL_RUN, NEUTRINO_RUN, COSMIC_RUN),
        fractions=(signal_fraction, background * (1 - cosmic_fraction), background * cosmic_fraction),
        sources=(
            partial(
                generators.dark_trident,
                mass=dark_photon_mass,
                mean_energy=dark_photon_energy,
                spread=angular_spread,
            ),
            partial(generators.neutrino, charged_current=charged_current, neutral_pions=neutral_pions),
            partial(generators.cosmic_muon, stopping=stopping_fraction),
        ),
        cosmic_flux=cosmic_flux,
        response=Response(gain, lifetime, shaping, noise, zero_suppression),
    )
    return (
        images(model, seed, range(first, min(first + batch, events))) for first in range(start, events, batch)
    )


_RANGES = {
    "events": (0, inf),
    "seed": (0, inf),
    "batch": (1, inf),
    "start": (0, inf),
    "version": (1, 2),
    "xdim": (1, WIRES),
    "ydim": (1, ROWS),
    "dark_photon_mass": (2 * MASS[ELECTRON], 1e4),
    "dark_photon_energy": (0, 1e5),
    "neutral_pions": (0, 10),
    "cosmic_flux": (0, 100),
    "gain": (1e-9, inf),
    "lifetime": (1e-9, inf),
    **dict.fromkeys(("signal_fraction", "cosmic_fraction", "stopping_fraction", "charged_current"), (0, 1)),
}
"""Argument -> smallest and largest value; the others must be finite and not negative."""
