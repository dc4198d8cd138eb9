"""Inference: trained networks on devices, from image files to score tables."""
