"""Training: batches, losses, the loop, and what it leaves on disk."""
