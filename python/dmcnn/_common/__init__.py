"""Errors, files, threads, journals and plug-ins: what all rooms share and no physicist asks for."""
