"""Settings of the engine, which all commands that evaluate a network share."""

from __future__ import annotations

from typing import Literal

from dmcnn.settings.base import setting
from dmcnn.settings.reading import Reading


class EngineSettings(Reading):
    """Key of the engine."""

    engine: Literal["auto", "sparse", "dense"] = setting(
        "auto",
        "machine",
        "sparse = each distinct window of a map is computed once, for the same results but for rounding; dense = all "
        "places; auto = the faster one by estimate, and of work that goes on the one with which it began",
        resume="free",
        trials="free",
        tune="no result depends on it but for rounding",
    )
