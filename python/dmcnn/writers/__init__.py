"""Writers of sparse images to files that other software reads."""
