"""Settings of ``simulate``."""

from __future__ import annotations

from typing import ClassVar, Literal

from dmcnn.settings.base import Settings, setting


class SimulateSettings(Settings):
    """Write a simulated sample; defaults depend on the sample and are given in brackets."""

    data_key: ClassVar[str] = "output"
    resumes: ClassVar[bool] = True

    output: str = setting(
        ...,
        "outputs",
        "file (dark-trident .h5, calorimeter .hdf5, smartpixel .parquet) or folder (lariat, calorimeter, "
        "smartpixel)",
        example="sample.h5",
        sample=False,
    )
    events: int = setting(..., "sample", "number of events", ge=1, example=1000, sample=False)
    kind: str = setting(
        "dark-trident", "sample", "sample: dark-trident, lariat, calorimeter or smartpixel", sample=False
    )
    seed_number: int = setting(
        1, "sample", "seed; event i depends on the seed and on i alone", ge=0, le=2**32 - 1, sample=False
    )
    version: int | None = setting(
        None,
        "sample",
        "version of the events, see docs/samples.md; 1 is for comparisons (dark-trident 2, lariat 2, smartpixel 2)",
        ge=1,
    )
    product: Literal["sparse2d", "image2d"] | None = setting(
        None, "outputs", "LArCV3 product; image2d stores zeros too (dark-trident sparse2d)"
    )
    producer: str | None = setting(None, "outputs", "producer name in the file (dark-trident image2d_binary)")
    xdim: int | None = setting(
        None, "detector and readout", "[wires, crystals] image width (dark-trident 512; calorimeter 32)"
    )
    ydim: int | None = setting(
        None,
        "detector and readout",
        "[rows of 6 ticks, crystals] image height (dark-trident 512; calorimeter 32)",
    )
    vertex_jitter: float | None = setting(
        None,
        "dark-trident",
        "[pixels] rms distance of the vertex from the middle (dark-trident 40.0; version 1: 8.0)",
    )
    signal_fraction: float | None = setting(
        None, "dark-trident", "share of signal events, run = 100 (dark-trident 0.5)"
    )
    dark_photon_mass: float | None = setting(
        None,
        "dark-trident",
        "[MeV] mass; with the energy it determines the opening angle of the pair (dark-trident 50.0)",
    )
    dark_photon_energy: float | None = setting(
        None, "dark-trident", "[MeV] mean kinetic energy (dark-trident 400.0)"
    )
    angular_spread: float | None = setting(
        None, "dark-trident", "[rad] rms of the flight direction about the beam (dark-trident 0.25)"
    )
    cosmic_fraction: float | None = setting(
        None,
        "dark-trident",
        "share of cosmic muons in the background; the rest are neutrinos (dark-trident 0.3)",
    )
    stopping_fraction: float | None = setting(
        None, "dark-trident", "share of these muons that stop at the vertex (dark-trident 0.5)"
    )
    charged_current: float | None = setting(
        None, "dark-trident", "share of neutrino interactions with a muon (dark-trident 0.7)"
    )
    neutral_pions: float | None = setting(
        None, "dark-trident", "mean number of neutral pions of a neutrino interaction (dark-trident 0.4)"
    )
    cosmic_flux: float | None = setting(
        None, "dark-trident", "[1/(cm^2 min)] flux of cosmic muons overlaid on every event (dark-trident 1.0)"
    )
    fractions: list[float] | None = setting(
        None,
        "lariat",
        "shares of electron, kaon, muon, photon, pion, pion_zero (lariat None: equal, in turn)",
    )
    momentum_lo: float | None = setting(None, "lariat", "[MeV/c] lowest momentum of the beam (lariat 200.0)")
    momentum_hi: float | None = setting(
        None, "lariat", "[MeV/c] highest momentum of the beam (lariat 1500.0)"
    )
    beam_size: float | None = setting(
        None, "lariat", "[cm] rms distance of beam particles from the axis, each way (lariat 4.0)"
    )
    beam_angle: float | None = setting(
        None, "lariat", "[rad] rms angle to the beam axis, each way (lariat 0.05)"
    )
    gain: float | None = setting(
        None,
        "detector and readout",
        "[ADC/MeV] charge per ionisation energy after recombination (dark-trident 220.0, lariat 220.0)",
    )
    lifetime: float | None = setting(
        None,
        "detector and readout",
        "[us] lifetime of drifting electrons (dark-trident 18000.0, lariat 1000.0)",
    )
    shaping: float | None = setting(
        None, "detector and readout", "[ticks] Gaussian width of the pulse (dark-trident 2.5, lariat 8.0)"
    )
    noise: float | None = setting(
        None,
        "detector and readout",
        "rms noise of a pixel: [ADC] (dark-trident 2.2; version 1: 2.8; lariat 6.0), [GeV] (calorimeter 0.045)",
    )
    zero_suppression: float | None = setting(
        None,
        "detector and readout",
        "threshold of stored pixels: [ADC] (dark-trident 7.0, lariat 20.0), [GeV] (calorimeter 0.1), "
        "[electrons] (smartpixel 0.0; version 1: 25.0)",
    )
    electron_fraction: float | None = setting(None, "calorimeter", "share of electrons (calorimeter 0.5)")
    transverse_momentum: float | None = setting(
        None, "calorimeter", "[GeV] transverse momentum of the particles (calorimeter 50.0)"
    )
    field: float | None = setting(None, "calorimeter", "[T] magnetic field of the solenoid (calorimeter 3.8)")
    material: float | None = setting(
        None,
        "calorimeter",
        "[radiation lengths] material in front of the crystals at eta = 0 (calorimeter 0.4)",
    )
    conversions: float | None = setting(
        None, "calorimeter", "share of converted photons that stay in the sample (calorimeter 0.45)"
    )
    stochastic: float | None = setting(
        None, "calorimeter", "[sqrt(GeV)] stochastic term of the energy resolution (calorimeter 0.028)"
    )
    constant: float | None = setting(
        None, "calorimeter", "constant term of the energy resolution (calorimeter 0.003)"
    )
    geometry: str | None = setting(
        None,
        "smartpixel",
        "pixel size: t1 to t5 50 um wide and 10 to 25 um high, t6 and t7 100 x 25 um (smartpixel t2)",
    )
    rows_per_file: int | None = setting(
        None,
        "outputs",
        "tracks in each file of a folder, or in each row group of a file (smartpixel 5000)",
        ge=1,
    )
