"""LArCV3 HDF5 files, read without LArCV."""
