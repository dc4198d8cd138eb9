"""Detectors: what is known of each, such as classes, units, windows and scales, as numbers and words only."""
