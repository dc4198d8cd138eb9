"""Quantised networks: numbers of a few bits, whole-number arithmetic, and what a layer costs in hardware."""
