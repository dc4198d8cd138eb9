"""Engines: evaluation of a network on sparse images, dense or at the price of their charge."""
