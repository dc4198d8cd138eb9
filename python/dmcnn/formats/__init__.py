"""File formats: what readers and writers share."""
