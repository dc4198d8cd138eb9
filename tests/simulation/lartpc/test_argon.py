"""Stopping power, range, straggling and photon interactions against published tables and closed forms."""

import math

import numpy as np
import pytest

from dmcnn.simulation.lartpc import argon

MUON = argon.MASS[argon.MUON]
PROTON = argon.MASS[argon.PROTON]

# muons in liquid argon: T [MeV], dE/dx [MeV cm²/g], CSDA range [g/cm²]; D. Groom et al., Atomic Data and
# Nuclear Data Tables 78 (2001) 183, as tabulated by PUMAS
GROOM = [
    (10.0, 5.697, 0.9913),
    (30.0, 2.732, 6.595),
    (100.0, 1.670, 42.47),
    (250.0, 1.508, 139.3),
    (1000.0, 1.644, 616.2),
    (4000.0, 1.870, 2298.0),
]


@pytest.mark.parametrize(("kinetic", "loss", "reach"), GROOM)
def test_muon_loss_and_range_are_the_published_ones(kinetic, loss, reach):
    t = np.array([kinetic])
    assert argon.stopping_power(t, MUON) / argon.DENSITY == pytest.approx(loss, rel=6e-3)
    assert argon.csda_range(t, MUON) * argon.DENSITY == pytest.approx(reach, rel=1e-2)


def test_a_minimum_ionising_particle_loses_2_1_mev_per_cm():
    kinetic = np.geomspace(10, 1e4, 500)
    assert argon.stopping_power(kinetic, MUON).min() == pytest.approx(2.105, rel=5e-3)


def test_restriction_takes_the_large_transfers_away():
    kinetic = np.geomspace(5, 5000, 50)
    whole, part = argon.stopping_power(kinetic, MUON), argon.stopping_power(kinetic, MUON, 1.5)
    below = argon.largest_transfer(kinetic, MUON) <= 1.5
    assert below.any()
    assert np.all(part[below] == whole[below])
    assert np.all(part[~below] < whole[~below])


@pytest.mark.parametrize("mass", [MUON, PROTON])
def test_energy_at_range_is_the_inverse_of_the_range(mass):
    kinetic = np.geomspace(0.01 * mass, 10 * mass, 40)
    assert argon.energy_at_range(argon.csda_range(kinetic, mass), mass) == pytest.approx(kinetic, rel=2e-3)
    assert argon.energy_at_range(np.zeros(1), mass) == 0


def test_moyal_has_its_distribution(rng):
    x = argon.moyal((200_000,), rng) + np.euler_gamma + math.log(2)
    for at in (-2.0, -1.0, 0.0, 1.0, 4.0):
        assert np.mean(x < at) == pytest.approx(math.erfc(math.exp(-at / 2) / math.sqrt(2)), abs=5e-3)


def most_probable_loss(length, kinetic):
    """Return Landau's most probable loss [MeV] of a muon in ``length`` cm (PDG, Passage of particles, eq. 34.12)."""
    b2 = argon.beta2(kinetic, MUON)
    bg2 = b2 / (1 - b2)
    xi, excitation, x = 0.5 * 0.307075 * 0.45059 * 1.396 * length / b2, 188e-6, 0.5 * np.log10(bg2)
    density = 2 * np.log(10) * x - 5.2146 + 0.19559 * (3 - x) ** 3
    logarithm = np.log(2 * 0.511 * bg2 / excitation) + np.log(xi / excitation)
    return xi * (logarithm + 0.2 - b2 - density), xi


def peak(values, share=0.3):
    """Return the mean of the narrowest interval that holds a ``share`` of the values."""
    values = np.sort(values)
    n = int(share * len(values))
    first = np.argmin(values[n:] - values[:-n])
    return values[first : first + n].mean()


@pytest.mark.parametrize("steps", [1, 2, 4, 10])
def test_straggling_has_landau_s_peak_and_width_at_every_length(steps, rng):
    """Steps of half a wire pitch add up to the distribution of the whole length, whatever their number."""
    n, step, kinetic, cut = 40_000, 0.15, np.array(280.0), 1.5
    mean = np.full(n * steps, step * argon.stopping_power(kinetic, MUON, cut))
    b2 = np.full(n * steps, argon.beta2(kinetic, MUON))
    deposit = argon.straggle(mean, step, b2, np.full(n * steps, cut), rng).reshape(n, steps).sum(axis=1)
    expected, xi = most_probable_loss(steps * step, kinetic)
    assert deposit.mean() == pytest.approx(steps * mean[0], rel=1e-2)
    assert peak(deposit, 0.2) == pytest.approx(expected, rel=0.03)
    counts, edges = np.histogram(deposit, np.linspace(0.6, 1.8, 61) * expected)
    above = edges[:-1][counts > counts.max() / 2]
    assert above.max() - above.min() == pytest.approx(4.02 * xi, rel=0.2)
    if steps == 2:
        assert 1.58 < peak(deposit, 0.2) / 0.3 < 1.7  # MeV/cm on a wire pitch


def test_few_collisions_of_a_slow_particle_straggle_little(rng):
    n = 50_000
    mean, b2, most = np.full(n, 3.0), np.full(n, 0.05), np.full(n, 0.05)
    deposit = argon.straggle(mean, 0.15, b2, most, rng)
    xi = 0.5 * 0.307075 * 0.45059 * 1.396 * 0.15 / 0.05
    assert deposit.mean() == pytest.approx(3.0, rel=2e-3)
    assert deposit.std() == pytest.approx(np.sqrt(xi * 0.05), rel=0.02)  # Bohr's width


def test_electrons_lose_what_is_tabulated():
    """At the critical energy of 32.8 MeV (Rossi) collisions take as much per radiation length as there is energy."""
    loss = argon.relativistic_loss(15.0) / argon.DENSITY
    assert loss == pytest.approx(32.84 / 19.55, rel=0.03)
    assert argon.relativistic_loss(1.5) == pytest.approx(2.106, rel=2e-3)
    assert argon.radiation_factor(np.array([1.0, 10.0, 100.0])) == pytest.approx([0.5, 0.82, 0.96], abs=0.04)


def test_moyal_straggling_keeps_the_mean_and_has_its_peak_below(rng):
    n = 100_000
    mean, b2, most = np.full(n, 0.6), np.ones(n), np.full(n, 1e9)
    deposit = argon.straggle_moyal(mean, 0.3, b2, most, rng)
    xi = 0.5 * 0.307075 * 0.45059 * 1.396 * 0.3
    assert deposit.mean() == pytest.approx(0.6, rel=1e-2)
    counts, edges = np.histogram(deposit, np.arange(0.4, 1.0, 0.005))
    above = edges[:-1][counts > counts.max() / 2]
    assert edges[counts.argmax()] < 0.58
    assert above.max() - above.min() == pytest.approx(4.02 * xi, rel=0.15)


def test_compton_rate_of_one_mev_and_of_soft_photons():
    electrons = 6.02214e23 * 0.45059 * 1.396
    rate = argon.compton_rate(np.array([1.0, 1e-3]))
    assert rate / electrons * 1e24 == pytest.approx([0.2112, 0.6652], rel=5e-3)  # barn: tabulated, Thomson


def test_pair_rate_falls_from_seven_ninths_of_a_radiation_length():
    energy = np.array([1.0, 10.0, 100.0, 1000.0, 1e5])
    # Bethe-Heitler cross-section in argon as parametrised in Geant4's physics reference manual
    relative = argon.pair_rate(energy) * argon.RADIATION_LENGTH * 9 / 7
    assert relative == pytest.approx([0.0, 0.268, 0.709, 0.947, 1.0], abs=0.03)


def test_birks_keeps_less_of_a_dense_track():
    mip, proton = argon.surviving_charge(np.array([2.1, 12.0]), 0.273)
    assert 0.6 < mip < 0.7
    assert proton < mip / 1.8
