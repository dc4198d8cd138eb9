"""Errors, files, columns, extras, plug-ins, threads, journals and the way to notebooks that all folders share."""
