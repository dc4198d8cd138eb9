"""Sparse images, the batch type of all of dmcnn, and their crops, space-time frames and scalings."""
