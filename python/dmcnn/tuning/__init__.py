"""Searches for the best settings: what is drawn, which trial is whose, and what came of them."""
