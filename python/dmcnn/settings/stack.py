"""Settings of the comparison of data with a stack of samples, which ``evaluate`` has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.settings.base import Conflict, Paths, Settings, setting

SECTION, SYSTEMATICS = "data and stack", "systematic uncertainties"


class StackSettings(Settings):
    """Settings of data, samples and their uncertainties."""

    stack: dict[str, Paths] | None = setting(
        None,
        SECTION,
        'score tables of the samples that the data are compared with, from the bottom of the stack: {"dirt": files, '
        '"nu overlay": files, …}; signal, path or {name: files}, is drawn over them',
    )
    data: Paths | None = setting(None, SECTION, "score tables of the data, every event of which counts 1")
    sample_scale: dict[str, float] | None = setting(
        None,
        SECTION,
        "factor of the weights of all events of a sample, such as the ratio of POT or of triggers, "
        '{"dirt": 0.3, "signal": 0.01}; event_weight is multiplied by it',
    )
    variable: str = setting(
        "score",
        SECTION,
        'variable on the axis: "score", "logit" (of a score in 0..1), or a column such as n_pixels',
    )
    bins: int | list[float] = setting(20, SECTION, "number of bins, or their edges")
    range: list[float] | None = setting(
        None,
        SECTION,
        "lowest and highest edge of the bins; default: 0 to 1 for scores, else the range of the stack. What lies "
        "outside has bins of its own",
        min_length=2,
        max_length=2,
    )
    blind_above: float | Literal[False] | None = setting(
        None,
        SECTION,
        "score above which data stay hidden, in figures, tables and chi2; False shows all. data needs it",
    )
    signal_scale: float = setting(1.0, SECTION, "factor by which signals are drawn larger", gt=0)
    universes: dict[str, str | dict[str, str]] | None = setting(
        None,
        SYSTEMATICS,
        'columns of universe weights of each source, {"flux": "flux_*"}: in all samples that have them, or {source: '
        "{sample: columns}}; they multiply the weight of the event",
    )
    universe_files: dict[str, Paths] | None = setting(
        None,
        SYSTEMATICS,
        "CSV or parquet files with the universe weights of a sample, matched by run, subrun and event; default: its "
        "score tables",
    )
    clean_weights: float | None = setting(
        None,
        SYSTEMATICS,
        "event and universe weights that are NaN, infinite, <= 0 or above this become 1, and are counted; default: "
        "no weight is changed",
        gt=0,
    )
    variations: dict[str, dict[str, Paths]] | None = setting(
        None,
        SYSTEMATICS,
        'score tables of the same events in another detector, {"recombination": {"nu overlay": files}}, matched by '
        "run, subrun and event",
    )
    central_value: dict[str, Paths] | None = setting(
        None,
        SYSTEMATICS,
        "score tables of the events of the variations in the unchanged detector, where these are not in the stack: "
        "{sample: files}",
    )
    normalisation: dict[str, dict[str, float]] | None = setting(
        None,
        SYSTEMATICS,
        "fractional uncertainty of the normalisation by source and sample, "
        '{"POT": {"dirt": 0.02, "nu overlay": 0.02}}; samples of one source vary together',
    )

    def stack_tables(self) -> list[str]:
        """Return the paths of all score tables and tables of weights of the stack."""
        return [path for _, group in self._groups() for path in expand(group)]

    def files_of(self, key: str) -> dict[str, list[str]]:
        """Return {sample: paths} of a key that names files per sample."""
        return {name: expand(group) for name, group in (getattr(self, key) or {}).items()}

    def _groups(self) -> Iterator[tuple[str, Paths]]:
        """Yield key and files of every group of files."""
        for key in ("stack", "universe_files", "central_value"):
            yield from ((key, group) for group in (getattr(self, key) or {}).values())
        yield from (
            ("variations", group) for files in (self.variations or {}).values() for group in files.values()
        )
        if self.data is not None:
            yield "data", self.data

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        for key, group in self._groups():
            try:
                expand(group)
            except InputError as error:
                yield from (((key,), f"{key}: {fault}") for fault in error.faults)
        if self.stack is not None and not self.stack:
            yield ("stack",), "stack names no sample"
        if self.stack is None:
            own = set(StackSettings.model_fields) - set(Settings.model_fields)
            given = sorted((own & self.model_fields_set) - {"stack"})
            for key in given:
                if getattr(self, key) != type(self).model_fields[key].default:
                    yield (key,), f"{key} has no effect without stack"
        elif self.data is not None and self.blind_above is None:
            yield (
                ("blind_above", "data"),
                "data needs blind_above: the score above which data stay hidden, such as 0.8, or False to show all",
            )
        edges = self.bins if isinstance(self.bins, list) else self.range or [0.0, 1.0]
        key = "bins" if isinstance(self.bins, list) else "range"
        if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
            yield (key,), f"{key} = {edges} must rise from edge to edge"
        if isinstance(self.bins, list) and self.range is not None:
            yield ("bins", "range"), "bins gives the edges already: leave out range"
        if isinstance(self.bins, int) and not 1 <= self.bins <= 1000:
            yield ("bins",), f"bins = {self.bins}, expected 1 to 1000"
        for name, shares in (self.normalisation or {}).items():
            if bad := [share for share in shares.values() if not share > 0]:
                yield (
                    ("normalisation",),
                    f"normalisation: {name!r} has {bad[0]:g}, expected a fraction above 0",
                )
