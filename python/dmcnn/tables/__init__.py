"""Tables of scores: CSV, parquet, and joins to analysis tables."""
