"""Constraints on a training: numbers that the weights or estimates must obey, and the multipliers that hold them."""
