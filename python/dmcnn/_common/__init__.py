"""Errors, files, threads, journals, plug-ins, notebooks' way up: what all rooms share and no physicist asks for."""
