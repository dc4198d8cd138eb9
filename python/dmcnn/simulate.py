"""Write a simulated sample: ``python -m dmcnn.simulate output=sample.h5 events=1000 [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import dmcnn
from dmcnn.command import run
from dmcnn.errors import InputError, nearest
from dmcnn.files import writable
from dmcnn.settings import SimulateSettings

log = logging.getLogger("dmcnn")

HERE = {"name", "output", "kind", "product", "producer", "seed_number", "events"}
"""Keys of the command; the others are the physics of the sample."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("simulate", simulate, argv)


def simulate(settings: SimulateSettings) -> None:
    """Simulate and write, with a progress bar; the used cfg goes beside the file."""
    from dmcnn.samples import counted
    from dmcnn.simulation import SAMPLES
    from dmcnn.writers import larcv3

    if settings.kind not in SAMPLES:
        known = ", ".join(SAMPLES)
        raise InputError(f"kind = {settings.kind!r}: known are {known}{nearest(settings.kind, SAMPLES)}")
    output = Path(settings.output)
    if output.suffix not in (".h5", ".hdf5"):
        raise InputError(f"output = {settings.output!r}: expected a name that ends in .h5")
    writable(output.parent)
    physics = settings.model_dump(exclude=HERE)
    batches = SAMPLES[settings.kind](events=settings.events, seed=settings.seed_number, **physics)
    about: dict[str, str | int | float] = {
        "sample": settings.kind,
        "seed": settings.seed_number,
        "dmcnn": dmcnn.__version__,
        **physics,
    }
    larcv3.write(
        output,
        counted(batches, settings.events, output.name),
        producer=settings.producer,
        product=settings.product,
        attributes=about,
    )
    settings.save(output.with_suffix(""))
    log.info("%s: %d events", output, settings.events)


if __name__ == "__main__":
    sys.exit(main())
