"""Searches for the best settings: space, sampler, trials, worker processes and results."""
