"""Clusters of charge that tracks leave in the pixels of a thin silicon sensor, sampled while the charge drifts.

Axes of positions [µm]: x along the columns and the magnetic field, y along the rows, both from the middle of the
window's central pixel; z from the back (0) to the pixels, where the track enters. Electrons drift to the pixels and
holes to the back; the magnetic field turns both to smaller y. Version 1 of the sample has no magnetic field, its
tracks enter at the back, and formulas that know no potential tell what a charge induces.

Numbers: J. Yoo et al., Smart pixel sensors, Mach. Learn.: Sci. Technol. 5 (2024) 035047 (window, sampling, geometry,
barrel); L. Landau, J. Phys. USSR 8 (1944) 201 (straggling); J. M. Chambers, C. L. Mallows, B. W. Stuck, J. Am. Stat.
Assoc. 71 (1976) 340 (sampling of stable distributions, such as Landau's).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import erf, inf, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import nearest
from dmcnn.detectors.smartpixel import GEOMETRIES, SLICES, STEP, WINDOWS, Geometry
from dmcnn.images.sparse import UNIT_SENSOR, SparseImages, sparse, unset_events
from dmcnn.simulation.blocks import Columns, simulate_batches
from dmcnn.simulation.ranges import check
from dmcnn.simulation.silicon import THERMAL, Carrier, carrier, weighting_potential

Floats = NDArray[np.float64]

ROWS, COLUMNS = WINDOWS[0]
"""Size of a cluster's window."""

LABELS = ("x-entry", "y-entry", "z-entry", "n_x", "n_y", "n_z", "number_eh_pairs", "y-local", "pt", "cotAlpha",
          "cotBeta", "y-midplane", "x-midplane")  # fmt: skip
"""Labels of a track: entry point and mid-plane [µm], direction, pairs, position on the module [mm], transverse
momentum with the sign of the charge [GeV], and the slopes n_x / n_z and n_y / n_z."""

SLABS = 24
"""Number of layers of the sensor; a track deposits its charge at the centre of each."""
STRAGGLING, OFFSET = 4.9, 11.8
"""[1/µm] width of the Landau distribution of the pairs, and the offset of its variable in a slab: together they give
a most probable value of 72 pairs per µm for a track through 100 µm."""
HARDEST = 15_000.0
"""Largest number of pairs in a slab: electrons of more energy leave it."""
CLOUD = 1.0
"""[µm] width of the charge cloud before the drift."""
LAYERS, POINTS = 50, 8
"""Depths, and places per pixel along x and y, at which the weighting potential is known."""

WARM = 0.0253
"""[V] kT/e of version 1."""
MOBILITY, FASTEST = 1.4e-1, 0.107
"""Version 1: mobility of electrons at low field [µm^2/(ps V)], and their saturation velocity [µm/ps]."""
INDUCTION = 1.5
"""Version 1: a pixel sees (drifted fraction)^INDUCTION of a charge that drifts to it."""
TRANSIENT = 0.03
"""Version 1: largest fraction of a drifting charge that the neighbours along y see, with opposite sign."""

ALPHA_SPREAD = 2.0
"""rms of cotAlpha."""
RADIUS, HALF_WIDTH, FIELD = 30.0, 8.0, 3.8
"""[mm] distance from the beam to the module, [mm] half of its width, [T] field: slope and momentum depend on them."""
SOFTEST, SOFTNESS = 0.1, 1.0
"""[GeV] smallest transverse momentum, and mean excess above it."""
REACH = 1.5
"""[pitches] largest distance of mid-points of tracks from the centre, along each axis."""
GRAIN = 8
"""Charges are multiples of 1/8 electron, which float32 represents exactly."""

BLOCK = 256
"""Events per generator, always simulated together, so that an event does not depend on the number of events."""

_SIGMAS = np.linspace(-6, 6, 2401)
_BELOW = np.array([(1 + erf(z / sqrt(2))) / 2 for z in _SIGMAS])


def smartpixel(
    events: int,
    seed: int,
    batch: int = BLOCK,
    start: int = 0,
    *,
    version: int = 2,
    geometry: str = "t2",
    zero_suppression: float = 0.0,
) -> Iterator[SparseImages]:
    """Simulate clusters (20, 13, 21): charge [electrons] collected and induced until 200 ps, 400 ps … 4 ns.

    Event i of a seed is the same whatever the number of events and the batch size. Labels are (n, 13) float64, the
    columns ``LABELS``.

    Args:
        events: number of events.
        seed: not negative.
        batch: images per batch.
        start: number of the first event.
        version: 1 has no magnetic field, see above.
        geometry: t1 to t7, see ``GEOMETRIES``.
        zero_suppression: smaller charges are set to 0, negative ones if smaller than half of it [electrons].

    Raises:
        InputError: invalid arguments, one line each.
    """
    arguments = {
        "events": events, "seed": seed, "batch": batch, "start": start, "version": version,
        "zero_suppression": zero_suppression
    }  # fmt: skip
    unknown = (
        f"geometry = {geometry!r}, expected one of {', '.join(GEOMETRIES)}{nearest(geometry, GEOMETRIES)}"
    )
    check(arguments, {"batch": (1, inf), "version": (1, 2)}, [] if geometry in GEOMETRIES else [unknown])
    block = partial(
        _block, GEOMETRIES[geometry], clusters if version > 1 else clusters_without_field, zero_suppression
    )
    return _batches(block, events, seed, batch, start)


def _block(
    sensor: Geometry,
    respond: Callable[[Geometry, Floats, Floats], Floats],
    zero_suppression: float,
    rng: np.random.Generator,
) -> Columns:
    """Simulate a block of clusters and labels."""
    pairs, label = tracks(sensor, BLOCK, rng)
    return suppress_and_round(respond(sensor, pairs, label), zero_suppression), label


def _batches(
    block: Callable[[np.random.Generator], Columns], events: int, seed: int, batch: int, start: int
) -> Iterator[SparseImages]:
    """Yield batches of simulated images."""
    for first, (charge, label) in simulate_batches(block, events, seed, batch, BLOCK, start):
        yield images(charge, label, first)


def tracks(sensor: Geometry, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw n tracks: pairs (n, SLABS) in the slabs, the pixels' side first, and labels (n, 13).

    The module is tangent to a cylinder around the beam: a track's slope along y follows from its position on the
    module and its curvature.
    """
    middle = rng.uniform(-REACH, REACH, (n, 2)) * sensor.pitch
    local = rng.uniform(-HALF_WIDTH, HALF_WIDTH, n)
    momentum = (SOFTEST + rng.exponential(SOFTNESS, n)) * np.where(rng.random(n) < 0.5, -1, 1)
    bend = np.arcsin(0.3 * FIELD * RADIUS * 1e-3 / (2 * momentum))
    slope = np.stack([rng.normal(0, ALPHA_SPREAD, n), np.tan(np.arctan(local / RADIUS) + bend)], axis=1)
    length = np.sqrt(1 + (slope**2).sum(axis=1))
    straggled = STRAGGLING * (length * sensor.thickness / SLABS)[:, None] * (landau(rng, (n, SLABS)) + OFFSET)
    pairs = np.minimum(straggled, HARDEST)
    entry = middle + slope * sensor.thickness / 2
    label = np.column_stack(
        [entry, np.full(n, sensor.thickness), -slope[:, 0] / length, -slope[:, 1] / length, -1 / length,
         np.rint(pairs.sum(axis=1)), local, momentum, slope, middle[:, ::-1]]
    )  # fmt: skip
    return pairs, label


def landau(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw from the Landau distribution in its reduced variable: most probable value -0.22, median 1.36."""
    angle, waiting = rng.uniform(-pi / 2, pi / 2, shape), rng.exponential(1, shape)
    shifted = pi / 2 + angle
    variates: Floats = shifted * np.tan(angle) - np.log(waiting * np.cos(angle) / shifted)
    return variates


def clusters(sensor: Geometry, pairs: Floats, label: Floats) -> Floats:
    """Return the (n, SLICES, ROWS, COLUMNS) charges [electrons] of tracks, see ``tracks``.

    A pixel sees the electrons that have reached it, and shares of all electrons and holes in flight.
    """
    known = dict(zip(LABELS, label.T, strict=True))
    depth, half = _depths(sensor), sensor.thickness / 2
    electrons, holes = (carrier(sign, sensor.bias / sensor.thickness, FIELD) for sign in (1, -1))
    diffused = CLOUD**2 + 2 * THERMAL / sensor.bias * sensor.thickness * depth
    across = _pixel_shares(known["x-midplane"], -known["cotAlpha"], depth, diffused, sensor.pitch[0])
    drift = electrons.tangent
    along = _pixel_shares(
        known["y-midplane"] - drift * half, -known["cotBeta"] - drift, depth, diffused, sensor.pitch[1]
    )
    arrival = np.ceil(depth / electrons.velocity / STEP).astype(np.int64) - 1
    seen = _collect(pairs, along, across, arrival, SLICES).reshape(-1, SLICES, ROWS, COLUMNS)
    for time in range(1, SLICES):  # many times faster than cumsum along this axis
        seen[:, time] += seen[:, time - 1]
    x, y = (
        known[f"{axis}-midplane"][:, None] + known[cot][:, None] * (half - depth)
        for axis, cot in (("x", "cotAlpha"), ("y", "cotBeta"))
    )
    seen += induce(sensor, pairs, x, y, (electrons, holes))
    return seen


def induce(sensor: Geometry, pairs: Floats, x: Floats, y: Floats, carriers: tuple[Carrier, ...]) -> Floats:
    """Return the (n, SLICES, ROWS, COLUMNS) charges [electrons] that pairs in flight induce in 3 x 3 pixels each.

    Args:
        sensor: the sensor.
        pairs, x, y: (n, SLABS) numbers of pairs, and their places before the drift [µm].
        carriers: electrons, holes, or both.
    """
    potential = weighting_potential(sensor.pitch, sensor.thickness, LAYERS, POINTS).reshape(
        LAYERS, POINTS, POINTS, 9
    )
    rows, columns, n = ROWS + 4, COLUMNS + 4, len(pairs)  # two more at every side: no pixel lies outside
    beside = (np.arange(-1, 2)[:, None] * columns + np.arange(-1, 2)).ravel()
    cells, charges = [], []
    for moving in carriers:
        way = moving.velocity * STEP * np.arange(1, SLICES + 1)
        depth = _depths(sensor)[:, None] - moving.sign * way
        slab, time = np.nonzero((depth > 0) & (depth < sensor.thickness))
        layer = (depth[slab, time] / sensor.thickness * LAYERS).astype(np.int64)
        row, along, high = _pixel_and_point(y[:, slab] - moving.tangent * way[time], sensor.pitch[1], ROWS)
        column, across, wide = _pixel_and_point(x[:, slab], sensor.pitch[0], COLUMNS)
        place = ((np.arange(n)[:, None] * SLICES + time) * rows + row) * columns + column
        cells.append((place[..., None] + beside).ravel())
        charge = moving.sign * pairs[:, slab] * (high & wide)
        charges.append((potential[layer, along, across] * charge[..., None]).ravel())
    total = np.bincount(np.concatenate(cells), np.concatenate(charges), n * SLICES * rows * columns)
    seen: Floats = total.astype(np.float64, copy=False).reshape(n, SLICES, rows, columns)
    return seen[:, :, 2:-2, 2:-2]


def _pixel_and_point(
    place: Floats, pitch: float, pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return pixel numbers of places [µm] along an axis with two pixels before the window, points, and which count.

    A place counts if it is at most one pixel outside the ``pixels`` of the window; others get the number of the last.
    """
    point = np.floor((place / pitch + 0.5) * POINTS).astype(np.int64)
    pixel = point // POINTS + pixels // 2 + 2
    clipped = np.clip(pixel, 1, pixels + 2)
    return clipped, point % POINTS, clipped == pixel


def clusters_without_field(sensor: Geometry, pairs: Floats, label: Floats) -> Floats:
    """Return what ``clusters`` does in version 1: no magnetic field, and tracks that enter at the back."""
    known = dict(zip(LABELS, label.T, strict=True))
    depth = _depths(sensor)
    diffused = CLOUD**2 + 2 * WARM / sensor.bias * sensor.thickness * depth
    across = _pixel_shares(known["x-midplane"], known["cotAlpha"], depth, diffused, sensor.pitch[0])
    along = _pixel_shares(known["y-midplane"], known["cotBeta"], depth, diffused, sensor.pitch[1])
    arriving = _collect(pairs, along, across, np.arange(SLABS), SLABS)
    own, neighbour = induced_shares(sensor, depth)
    shape = len(pairs), SLICES, ROWS, COLUMNS
    seen: Floats = (own @ arriving).reshape(shape)
    beside = (neighbour @ arriving).reshape(shape)
    seen[:, :, 1:] += beside[:, :, :-1]
    seen[:, :, :-1] += beside[:, :, 1:]
    return seen


def _depths(sensor: Geometry) -> Floats:
    """Return the distances (SLABS,) of the slabs from the pixels [µm]."""
    return (np.arange(SLABS, dtype=np.float64) + 0.5) * (sensor.thickness / SLABS)


Shares = tuple[NDArray[np.int64], Floats]
"""Pixel numbers (n, SLABS, 3) along one axis, from the central pixel, and the charge fraction of each."""


def _collect(pairs: Floats, along: Shares, across: Shares, slot: NDArray[np.int64], slots: int) -> Floats:
    """Return the charges (n, slots, ROWS * COLUMNS) that the slabs bring to the pixels; ``slot`` (SLABS,) of each."""
    n, cells = len(pairs), ROWS * COLUMNS
    row, column = along[0][..., :, None] + ROWS // 2, across[0][..., None, :] + COLUMNS // 2
    inside = (row >= 0) & (row < ROWS) & (column >= 0) & (column < COLUMNS)
    place = (np.arange(n)[:, None] * slots + slot)[..., None, None] * cells + row * COLUMNS + column
    charge = pairs[..., None, None] * along[1][..., :, None] * across[1][..., None, :]
    total = np.bincount(place[inside], charge[inside], n * slots * cells)
    return total.astype(np.float64, copy=False).reshape(n, slots, cells)


def _pixel_shares(middle: Floats, slope: Floats, depth: Floats, diffused: Floats, pitch: float) -> Shares:
    """Return where the slabs of tracks leave their charge along one axis.

    Args:
        middle, slope: (n,) position at the mid-plane [µm] and slope of the tracks along the axis.
        depth: (SLABS,) distance of the slabs from the pixels [µm].
        diffused: (SLABS,) variance of the charge of a slab [µm^2]; the path in the slab adds to it.
        pitch: pixel size along the axis [µm].
    """
    slab = 2 * depth[0]
    place = middle[:, None] + slope[:, None] * (depth - SLABS * slab / 2)
    width = np.sqrt(diffused + (slope[:, None] * slab) ** 2 / 12)
    pixel = np.floor(place / pitch + 0.5)
    off = place - pixel * pitch
    below, above = (np.interp((sign * off - pitch / 2) / width, _SIGMAS, _BELOW) for sign in (-1, 1))
    return pixel.astype(np.int64)[..., None] + np.arange(-1, 2), np.stack(
        [below, 1 - below - above, above], axis=-1
    )


def induced_shares(sensor: Geometry, depth: Floats) -> tuple[Floats, Floats]:
    """Return the fractions (SLICES, k) of a charge from ``depth`` (k,) [µm] induced in its pixel and a neighbour."""
    drifting = MOBILITY * sensor.bias / sensor.thickness
    velocity = drifting / (1 + drifting / FASTEST)
    drifted = np.minimum(STEP * np.arange(1, SLICES + 1)[:, None] * velocity / depth, 1)
    return drifted**INDUCTION, -4 * TRANSIENT * drifted * (1 - drifted)


def suppress_and_round(charge: Floats, zero_suppression: float) -> Floats:
    """Set small charges to 0 and round the others to ``1 / GRAIN`` electron, as in the published files."""
    above = (charge >= zero_suppression) | (charge <= -zero_suppression / 2)
    return np.where(above, np.rint(charge * GRAIN) / GRAIN, 0)


def images(charge: Floats, label: Floats, first: int) -> SparseImages:
    """Convert (n, SLICES, ROWS, COLUMNS) charges into SparseImages with entries from ``first`` on."""
    events = unset_events(len(charge), first)
    return sparse(charge.astype(np.float32), events, label=label, unit=UNIT_SENSOR, axis0="time")
