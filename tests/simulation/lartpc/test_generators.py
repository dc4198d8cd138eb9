"""Decay kinematics and cosmic muons against closed forms."""

import numpy as np
import pytest

from dmcnn.simulation.lartpc import generators
from dmcnn.simulation.lartpc.argon import ELECTRON, MASS, MUON
from dmcnn.simulation.lartpc.detector import (
    DRIFT_LENGTH,
    HALF_HEIGHT,
    READOUT,
    ROWS,
    WIRES,
    Window,
    place_window,
)

WINDOW = Window(1000, READOUT[0] + 6 * 200, 512, 512)
PION = generators.NEUTRAL_PION_MASS


@pytest.mark.parametrize(("mass", "daughter"), [(PION, 0.0), (50.0, MASS[ELECTRON])])
def test_two_body_decay_conserves_energy_momentum_and_mass(mass, daughter, rng):
    for energy in (mass, 1.5 * mass, 20 * mass):
        kinetic, direction = generators.two_body(energy, mass, daughter, generators.BEAM, rng)
        total = kinetic + daughter
        momentum = (np.sqrt(total**2 - daughter**2)[:, None] * direction).sum(axis=0)
        assert total.sum() == pytest.approx(energy)
        assert momentum == pytest.approx([0, 0, np.sqrt(energy**2 - mass**2)], abs=1e-6 * energy)


def test_photons_of_a_pion_never_open_less_than_the_minimum(rng):
    energy = 300.0
    decays = [generators.two_body(energy, PION, 0.0, generators.BEAM, rng)[1] for _ in range(3000)]
    angle = np.array([np.arccos(np.clip(d[0] @ d[1], -1, 1)) for d in decays])
    least = 2 * np.arcsin(PION / energy)
    assert angle.min() >= least - 1e-6
    assert np.mean(angle < 1.15 * least) > 0.5  # the distribution peaks there


def test_pairs_of_a_light_dark_photon_are_narrow_and_forward(rng):
    pairs = [
        generators.dark_trident(np.zeros(3), WINDOW, rng, mass=20.0, mean_energy=400.0, spread=0.2)
        for _ in range(400)
    ]
    angle = np.array([np.arccos(np.clip(p.direction[0] @ p.direction[1], -1, 1)) for p in pairs])
    energy = np.array([p.kinetic.sum() + 2 * MASS[ELECTRON] for p in pairs])
    assert energy.mean() == pytest.approx(420.0, rel=0.1)
    assert np.all(angle >= 2 * np.arcsin(np.minimum(20.0 / energy, 1)) * 0.9)
    assert np.median(angle) < 0.3
    assert np.mean([p.direction[:, 2].mean() for p in pairs]) > 0.9


def test_cosmic_muons_come_from_above_at_the_flux_asked_for(rng):
    whole = Window(0, READOUT[0], WIRES, ROWS)
    rays = [generators.cosmic_rays(whole, 1.0, rng) for _ in range(200)]
    entered = np.concatenate([r.position for r in rays])
    on_top = np.abs(entered[:, 1] - HALF_HEIGHT) < 1e-6
    # those in time anywhere in the argon see all of its top; the others only a part of it
    drift_time, readout = DRIFT_LENGTH / 0.11, (READOUT[1] - READOUT[0]) * 0.5
    expected = 1 / 60e6 * DRIFT_LENGTH * WIRES * 0.3 * readout
    assert on_top.sum() / 200 == pytest.approx(expected, rel=0.1)
    assert drift_time < readout
    assert all((r.direction[:, 1] < 0).all() and (r.path > 0).all() for r in rays)
    cosine = -np.concatenate([r.direction for r in rays])[on_top, 1]
    assert cosine.mean() == pytest.approx(0.8, abs=0.02)  # density 4 cos³ of flux through the plane


def test_a_stopping_muon_stops_at_the_vertex(rng):
    from dmcnn.simulation.lartpc.argon import csda_range

    for _ in range(20):
        vertex, window = place_window(512, 512, 0.0, rng)
        muon = generators.cosmic_muon(vertex, window, rng, stopping=1.0)
        end = muon.position + csda_range(muon.kinetic, MASS[MUON])[:, None] * muon.direction
        assert end[0] == pytest.approx(vertex, abs=0.5)


@pytest.mark.parametrize(("rows", "columns"), [(512, 512), (64, 300), (ROWS, WIRES)])
def test_windows_lie_in_the_readout_around_the_vertex(rows, columns, rng):
    for _ in range(50):
        vertex, window = place_window(rows, columns, 5.0, rng)
        wire, tick, last_wire, last_tick = window.edges
        assert 0 <= wire < last_wire <= WIRES
        assert READOUT[0] <= tick < last_tick <= READOUT[1]
        assert abs(window.column(vertex[None])[0] - columns / 2) < 25
        assert abs(window.row(vertex[None], np.zeros(1))[0] - rows / 2) < 25
