"""Drift and induction in silicon against measurements and closed forms."""

import numpy as np
import pytest

from dmcnn.simulation.silicon import carrier, weighting_potential


def test_electrons_drift_at_the_measured_lorentz_angle() -> None:
    """CMS: tan = 0.41 in 285 µm at 150 V and 3.8 T (V. Chiochia et al., CMS pixel barrel); holes turn less."""
    electrons, holes = (carrier(sign, 150 / 285, 3.8) for sign in (1, -1))
    assert electrons.tangent == pytest.approx(0.41, rel=0.1)
    assert holes.tangent < electrons.tangent / 2
    assert carrier(1, 150 / 285, 0.0).tangent == 0
    assert carrier(1, 100.0, 0.0).velocity == pytest.approx(0.12, rel=0.05)  # saturation [µm/ps]
    assert electrons.velocity < carrier(1, 150 / 285, 0.0).velocity


def test_all_pixels_together_are_a_plane_condenser() -> None:
    """The shares of 3 x 3 pixels as wide as the sensor is thick add up to nearly all that any electrode sees."""
    share = weighting_potential((100.0, 100.0), 100.0, 20, 4)
    total = share.sum(axis=(3, 4)).mean(axis=(1, 2))
    np.testing.assert_allclose(total, 1 - (np.arange(20) + 0.5) / 20, atol=0.03)


def test_the_nearest_pixel_sees_most() -> None:
    share = weighting_potential((50.0, 12.5), 100.0, 50, 8)
    assert share[0, 3:5, 3:5, 1, 1].min() > 0.85
    assert share[-1].max() < 0.01
    assert (np.diff(share[:, 4, 4, 1, 1]) < 0).all()
    np.testing.assert_allclose(share, share[:, ::-1, :, ::-1, :], atol=1e-12)
    np.testing.assert_allclose(share, share[:, :, ::-1, :, ::-1], atol=1e-12)
    below, above = share[5, 0, 4, 0, 1], share[5, 0, 4, 2, 1]
    assert below > 2 * above  # a charge at the lower edge is nearer to the pixel before
