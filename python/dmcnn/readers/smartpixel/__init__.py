"""Frames of smart pixel sensors in parquet and csv files."""
