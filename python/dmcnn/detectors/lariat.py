"""LArIAT, a liquid-argon time projection chamber in a test beam (R. Acciarri et al., JINST 15 (2020) P04026).

Files: ``readers.npy``, ``writers.npy``; network: ``models.lariat``; weights of Keras: ``checkpoints.keras_cards``;
sample ``lariat``: ``simulation.lartpc.lariat``; settings: cfg/lariat_*.cfg.
"""

from math import pi

CLASSES = ("electron", "kaon", "muon", "photon", "pion", "pion_zero")
"""Particles of the beam, in the order of the outputs of the networks."""

DRIFT_LENGTH, HALF_HEIGHT, LENGTH = 47.0, 20.0, 90.0  # cm
WIRES, WIRE_PITCH, WIRE_ANGLE = 240, 0.4, pi / 3  # cm, rad to the beam: collection plane
FIELD = 0.484  # kV/cm
DRIFT_VELOCITY = 0.151  # cm/µs
TICK = 0.128  # µs
BINS, TICKS_PER_BIN, FIRST_BIN = 146, 21, 15
"""Bins of the 3072 ticks of a readout, each as long (4 mm of drift) as the wire pitch, and the bin of charge that
leaves the anode at the trigger; the whole drift fits into the image."""
