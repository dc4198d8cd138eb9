"""File formats that readers and writers share."""
