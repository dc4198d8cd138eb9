"""Weight files: networks and the cards that say how they were made."""
