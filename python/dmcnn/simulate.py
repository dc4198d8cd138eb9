"""Write a simulated sample: ``python -m dmcnn.simulate output=sample.h5 events=1000 [key=value …]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dmcnn
from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import output_folder
from dmcnn.settings import SimulateSettings
from dmcnn.settings.cfg import checksum, is_own
from dmcnn.settings.command import run

log = logging.getLogger("dmcnn")

SYNONYMS = {"ecal": "calorimeter"}
"""Other names of samples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run("simulate", simulate, argv)


def simulate(settings: SimulateSettings) -> None:
    """Simulate a sample, write it with a progress bar, and write the cfg of the run beside it."""
    from dmcnn.formats.origin import origin_text
    from dmcnn.simulation import SAMPLES, defaults
    from dmcnn.simulation.addresses import format_of
    from dmcnn.simulation.parts import remove_parts, resumed_batches
    from dmcnn.writers.origin import check_own

    settings = settings.model_copy(update={"kind": SYNONYMS.get(settings.kind, settings.kind)})
    if settings.kind not in SAMPLES:
        known = ", ".join(SAMPLES)
        raise InputError(
            f"kind = {settings.kind!r}{nearest(settings.kind, SAMPLES)}, expected one of {known}"
        )
    form, sample = format_of(settings.kind), SAMPLES[settings.kind]
    output = Path(settings.output)
    if output.suffix not in form.suffixes:
        endings = [
            f"a name that ends in {end}" if end else "a folder, its name without a dot"
            for end in form.suffixes
        ]
        raise InputError(f"output = {settings.output!r}: expected {' or '.join(endings)}")
    version = version_of(settings, defaults(settings.kind))
    physics, options = split_arguments(settings, defaults(settings.kind, version), form.options)
    output_folder(output.parent)
    cfg = output.with_suffix(".cfg")
    for path in form.files(output):
        check_own(path)
    if cfg.exists() and not is_own(cfg):
        raise InputError(
            f"{cfg}: the settings would be written there, but it is yours: choose another output"
        )
    about = {
        "origin": origin_text({"sample": settings.kind}),
        "sample": settings.kind,
        "seed": settings.seed_number,
        "dmcnn": dmcnn.__version__,
        **physics,
    }
    used = settings.model_copy(update=physics | options)
    with used.results_at(output.with_suffix(""), note=f", checksum {checksum(used.text(''))}"):
        batches = resumed_batches(
            sample,
            output,
            events=settings.events,
            seed=settings.seed_number,
            arguments=physics,
            key=about,
            what=output.name,
        )
        form.write(output, batches, attributes=about, **options)
        remove_parts(output)
    log.info("%s: %d events", output, settings.events)


def version_of(settings: SimulateSettings, latest: Mapping[str, Any]) -> int | None:
    """Return the version of the sample that the user asks for; None for the latest.

    A cfg that gives all arguments but this one was written when there was one version, and means that one.

    Args:
        settings: settings of the user.
        latest: arguments of the sample in its latest version.
    """
    needed = {name for name, default in latest.items() if default is not None} - {"version"}
    if settings.version or not all(getattr(settings, name) is not None for name in needed):
        return settings.version
    if "version" in latest:
        log.info(
            "%s: all arguments but version are given, as before there were versions: version = 1",
            settings.kind,
        )
    return 1


def split_arguments(
    settings: SimulateSettings, physics: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of the sample and of its file: ``physics`` and ``options`` with the values of the user.

    Raises:
        InputError: keys that the user sets and that neither the sample nor its file has.
    """
    values = {
        key: value
        for key, value in settings.model_dump(exclude=settings.keys(sample=False)).items()
        if value is not None
    }
    known = {**physics, **options}
    faults = [
        f"{key} is not a key of kind = {settings.kind!r}{nearest(key, known)}"
        for key in values
        if key not in known
    ]
    if faults:
        raise InputError(*faults)
    of_sample, of_file = ({key: values.get(key, group[key]) for key in group} for group in (physics, options))
    return of_sample, of_file


if __name__ == "__main__":
    sys.exit(main())
