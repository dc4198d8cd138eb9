"""Metrics: quality of scores and estimates, with uncertainties."""
