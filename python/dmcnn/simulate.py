"""Write a simulated sample: ``python -m dmcnn.simulate output=sample.h5 events=1000 [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import dmcnn
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import writable
from dmcnn.settings import SimulateSettings
from dmcnn.settings.command import run

log = logging.getLogger("dmcnn")

CALLED = {"ecal": "calorimeter"}
"""What some samples are called elsewhere."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    return run("simulate", simulate, argv)


def simulate(settings: SimulateSettings) -> None:
    """Simulate and write, with a progress bar; the used cfg goes beside the output."""
    from dmcnn.simulation import SAMPLES
    from dmcnn.simulation.addresses import counted, format_of

    settings = settings.model_copy(update={"kind": CALLED.get(settings.kind, settings.kind)})
    if settings.kind not in SAMPLES:
        known = ", ".join(SAMPLES)
        raise InputError(f"kind = {settings.kind!r}: known are {known}{nearest(settings.kind, SAMPLES)}")
    form, sample = format_of(settings.kind), SAMPLES[settings.kind]
    output = Path(settings.output)
    if output.suffix not in form.suffixes:
        endings = [
            f"a name that ends in {end}" if end else "a folder, its name without a dot"
            for end in form.suffixes
        ]
        raise InputError(f"output = {settings.output!r}: expected {' or '.join(endings)}")
    defaults = {
        name: p.default for name, p in signature(sample).parameters.items() if p.kind is p.KEYWORD_ONLY
    }
    physics, options = chosen(settings, defaults, form.options)
    batches = sample(events=settings.events, seed=settings.seed_number, **physics)
    writable(output.parent)
    about = {"sample": settings.kind, "seed": settings.seed_number, "dmcnn": dmcnn.__version__, **physics}
    form.write(output, counted(batches, settings.events, output.name), attributes=about, **options)
    settings.model_copy(update=physics | options).save(output.with_suffix(""))
    log.info("%s: %d events", output, settings.events)


def chosen(
    settings: SimulateSettings, physics: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of the sample and of its file: ``physics`` and ``options`` with what the user has set.

    InputError for every key that the user has set and the sample knows nothing of.
    """
    given = {
        key: value
        for key, value in settings.model_dump(exclude=settings.keys(sample=False)).items()
        if value is not None
    }
    known = {**physics, **options}
    faults = [
        f"{key} means nothing to kind = {settings.kind!r}{nearest(key, known)}"
        for key in given
        if key not in known
    ]
    if faults:
        raise InputError(*faults)
    taken, stored = ({key: given.get(key, some[key]) for key in some} for some in (physics, options))
    return taken, stored


if __name__ == "__main__":
    sys.exit(main())
