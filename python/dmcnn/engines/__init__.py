"""Engines: how a network is evaluated on sparse images."""
