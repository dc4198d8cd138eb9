"""Engines: evaluation of a network on sparse images."""
