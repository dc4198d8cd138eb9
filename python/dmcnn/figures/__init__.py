"""Figures from arrays: each function returns a matplotlib Figure and leaves saving to ``figures.save``."""
