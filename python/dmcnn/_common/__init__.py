"""Errors, files, threads, journals, plug-ins and the way up to notebooks: what all rooms share and no physicist asks for."""
