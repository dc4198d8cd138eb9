"""Quality of attribution maps: how far a map can be trusted, and how alike maps are."""
