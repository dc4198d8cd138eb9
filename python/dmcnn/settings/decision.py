"""Settings of the decisions that ``evaluate`` takes from scores: the cut, or the rule that chooses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from dmcnn._common.errors import InputError
from dmcnn._common.files import home
from dmcnn.settings.base import Conflict, Paths, Settings, setting

CUT = 0.5
"""Cut without a rule."""


def cut_of(value: Any) -> Any:
    """Return the cut in the JSON of ``evaluate`` at a path, any other value as it is; ValueError for another file."""
    if not isinstance(value, str):
        return value
    try:
        content = json.loads(home(value).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise ValueError(f"expected a number or the JSON of evaluate ({reason})") from None
    cut = content.get("cut") if isinstance(content, dict) else None
    if not isinstance(cut, int | float):
        raise ValueError('the JSON has no number "cut", expected that of evaluate for one network')
    return cut


Cut = Annotated[float, BeforeValidator(cut_of)]
"""Cut: a number, or the path of the JSON of ``evaluate``, whose cut it is."""


class DecisionSettings(Settings):
    """Keys of the cut on a score."""

    cut: float = setting(CUT, "classes", "lowest score of an event that is classified as signal")
    working_point: str | None = setting(
        None,
        "classes",
        'rule that chooses the cut: "background_efficiency 0.01", "signal_efficiency 0.9", "purity 0.8", '
        '"significance", or "significance 0.2" with the relative uncertainty of the background',
    )
    calibration: Paths | dict[str, Paths] | None = setting(
        None,
        "calibration",
        "score CSVs of validation events with a label column, of a signal or of several classes, or "
        '{"signal": files, "background": files}: the temperature of the scores is fitted to them',
    )
    calibrate_weight_file: str | None = setting(
        None,
        "calibration",
        "checkpoint of the network that made the scores: a copy beside it, <name>_calibrated.ckpt, gets the "
        "temperature",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        yield from self._calibration_conflicts()
        if self.working_point is None:
            return
        from dmcnn.metrics.working_point import CutRule

        try:
            CutRule.parse(self.working_point)
        except InputError as error:
            yield ("working_point",), str(error)
        if self.cut != CUT:
            yield ("cut", "working_point"), "cut and working_point both set the cut: give one of them"

    def _calibration_conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions of the keys of calibration."""
        if self.calibrate_weight_file is not None and self.calibration is None:
            keys = "calibrate_weight_file", "calibration"
            yield keys, "calibrate_weight_file needs calibration: the score tables of validation events"
        if isinstance(self.calibration, dict) and self.calibration.keys() != {"signal", "background"}:
            yield ("calibration",), 'calibration names other than "signal" and "background"'
