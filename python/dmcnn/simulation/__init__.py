"""Built-in samples: simulated detector images that need no file, reproducible from a seed."""

from dmcnn.simulation.dark_trident import dark_trident

SAMPLES = {"dark-trident": dark_trident}
