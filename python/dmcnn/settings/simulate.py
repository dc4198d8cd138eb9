"""The settings of ``simulate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dmcnn.settings.base import Settings


class SimulateSettings(Settings):
    """Write a simulated sample as a LArCV3 file."""

    output: str = Field(description="file to write (.h5)")
    events: int = Field(ge=1, description="number of events")
    kind: str = Field("dark-trident", description="sample")
    product: Literal["sparse2d", "image2d"] = Field(
        "sparse2d", description="LArCV3 product; image2d stores zeros too"
    )
    producer: str = Field("image2d_binary", description="producer name in the file")
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed; event i depends on it and on i alone")
    xdim: int = Field(512, description="[wires] image width")
    ydim: int = Field(512, description="[rows of 6 ticks] image height")
    vertex_jitter: float = Field(8.0, description="[pixels] rms distance of the vertex from the middle")
    signal_fraction: float = Field(0.5, description="share of signal events (run = 100)")
    dark_photon_mass: float = Field(50.0, description="[MeV] with the energy it sets the e+e- opening angle")
    dark_photon_energy: float = Field(400.0, description="[MeV] mean kinetic energy")
    angular_spread: float = Field(0.25, description="[rad] rms of the flight direction about the beam")
    cosmic_fraction: float = Field(
        0.3, description="share of cosmic muons in the background; the rest: neutrinos"
    )
    stopping_fraction: float = Field(0.5, description="share of these muons that stop at the vertex")
    charged_current: float = Field(0.7, description="share of neutrino interactions with a muon")
    neutral_pions: float = Field(0.4, description="mean number of neutral pions of a neutrino interaction")
    cosmic_flux: float = Field(1.0, description="[1/(cm^2 min)] muons laid over every event")
    gain: float = Field(220.0, description="[ADC/MeV] per ionisation energy that escapes recombination")
    lifetime: float = Field(18000.0, description="[us] of drifting electrons")
    shaping: float = Field(2.5, description="[ticks] Gaussian width of the pulse")
    noise: float = Field(2.8, description="[ADC] rms of a pixel")
    zero_suppression: float = Field(7.0, description="[ADC] pixels below are not stored")
