"""Tracks and showers: energy balance, Bragg peak, Michel electrons, conversion and radiation lengths."""

from dataclasses import replace

import numpy as np
import pytest

from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc.argon import ELECTRON, MASS, MUON, PHOTON, PROTON
from dmcnn.simulation.lartpc.particles import (
    isotropic_directions,
    particles,
    running_sum,
    transverse_axes,
    walk,
)
from dmcnn.simulation.lartpc.showers import IONISATION, interact, shower
from dmcnn.simulation.lartpc.tracks import STEP, track

AHEAD = np.array([[0.0, 0.0, 1.0]])
ORIGIN = np.zeros((1, 3))


def beam(code, kinetic, n=1, path=np.inf):
    return particles(code, np.full(n, float(kinetic)), ORIGIN, AHEAD, 0.0, path)


def test_running_sums_begin_anew():
    counts = np.array([3, 1, 2])
    assert running_sum(np.array([1.0, 2, 3, 10, 5, 5]), counts).tolist() == [1, 3, 6, 10, 5, 10]


def test_frames_are_orthonormal(rng):
    direction = np.concatenate([isotropic_directions(200, rng), AHEAD, -AHEAD])
    u, v = transverse_axes(direction)
    whole = np.stack([u, v, direction], axis=1)
    assert whole @ whole.transpose(0, 2, 1) == pytest.approx(
        np.broadcast_to(np.eye(3), (202, 3, 3)), abs=1e-12
    )


def test_scattering_adds_up_to_highland(rng):
    n, steps = 2000, 140
    start = beam(MUON, 1000.0, n)
    angle = np.full(n * steps, argon.scattering_angle(np.array(1000.0), np.array(1.0), 0.1))
    points, along = walk(start, np.full(n, steps), angle, 0.1, rng)
    end, flight = points.reshape(n, steps, 3)[:, -1], along.reshape(n, steps, 3)[:, -1]
    after_one_radiation_length = 13.6 / 1000
    assert flight[:, :2].std() == pytest.approx(after_one_radiation_length, rel=0.05)
    assert end[:, :2].std() == pytest.approx(14 * after_one_radiation_length / np.sqrt(3), rel=0.06)


def test_a_minimum_ionising_track_leaves_the_bethe_mean_per_cm(rng):
    left, freed = track(beam(MUON, 280.0, 400, path=10.0), rng)
    expected = argon.stopping_power(np.array([270.0]), MASS[MUON])[0]
    length = left.length.sum()
    assert (left.energy.sum() + freed.kinetic.sum()) / length == pytest.approx(expected, rel=0.02)
    per_cm = left.energy / left.length
    assert np.median(per_cm) < expected * 0.95


def test_a_stopping_proton_leaves_its_energy_and_a_bragg_peak(rng):
    n = 300
    kinetic, mass = np.array([100.0]), MASS[PROTON]
    left, freed = track(particles(PROTON, np.full(n, 100.0), ORIGIN, AHEAD), rng)
    reach = argon.csda_range(kinetic, mass)[0]
    last = np.flatnonzero(np.diff(left.position[:, 2], append=-1.0) < 0)
    stopped = left.length[last] < STEP
    assert stopped.sum() > 0.8 * n  # the others interacted on the way
    whole = np.split(left.energy, last[:-1] + 1)
    energy = np.array([piece.sum() for piece in whole])[stopped]
    assert energy.mean() == pytest.approx(100.0, rel=0.02)
    end = np.array([piece[-8:].sum() for piece in whole])[stopped].mean()
    start = np.array([piece[:8].sum() for piece in whole])[stopped].mean()
    travelled = 7 * STEP + left.length[last][stopped].mean()
    expected = argon.energy_at_range(np.array([travelled]), mass)[0]
    assert end == pytest.approx(expected, rel=0.05)
    assert end > 3 * start
    assert left.position[last][stopped, 2].mean() == pytest.approx(reach, rel=0.03)
    assert len(freed) == 0


def test_stopped_muons_decay_into_michel_electrons(rng):
    n = 1500
    _, freed = track(beam(MUON, 40.0, n), rng)
    electrons = freed.kinetic
    assert len(electrons) == pytest.approx(0.66 * n, rel=0.1)
    assert electrons.max() <= MASS[MUON] / 2
    assert electrons.mean() == pytest.approx(0.7 * MASS[MUON] / 2, rel=0.03)


def test_photons_convert_after_their_attenuation_length(rng):
    n = 20_000
    freed, scattered = interact(beam(PHOTON, 200.0, n), rng)
    converted = np.linalg.norm(freed.position, axis=1)
    # 9/7 radiation lengths at high energy; at 200 MeV a fifth more for pairs, less with Compton scattering
    assert converted.mean() == pytest.approx(21.5, rel=0.03)
    assert converted.std() == pytest.approx(converted.mean(), rel=0.03)
    assert len(scattered) < 0.07 * n


def test_a_conversion_begins_with_twice_the_ionisation_of_one_particle(rng):
    n = 400
    freed, scattered = interact(beam(PHOTON, 400.0, n), rng)
    left = shower(replace(freed, position=np.zeros_like(freed.position)), rng)
    x, y, z = left.position.T
    first = left.energy[(z > 0) & (z < 1) & (np.hypot(x, y) < 1)].sum() / (n - len(scattered))
    assert first == pytest.approx(2 * IONISATION, rel=0.1)


def test_a_shower_keeps_its_energy_and_its_radii(rng):
    n, energy = 150, 500.0
    left = shower(beam(ELECTRON, energy, n), rng)
    assert left.energy.sum() / n == pytest.approx(energy, rel=0.04)
    radius = np.hypot(left.position[:, 0], left.position[:, 1])
    moliere = 21.2 * argon.RADIATION_LENGTH / argon.CRITICAL_ENERGY
    inside = left.energy[radius < moliere].sum() / left.energy.sum()
    assert 0.82 < inside < 0.97  # 90 % by definition, at high energy


def test_showers_grow_with_the_logarithm_of_the_energy(rng):
    def depth(energy, n):
        left = shower(beam(ELECTRON, energy, n), rng)
        return np.average(left.position[:, 2], weights=left.energy)

    grown = depth(1600.0, 60) - depth(200.0, 300)
    assert grown == pytest.approx(argon.RADIATION_LENGTH * np.log(8), rel=0.2)
