"""Settings of ``infer``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.settings.base import Conflict, Entries, Label, Paths, setting
from dmcnn.settings.decision import CUT, Cut
from dmcnn.settings.network import NetworkSettings, quarter_turn
from dmcnn.settings.shares import ShareSettings

Weights = str | list[str] | dict[str, str | list[str]]
Format = Literal["csv", "parquet", "root"]


def _names(weights: Weights) -> Weights:
    """Return weight files whose names may be parts of columns and file names; ValueError for any other."""
    for name in weights if isinstance(weights, dict) else ():
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ValueError(f"{name!r} is no name, expected letters, digits, _ . + -")
    return weights


def _variation(text: str) -> str:
    """Return a variation as text; ValueError for any other."""
    from dmcnn.images.variations import Variation

    Variation.parse(text)
    return text


class InferSettings(NetworkSettings, ShareSettings):
    """Score every entry of every file by one network or several; writes a table per file."""

    weight_file: Annotated[Weights, AfterValidator(_names)] = setting(  # type: ignore[assignment]  # other commands take one
        ...,
        "input files",
        "checkpoints of dmcnn or .pwf of DM-CNN: path, list, globs, or {name: path}; each scores all files, and "
        "{name: [paths]} is an ensemble, whose scores are the mean",
        example="outputs/DM-CNN_model_best.ckpt",
    )
    input_csv: Paths | None = setting(
        None, "input files", "analysis CSV to join on run, subrun, event; one per input file"
    )
    entries: Entries | None = setting(
        None, "entries", "score only these entries, counted through all files from 0: 3 or 0-99,250"
    )
    entry_list: str | None = setting(
        None,
        "entries",
        "score only the entries in this text file: an entry number, counted through all files, or run, subrun and "
        "event, on each line",
    )
    from_csv: Paths | None = setting(
        None, "entries", "score only entries that a row of these CSV files names by run, subrun and event"
    )
    output_format: list[Format] | Format = setting(
        "csv",
        "outputs",
        "csv, parquet, root, or a list of them: root is a flat tree in entry order, a friend of the input file",
    )
    legacy: bool = setting(
        False, "outputs", "-999999.9 for missing scores and -1 for missing integers, as in tables of DM-CNN"
    )
    merged: bool = setting(
        False,
        "outputs",
        "also write one table of all files; its column file (in root file_number) names them",
    )
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = setting(
        0, "robustness", "[degrees] rotate every image first, as a test of robustness"
    )
    robustness: list[Annotated[str, AfterValidator(_variation)]] | None = setting(
        None,
        "robustness",
        "score all events under these variations of the images, too, and write the shifts of their scores: rotate90, "
        'rotate180, rotate270, flip_x, flip_y, "charge*1.05", "dropout 0.05" (share of active pixels that is lost), '
        '"noise 2" (on active pixels, in their unit), "dead_wires 10" (columns without charge)',
    )
    cut: Cut | None = setting(
        None,
        "outputs",
        "lowest signal score of an event that passes (1 in the column passed, else 0), or the JSON of evaluate "
        "with its cut; robustness counts the events that cross it (default there: 0.5)",
    )
    seed_number: int = setting(
        1, "robustness", "seed of the random variations of an event, with its ids", ge=0, le=2**32 - 1
    )
    arithmetic: Literal["auto", "float", "fixed"] = setting(
        "auto",
        "machine",
        "fixed = the integers of the chip, of a quantised network smartpixel on a CPU; auto = fixed where it can be, "
        "with the same outputs, else float",
    )
    label: Label | None = setting(
        None, "classes and labels", "class of an event, as in training (default: the rule of the checkpoint)"
    )

    resumes: ClassVar[bool] = True
    passes_over_files: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("input_file", "input_csv", "entry_list", "from_csv")

    free_in_shares: ClassVar[frozenset[str]] = ShareSettings.free_in_shares | {
        "output_format",
        "legacy",
        "merged",
    }

    @property
    def formats(self) -> list[str]:
        """Formats of the tables, each once."""
        return list(
            dict.fromkeys([self.output_format] if isinstance(self.output_format, str) else self.output_format)
        )

    @property
    def crossing(self) -> float:
        """Cut whose crossing the robustness tables count."""
        return CUT if self.cut is None else self.cut

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        weights = getattr(self, "weight_file", None)
        for paths in (
            weights.values() if isinstance(weights, dict) else [weights] if weights is not None else []
        ):
            try:
                expand(paths)
            except InputError as error:
                yield from ((("weight_file",), f"weight_file: {fault}") for fault in error.faults)
        if self.robustness is not None and not self.robustness:
            yield ("robustness",), "robustness = []: an empty list names no variation"
        chosen = [key for key in ("entries", "entry_list", "from_csv") if getattr(self, key) is not None]
        if chosen[1:]:
            yield tuple(chosen), f"{' and '.join(chosen)} both choose the entries: give one"

    def state(self) -> dict[str, Any]:
        """Return the values on which the results of a file depend, but for the files that keys name."""
        free = {
            *self.inputs,
            "weight_file",
            "output_dir",
            "GPUID",
            "merged",
            "check_shares",
            "farm",
            "shares",
        }
        return self.model_dump(exclude=free)
