"""Datasets: many files as one, with labels, targets and selections of events."""
