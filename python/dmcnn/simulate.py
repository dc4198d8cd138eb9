"""Write a simulated sample: ``python -m dmcnn.simulate output=sample.h5 events=1000 [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from dmcnn.command import run
from dmcnn.settings import SimulateSettings

log = logging.getLogger("dmcnn")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("simulate", simulate, argv)


def simulate(settings: SimulateSettings) -> None:
    """Simulate and write."""
    log.info("%s", settings.output)


if __name__ == "__main__":
    sys.exit(main())
