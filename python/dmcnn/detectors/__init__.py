"""Detectors: classes, units, windows and scales of each, as constants."""
