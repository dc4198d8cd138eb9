"""File formats: HDF5 tables and input files, for readers and writers."""
