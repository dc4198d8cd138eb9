"""Settings of ``evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import expand
from dmcnn.settings.base import Conflict, Paths, setting
from dmcnn.settings.decision import DecisionSettings
from dmcnn.settings.network import OwnModel
from dmcnn.settings.stack import StackSettings

Seeds = str | list[str | list[str]]
"""Score tables of a network: a path or glob, or a list with an item per seed; an inner list is a sample in parts."""


class EvaluateSettings(DecisionSettings, StackSettings):
    """Evaluate score CSVs: ROC and AUC of a signal, accuracy of classes, residuals and pulls of regression."""

    signal: Paths | dict[str, Paths] | None = setting(
        None,
        "score tables",
        "score CSVs of signal events: path, list, globs; or {name: files} of samples such as mass points, or, with "
        "the same names in background, of networks that scored the same events",
    )
    background: Paths | dict[str, Paths] | None = setting(
        None, "score tables", "score CSVs of background events, likewise"
    )
    scores: Paths | dict[str, Seeds] | None = setting(
        None,
        "score tables",
        "score CSVs of signal and background with a label column; for regression one CSV per network, or "
        '{"network": [CSV of each seed, …]}, where [part, part, …] is the sample of a seed in several CSVs',
    )
    event_weight: str | dict[str, float] | None = setting(
        None,
        "score tables",
        "weights of the events: a column of the CSVs, or a number per file such as its POT scale, "
        '{"signal*.csv": 0.02, "background.csv": 1.5}; default: every event counts 1',
    )
    signal_label: str = setting("signal", "classes", "value of the label column for signal events")
    score_column: str = setting("signal_score", "classes", "column of the score")
    confidence: float = setting(0.95, "classes", "confidence level of all intervals", gt=0, lt=1)
    names: list[str] | None = setting(
        None, "regression", "name of the network of each CSV; the same name again means another seed"
    )
    weights: Paths | dict[str, Paths] | None = setting(
        None,
        "regression",
        "weight files of the networks, in the order of scores, to draw their weights and zeros",
    )
    model: OwnModel = setting(
        None,
        "regression",
        "networks in weights that are plug-ins, and their readers, module:Name as in training",
    )
    fit_range: float = setting(
        2.0, "regression", "[sigma] half width of the range of Gaussian fits around the peak", gt=0.5, le=10
    )
    profile_bins: int = setting(
        12, "regression", "bins of resolution and bias against true parameters", ge=1, le=1000
    )
    output_dir: str = setting("outputs", "outputs", "folder of the figures, tables and the JSON")
    report: bool = setting(True, "outputs", "also write all results on one HTML page, which needs no network")

    data_key: ClassVar[str] = "scores"

    def networks(self) -> list[str]:
        """Return the names of networks that scored the same events: those that signal and background share."""
        if not (isinstance(self.signal, dict) and isinstance(self.background, dict)):
            return []
        return list(self.signal) if self.signal.keys() == self.background.keys() else []

    def tables(self, *keys: str) -> list[str]:
        """Return the paths of the score tables of some keys, or of all."""
        given = (getattr(self, key) for key in keys or ("scores", "signal", "background", "calibration"))
        values = [list(value.values()) if isinstance(value, dict) else [value] for value in given if value]
        paths = [path for group in values for item in group for path in _expand_all(item)]
        return paths if keys else list(dict.fromkeys([*paths, *self.stack_tables()]))

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        for key in ("signal", "background", "scores", "weights", "calibration", "calibrate_weight_file"):
            yield from _missing_files(key, getattr(self, key))
        yield from self._name_conflicts()
        if self.calibration is not None and self.networks():
            yield ("calibration", "signal"), "calibration is of one network: give the tables of one"
        pair = (self.signal is not None, self.background is not None)
        if self.scores is not None and any(pair):
            yield ("scores",), "scores replaces signal and background: give one or the other"
        if self.scores is not None and self.stack is not None:
            yield ("scores", "stack"), "scores and stack are two evaluations: give one or the other"
        if self.scores is None and not all(pair) and (self.stack is None or self.background is not None):
            yield ("signal", "background"), "give signal and background, or scores, or stack"
        if self.names is not None and isinstance(self.scores, dict):
            yield (
                ("names", "scores"),
                "names goes with a list of scores; scores = {network: …} already names the networks",
            )
        if isinstance(self.weights, dict) != isinstance(self.scores, dict) and self.weights is not None:
            yield ("weights", "scores"), "weights and scores must both be lists, or both be {network: …}"

    def _name_conflicts(self) -> Iterator[Conflict]:
        """Yield names that signal and background share although they do not share all."""
        if not (isinstance(self.signal, dict) and isinstance(self.background, dict)) or self.networks():
            return
        if common := sorted(self.signal.keys() & self.background.keys()):
            other = sorted(self.signal.keys() ^ self.background.keys())
            yield (
                ("signal", "background"),
                f"signal and background both have the name {common[0]!r}, but not both {other[0]!r}"
                f"{nearest(other[0], common)}: give both the same names, which are networks that scored the same "
                "events, or no name twice, for samples",
            )


def _expand_all(item: str | Sequence[str | list[str]]) -> list[str]:
    """Return the files that the texts of one network name."""
    texts = [item] if isinstance(item, str) else item
    return [path for text in texts for path in expand(text)]


def _missing_files(key: str, value: Paths | dict[str, Seeds] | dict[str, Paths] | None) -> Iterator[Conflict]:
    """Yield the texts of one key that name no file."""
    groups = list(value.values()) if isinstance(value, dict) else [] if value is None else [value]
    if isinstance(value, dict) and not groups:
        yield (key,), f"{key} names no {'network' if key in ('scores', 'weights') else 'sample'}"
    for group in groups:
        for item in (
            [group] if isinstance(group, str) else [[one] if isinstance(one, str) else one for one in group]
        ):
            try:
                expand(item)
            except InputError as error:
                yield from (((key,), f"{key}: {fault}") for fault in error.faults)
