"""Silicon sensors: drift of electrons and holes in crossed fields, and the charge that they induce in pixels.

Numbers: C. Jacoboni et al., Solid-State Electron. 20 (1977) 77 (mobility); S. Ramo, Proc. IRE 27 (1939) 584
(induction); W. Riegler, G. Aglieri Rinella, Nucl. Instrum. Meth. A 767 (2014) 267 (potential of a pad in a plane
condenser).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TEMPERATURE = 263.0
"""[K] of the sensors, as in the experiments."""
THERMAL = 8.617e-5 * TEMPERATURE
"""[V] kT/e."""
IMAGES = 8
"""Image charges behind each electrode; more change the potential by less than 1e-3."""


@dataclass(frozen=True)
class Carrier:
    """Electrons or holes: sign of their signal, velocity along the field [µm/ps], tangent of the Lorentz angle."""

    sign: int
    velocity: float
    tangent: float


_MOBILITY = {
    1: (1.53e9, -0.87, 1.01, 1.55, 0.0257, 0.66, 1.02),
    -1: (1.62e8, -0.52, 1.24, 1.68, 0.46, 0.17, 0.9),
}
"""Sign of electrons (1) and holes (-1) -> coefficient and exponent of the temperature of saturation velocity [cm/s],
critical field [V/cm] and sharpness of the saturation, and the Hall factor."""


def carrier(sign: int, electric: float, magnetic: float) -> Carrier:
    """Return electrons (1) or holes (-1) in an electric field [V/µm] and a magnetic field [T] across it."""
    *powers, hall = _MOBILITY[sign]
    saturation, critical, sharpness = (
        factor * TEMPERATURE**exponent for factor, exponent in zip(powers[::2], powers[1::2], strict=True)
    )
    mobility = 1e-4 * saturation / critical  # µm²/(V ps), which is m²/(V s)
    mobility /= (1 + (1e4 * electric / critical) ** sharpness) ** (1 / sharpness)
    tangent = hall * mobility * magnetic
    return Carrier(sign, mobility * electric / (1 + tangent**2), tangent)


@lru_cache(maxsize=8)
def weighting_potential(pitch: tuple[float, float], thickness: float, layers: int, points: int) -> Floats:
    """Return the share of a charge that is induced in its pixel and the eight around.

    Args:
        pitch: size of a pixel along x and y [µm].
        thickness: distance of the electrodes [µm].
        layers: depths of the charge, in the middle of layers of equal thickness; the first is at the pixels.
        points: places of the charge in its pixel, along y and along x.

    Returns:
        (layers, points, points, 3, 3) for depth, place along y and x, and pixel along y and x.
    """
    depth = (np.arange(layers) + 0.5) * thickness / layers
    y, x = (((np.arange(3 * points) + 0.5) / points - 1.5) * size for size in pitch[::-1])
    z, y, x = np.meshgrid(depth, y, x, indexing="ij")

    def solid_angle(distance: Floats) -> Floats:
        """Return the solid angle of a pixel around x = y = 0, ``distance`` [µm] before the places."""
        total = np.zeros_like(x)
        for across, along in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            a, b = x + across * pitch[0] / 2, y + along * pitch[1] / 2
            total += across * along * np.arctan2(a * b, distance * np.sqrt(a**2 + b**2 + distance**2))
        return total

    angle = solid_angle(z)
    for image in range(1, IMAGES + 1):
        angle += solid_angle(2 * image * thickness + z) - solid_angle(2 * image * thickness - z)
    blocks = angle.reshape(layers, 3, points, 3, points)[
        :, ::-1, :, ::-1
    ]  # behind the pixel is the charge before it
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 1, 3)) / (2 * pi)
