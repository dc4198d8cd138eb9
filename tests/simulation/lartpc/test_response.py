"""Charge, widths and noise of the image against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dmcnn.detectors.lartpc import FIELD, READOUT
from dmcnn.simulation.lartpc.argon import surviving_charge
from dmcnn.simulation.lartpc.detector import Window
from dmcnn.simulation.lartpc.particles import Deposits
from dmcnn.simulation.lartpc.response import Response, charge_image, digitise

WINDOW = Window(100, READOUT[0] + 6 * 200, 40, 60)
RESPONSE = Response(gain=200.0, lifetime=8000.0, shaping=2.5, noise=3.0, zero_suppression=7.0)
NOTHING = Deposits(np.zeros(0), np.zeros(0), np.zeros((0, 3)), np.zeros(0))


def point(row, column, energy=1.0):
    """Return one deposit at the pixel position (row, column) of ``WINDOW``."""
    tick = WINDOW.first_tick + 6 * row
    position = [[(tick - 3200) * 0.5 * 0.11, 0.0, (WINDOW.first_wire + column) * 0.3]]
    return Deposits(np.array([energy]), np.array([0.3]), np.array(position), np.zeros(1))


def test_charge_is_what_recombination_and_capture_leave():
    deposit = point(30.3, 20.6, energy=0.63)
    image = charge_image(deposit, WINDOW, RESPONSE).reshape(60, 40)
    drift = deposit.position[0, 0] / 0.11
    expected = 200 * 0.63 * surviving_charge(np.array([2.1]), FIELD)[0] * math.exp(-drift / 8000)
    assert image.sum() == pytest.approx(expected, rel=1e-4)
    assert np.unravel_index(image.argmax(), image.shape) == (30, 20)


@pytest.mark.parametrize("place", [30.0, 30.5, 30.77])
def test_width_is_diffusion_and_shaping_and_the_pixel(place):
    deposit = point(place, 20.5)
    profile = charge_image(deposit, WINDOW, RESPONSE).reshape(60, 40).sum(axis=1)
    centre = np.average(np.arange(60) + 0.5, weights=profile)
    drift = deposit.position[0, 0] / 0.11
    diffusion = math.sqrt(2 * 3.74e-6 * drift) / 0.11 / 0.5
    width = math.sqrt((diffusion**2 + 2.5**2) / 36 + 1 / 12)
    assert centre == pytest.approx(place, abs=0.03)
    assert math.sqrt(np.average((np.arange(60) + 0.5 - centre) ** 2, weights=profile)) == pytest.approx(
        width, rel=0.05
    )


def test_charge_beside_the_window_or_outside_the_argon_is_not_seen():
    for row, column in ((-0.1, 20), (60.1, 20), (30, -0.1), (30, 40.1)):
        assert charge_image(point(row, column), WINDOW, RESPONSE).sum() == 0
    inside = point(30, 20)
    above = replace(inside, position=np.add(inside.position, [[0, 200, 0]]))
    assert charge_image(above, WINDOW, RESPONSE).sum() == 0


@pytest.mark.parametrize("cut", [0.0, 2.0, 7.0])
def test_noise_is_a_suppressed_gaussian(cut, rng):
    window = Window(100, READOUT[0], 600, 600)
    index, value = digitise(NOTHING, window, replace(RESPONSE, zero_suppression=cut), rng)
    expected = 600 * 600 * math.erfc(cut / 3 / math.sqrt(2)) / 2
    # some pixels are hit twice when half of all are filled
    assert len(index) == pytest.approx(expected if cut > 2 else len(index), rel=0.06)
    assert value.min() > cut
    above = np.mean(value > cut + 2)
    assert above == pytest.approx(math.erfc((cut + 2) / 3 / 2**0.5) / math.erfc(cut / 3 / 2**0.5), rel=0.1)


def test_without_noise_only_charge_is_left(rng):
    index, value = digitise(point(30, 20), WINDOW, replace(RESPONSE, noise=0.0), rng)
    image = charge_image(point(30, 20), WINDOW, RESPONSE)
    assert index.tolist() == np.flatnonzero(image > 7).tolist()
    assert value == pytest.approx(image[index], rel=1e-6)
