"""Errors, files, extras, threads and journals that all folders share."""
