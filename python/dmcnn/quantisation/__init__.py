"""Quantised networks: quantisers, fixed-point arithmetic, and the cost of layers in hardware."""
