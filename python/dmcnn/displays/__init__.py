"""Event displays: figures, animations and page of one event."""
