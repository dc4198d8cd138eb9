"""Crystal calorimeter of CMS, as in the electron/photon challenge of ML4SCI.

Files: ``readers.calorimeter``, ``writers.calorimeter``; networks: ``models.calorimeter_resnet``, ``models.cnn3d``;
frames of time: ``images.frames``; weights of Keras: ``checkpoints.keras_cards``; sample ``calorimeter``:
``simulation.calorimeter``; figures: ``displays.space_time``; settings: cfg/calorimeter_*.cfg.
"""

CLASSES = ("photon", "electron")
"""Classes, in the order of the files and of the outputs of the networks."""
ENERGY_UNIT, TIME_UNIT = 50.0, 50.0
"""[GeV], [ns] units of stored energies and times: the usual window |t| < 0.1 is 5 ns."""
FRAME_ENERGY = 0.005
"""[ENERGY_UNIT] threshold of time frames, above the noise of the published images."""
TIME_EDGES = (-0.1, 0.1, 0.0099)
"""[TIME_UNIT] (first, end, step) of the edges of time frames, for ``np.arange``."""
