"""Occlusion: how the score moves when part of the image is blanked (Zeiler and Fergus, arXiv:1311.2901)."""
