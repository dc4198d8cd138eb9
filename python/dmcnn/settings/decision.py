"""Settings of the decisions that ``evaluate`` takes from scores: the cut, or the rule that chooses it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dmcnn._common.errors import InputError
from dmcnn._common.files import home
from dmcnn.settings.base import Conflict, Settings, setting

CUT = 0.5
"""Cut without a rule."""


def cut_of(value: float | str) -> float:
    """Return a cut, or the one in the JSON of ``evaluate`` at a path.

    Raises:
        InputError: the file cannot be read, is no JSON, or has no cut.
    """
    if not isinstance(value, str):
        return value
    try:
        content = json.loads(home(value).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise InputError(f"expected a number or the JSON of evaluate ({reason})") from None
    cut = content.get("cut") if isinstance(content, dict) else None
    if not isinstance(cut, int | float):
        raise InputError('the JSON has no number "cut", expected that of evaluate for one network')
    return float(cut)


class DecisionSettings(Settings):
    """Keys of the cut on a score."""

    cut: float = setting(CUT, "classes", "lowest score of an event that is classified as signal")
    working_point: str | None = setting(
        None,
        "classes",
        'rule that chooses the cut: "background_efficiency 0.01", "signal_efficiency 0.9", "purity 0.8", '
        '"significance", or "significance 0.2" with the relative uncertainty of the background',
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if self.working_point is None:
            return
        from dmcnn.metrics.working_point import CutRule

        try:
            CutRule.parse(self.working_point)
        except InputError as error:
            yield ("working_point",), str(error)
        if self.cut != CUT:
            yield ("cut", "working_point"), "cut and working_point both set the cut: give one of them"
