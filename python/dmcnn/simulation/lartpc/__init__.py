"""Liquid-argon detectors: particles, showers, hadrons and readout of the built-in samples."""
