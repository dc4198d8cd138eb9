"""Notebook: what objects of all rooms do in one line, and the pictures that they show."""
