"""dmcnn: train, run and explain image CNNs on neutrino and collider detector data."""

__version__ = "0.1.0"
