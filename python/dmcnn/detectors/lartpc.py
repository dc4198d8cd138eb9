"""MicroBooNE, a liquid-argon time projection chamber, and the conventions of DM-CNN for its images.

Files: ``readers.larcv2``, ``readers.larcv3``, ``writers.larcv3``; network: ``models.mpid``; weights of DM-CNN:
``checkpoints.pwf``; sample ``dark-trident``: ``simulation.lartpc``; settings: cfg/*_config*.cfg.
"""

DRIFT_LENGTH, HALF_HEIGHT, LENGTH = 256.35, 116.5, 1036.8  # cm
WIRE_PITCH = 0.3  # cm, of the collection plane, whose wires are vertical
WIRES = 3456
PLANE = 2
"""Projection id of the collection plane."""
TICK = 0.5  # µs
DRIFT_VELOCITY = 0.11  # cm/µs
FIELD = 0.273  # kV/cm
TICKS_PER_ROW = 6
READOUT = (2400, 8448)  # ticks
ROWS = (READOUT[1] - READOUT[0]) // TICKS_PER_ROW
TRIGGER_TICK = 3200

CLASSES = ("signal", "background")
"""Classes, in the order of the outputs of DM-CNN's networks."""
DM_CNN_LABEL = "run == 100"
"""Condition by which DM-CNN tells the signal in its files."""
DM_CNN_FILES = tuple({"format": name, "producer": "image2d_binary"} for name in ("LArCV2", "LArCV3"))
"""Kinds of these files, see ``EventFile.kind``: as DM-CNN reads them, and converted."""
DM_CNN_READING = {"adc_lo": 10.0, "adc_hi": 500.0}
"""Threshold and clip of DM-CNN's scripts [ADC]; its weight files do not state them."""
