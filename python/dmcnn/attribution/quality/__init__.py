"""Quality of attribution maps: deletion, localisation, robustness, agreement, and their tables."""
