"""Sparse images out to files that other software reads."""
