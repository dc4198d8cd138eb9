"""Errors, files, columns, extras, plug-ins, threads and journals that all folders share."""
