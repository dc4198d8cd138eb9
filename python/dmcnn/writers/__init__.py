"""SparseImages, tables and figures out to files that other software reads."""
