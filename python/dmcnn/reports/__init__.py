"""Reports: pages and texts on what a command has left in a folder, made from its files alone."""
