"""Occlusion: scores of an event while windows of pixels are replaced (Zeiler and Fergus, arXiv:1311.2901)."""
