"""Trained networks at work: from image files to score tables."""
