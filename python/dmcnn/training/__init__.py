"""Training: images, batches, optimiser, loop, constraints, checkpoints and metrics table."""
