"""Constraints of a training: quantities of the weights or estimates, their bounds, and Lagrange multipliers."""
