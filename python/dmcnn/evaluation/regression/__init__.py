"""Evaluation of regression networks: residuals, pulls, uncertainties, and their comparison."""
