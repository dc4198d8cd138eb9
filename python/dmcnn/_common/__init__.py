"""Errors, files, threads and journals: what all rooms share and no physicist asks for."""
