"""Event displays: one event in, its figures, animations and page out."""
