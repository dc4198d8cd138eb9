"""Kaons and pions: decay kinematics, ranges, energy balance, and fractions of decays and interactions."""

import numpy as np
import pytest

from dmcnn.simulation.lartpc import argon, hadrons
from dmcnn.simulation.lartpc.argon import ELECTRON, KAON, MASS, MUON, PHOTON, PION
from dmcnn.simulation.lartpc.generators import BEAM, NEUTRAL_PION_MASS
from dmcnn.simulation.lartpc.particles import particles

ORIGIN = np.zeros((1, 3))


def beam(code, kinetic):
    return particles(code, np.array([float(kinetic)]), ORIGIN, BEAM)


@pytest.mark.parametrize("daughters", [(MASS[MUON], 0.0), (MASS[PION], NEUTRAL_PION_MASS)])
def test_decay_in_flight_conserves_energy_and_momentum(daughters, rng):
    mass, masses = MASS[KAON], np.array(daughters)
    for energy in (mass, 1.3 * mass, 10 * mass):
        kinetic, direction = hadrons.two_body_unequal(energy, mass, daughters, BEAM, rng)
        momentum = np.sqrt(kinetic * (kinetic + 2 * masses))
        assert (kinetic + masses).sum() == pytest.approx(energy)
        assert momentum @ direction == pytest.approx([0, 0, np.sqrt(energy**2 - mass**2)], abs=1e-6 * energy)


@pytest.mark.parametrize(
    ("daughters", "expected"), [((MASS[MUON], 0.0), 235.5), ((MASS[PION], NEUTRAL_PION_MASS), 205.1)]
)
def test_kaons_at_rest_decay_with_the_published_momenta(daughters, expected, rng):
    kinetic, direction = hadrons.two_body_unequal(MASS[KAON], MASS[KAON], daughters, BEAM, rng)
    assert np.sqrt(kinetic * (kinetic + 2 * np.array(daughters))) == pytest.approx(expected, abs=0.2)
    assert direction[0] == pytest.approx(-direction[1])


def test_most_kaons_decay_to_muons(rng):
    made = [hadrons.decay(KAON, MASS[KAON], ORIGIN, BEAM, rng) for _ in range(1000)]
    muons = [products for products in made if products.code[0] == MUON]
    assert len(muons) / 1000 == pytest.approx(hadrons.MUON_DECAY_FRACTION, abs=0.05)
    assert np.unique([p.kinetic[0] for p in muons]) == pytest.approx(152.5, abs=0.2)
    others = [products for products in made if products.code[0] != MUON]
    assert all(p.code.tolist() == [PION, PHOTON, PHOTON] for p in others)
    energies = np.array([p.kinetic.sum() + MASS[PION] for p in others])
    assert energies == pytest.approx(np.full(len(others), MASS[KAON]))


def test_a_slow_kaon_stops_at_its_range_and_decays_there(rng):
    reach = argon.csda_range(np.array([80.0]), MASS[KAON])[0]
    ends, products = [], []
    for _ in range(300):
        left, made = hadrons.follow(beam(KAON, 80.0), rng)
        if left.position[-1, 2] > 0.95 * reach:
            ends.append(left.energy.sum())
            products += made.code[made.code != ELECTRON].tolist()
    assert len(ends) > 200  # the others interact or decay on the way
    assert np.mean(ends) == pytest.approx(80.0, rel=0.02)
    assert products.count(MUON) / len(ends) == pytest.approx(hadrons.MUON_DECAY_FRACTION, abs=0.08)


@pytest.mark.slow
def test_kaons_decay_in_flight_after_their_decay_length(rng):
    mass = MASS[KAON]
    kinetic = np.sqrt(600.0**2 + mass**2) - mass
    paths = []
    for _ in range(600):
        left, made = hadrons.follow(beam(KAON, kinetic), rng)
        heavy = made.code[made.code != ELECTRON]
        if len(heavy) and MUON in heavy:
            paths.append(left.length.sum())
    reach = argon.csda_range(np.array([kinetic]), mass)[0]
    flown = np.array(paths) < 0.98 * reach
    length, other = 600 / mass * 371.1, hadrons.INTERACTION_LENGTH[KAON]
    both = 1 / (1 / length + 1 / other)
    end = min(reach, hadrons.REACH)
    expected = both / length * (1 - np.exp(-end / both)) * hadrons.MUON_DECAY_FRACTION
    assert flown.sum() / 600 == pytest.approx(expected, abs=0.05)


@pytest.mark.slow
def test_pions_interact_after_their_length(rng):
    paths = np.array([hadrons.follow(beam(PION, 900.0), rng)[0].length.sum() for _ in range(400)])
    seen = paths[paths < 149]
    expected = 1 - np.exp(-hadrons.REACH / hadrons.INTERACTION_LENGTH[PION])
    assert len(seen) / 400 == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("code", [PION, KAON])
def test_an_interaction_makes_no_energy(code, rng):
    energy = 500.0 + MASS[code]
    kinds = []
    for _ in range(800):
        made = hadrons.interact(code, energy, ORIGIN, BEAM, rng)
        visible = made.kinetic.sum() + MASS[code] * np.isin(made.code, (PION, KAON)).sum()
        assert visible <= energy + 1e-9
        kinds.append((code in made.code, PHOTON in made.code))
    charged, neutral = np.mean(kinds, axis=0)
    absorbed, exchanged = (
        (hadrons.ABSORPTION, hadrons.CHARGE_EXCHANGE) if code == PION else (hadrons.KAON_CHARGE_EXCHANGE, 0.0)
    )
    assert neutral == pytest.approx(exchanged, abs=0.06)
    assert charged == pytest.approx(1 - absorbed - exchanged, abs=0.06)


@pytest.mark.slow
def test_transport_leaves_the_energy_of_a_contained_electron_and_of_a_stopping_muon(rng):
    for code, kinetic, more in ((ELECTRON, 300.0, 0.0), (MUON, 100.0, 0.66 * 0.35 * MASS[MUON])):
        left = [hadrons.transport(beam(code, kinetic), rng).energy.sum() for _ in range(100)]
        assert np.mean(left) == pytest.approx(kinetic + more, rel=0.05)
