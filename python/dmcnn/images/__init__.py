"""Sparse images: the one data type that flows through dmcnn, and what is cut and made of it."""
