"""Calorimeter images of energy and time in HDF5 files."""
