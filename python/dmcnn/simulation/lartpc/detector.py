"""Geometry of a MicroBooNE-like time projection chamber: its collection plane, and windows of its readout.

Axes of positions [cm]: drift distance from the anode, height, distance along the beam. The wires of the
collection plane are vertical, so that an image shows drift (rows) against beam (columns), seen from above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmcnn.detectors.lartpc import (
    DRIFT_LENGTH,
    DRIFT_VELOCITY,
    HALF_HEIGHT,
    LENGTH,
    READOUT,
    ROWS,
    TICK,
    TICKS_PER_ROW,
    TRIGGER_TICK,
    WIRE_PITCH,
    WIRES,
)  # fmt: skip
from dmcnn.simulation.lartpc.argon import Floats


@dataclass(frozen=True)
class Window:
    """Part of the readout in one image. Times are relative to the trigger.

    Attributes:
        first_wire: wire of column 0.
        first_tick: tick at which row 0 begins.
        columns: number of wires.
        rows: number of ``TICKS_PER_ROW``-tick rows.
    """

    first_wire: int
    first_tick: int
    columns: int
    rows: int

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """(first wire, first tick, end wire, end tick) of the window."""
        last = self.first_tick + TICKS_PER_ROW * self.rows
        return self.first_wire, self.first_tick, self.first_wire + self.columns, last

    def column(self, position: Floats) -> Floats:
        """Return the column numbers (n,), with fraction, of positions (n, 3) [cm]."""
        return position[:, 2] / WIRE_PITCH - self.first_wire

    def row(self, position: Floats, time: Floats) -> Floats:
        """Return the row numbers (n,), with fraction, of ionisation at (n, 3) [cm] and ``time`` (n,) [µs]."""
        tick = TRIGGER_TICK + (time + position[:, 0] / DRIFT_VELOCITY) / TICK
        return (tick - self.first_tick) / TICKS_PER_ROW

    def box(self, time: Floats) -> tuple[Floats, Floats]:
        """Return both corners, (n, 3) [cm], of the argon that the window shows at ``time`` (n,) [µs]."""
        wire, tick, last_wire, last_tick = self.edges
        early, late = (
            (t - TRIGGER_TICK) * TICK * DRIFT_VELOCITY - time * DRIFT_VELOCITY for t in (tick, last_tick)
        )
        side = np.ones_like(time)
        lower = [np.clip(early, 0, DRIFT_LENGTH), -HALF_HEIGHT * side, wire * WIRE_PITCH * side]
        upper = [np.clip(late, 0, DRIFT_LENGTH), HALF_HEIGHT * side, last_wire * WIRE_PITCH * side]
        return np.stack(lower, axis=1), np.stack(upper, axis=1)

    def crossing(self, position: Floats, direction: Floats, time: Floats) -> tuple[Floats, Floats]:
        """Return the distances (n,) [cm] at which straight lines enter and leave ``box``; enter > leave: a miss."""
        lower, upper = self.box(time)
        slope = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
        first, second = (lower - position) / slope, (upper - position) / slope
        return np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)


def place_window(rows: int, columns: int, jitter: float, rng: np.random.Generator) -> tuple[Floats, Window]:
    """Draw a vertex (3,) [cm] inside the argon and a window around it, off centre by ``jitter`` pixels rms.

    The vertex is uniform where a centred window lies inside the readout, at least 10 cm from the walls.
    """
    wall = 10.0
    ticks = READOUT[0] + TICKS_PER_ROW * np.array([rows / 2, ROWS - rows / 2])
    drift = np.clip((ticks - TRIGGER_TICK) * TICK * DRIFT_VELOCITY, wall, DRIFT_LENGTH - wall)
    beam = np.clip(np.array([columns / 2, WIRES - columns / 2]) * WIRE_PITCH, wall, LENGTH - wall)
    height = HALF_HEIGHT - wall
    vertex = rng.uniform([drift[0], -height, beam[0]], [drift[1], height, beam[1]])
    whole = Window(0, READOUT[0], WIRES, ROWS)
    row = whole.row(vertex[None], np.zeros(1))[0] - rows / 2 + jitter * rng.standard_normal()
    column = whole.column(vertex[None])[0] - columns / 2 + jitter * rng.standard_normal()
    first_row = int(np.clip(np.rint(row), 0, ROWS - rows))
    first_wire = int(np.clip(np.rint(column), 0, WIRES - columns))
    return vertex, Window(first_wire, READOUT[0] + TICKS_PER_ROW * first_row, columns, rows)
