"""Regression networks judged by their residuals, pulls and uncertainties, side by side."""
