"""Metrics: numbers that tell how good scores and estimates are, with their uncertainties."""
