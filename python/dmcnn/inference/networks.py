"""Networks of a scoring: checkpoints by name, and ensembles of seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any

import numpy as np

from dmcnn._common import files
from dmcnn._common.errors import InputError
from dmcnn._common.files import distinct_names, expand
from dmcnn.inference.predictor import Predictor, load_predictor
from dmcnn.tasks.base import Floats, Task

Weights = str | Sequence[str] | Mapping[str, str | Sequence[str]]
"""Weight files: path, glob, list of them, or {name: path, glob or list}; of several files a name is an ensemble."""


@dataclass(frozen=True)
class NamedNetwork:
    """Network by its name, or an ensemble of networks that differ in their weights alone.

    Attributes:
        name: name in columns; "" where there is no other.
        members: the network, or those of the ensemble, all of the same classes and reader options.
    """

    name: str
    members: tuple[Predictor, ...]

    @property
    def first(self) -> Predictor:
        """The network, or the first one of the ensemble."""
        return self.members[0]

    @property
    def task(self) -> Task:
        """Task of the members."""
        return self.first.task

    def outputs(self, outputs: Sequence[Floats]) -> Floats:
        """Return the (n, m) outputs by those of the members; of an ensemble logits whose scores are the mean."""
        if len(outputs) == 1:
            return outputs[0]
        return self.task.need_classes("an ensemble").mean_logits(np.stack(outputs))

    def spreads(self, outputs: Sequence[Floats]) -> dict[str, Floats]:
        """Return the columns with the standard deviation of every score over the members of an ensemble."""
        if len(outputs) == 1:
            return {}
        return self.task.need_classes("an ensemble").spreads(np.stack(outputs))

    def column(self, name: str) -> str:
        """Return the name of a column of this network in the table of all."""
        return f"{name}_{self.name}" if self.name else name

    def line(self) -> str:
        """Return what a cfg says of the network: its weights, and what a score is."""
        weights = " ".join(member.sha256 for member in self.members)
        mean = f"mean over {len(self.members)} networks of the " if len(self.members) > 1 else ""
        which = f"network {self.name}" if self.name else "scores"
        return f"{which}: {mean}{self.task.convention}, weights {weights}"


def named_files(weight_file: Weights) -> dict[str, list[str]]:
    """Return name -> weight files, in order; the only name is "".

    A file that has no name has its own, without what all checkpoints of dmcnn share and with as much of its folder as
    tells it from the others.

    Raises:
        InputError: no such file, or one that is named twice.
    """
    if isinstance(weight_file, Mapping):
        named = {name: expand(_as_list(paths)) for name, paths in weight_file.items()}
    else:
        paths = expand(_as_list(weight_file))
        named = {name: [path] for name, path in zip(_short_names(paths), paths, strict=True)}
    if not named:
        raise InputError("weight_file = {}: an empty list names no file")
    return {"": next(iter(named.values()))} if len(named) == 1 else named


def identity(named: Mapping[str, Sequence[str]]) -> str:
    """Return what identifies networks by name: the SHA-256 of the only weight file, or one of names and weights."""
    hashes = {name: [files.sha256(path) for path in paths] for name, paths in named.items()}
    if list(map(len, hashes.values())) == [1] and "" in hashes:
        return hashes[""][0]
    return new_sha256(repr(hashes).encode()).hexdigest()


def load_networks(named: Mapping[str, Sequence[str]], **options: Any) -> list[NamedNetwork]:
    """Load networks; a weight file with several names is loaded once.

    Args:
        named: name -> weight files, as of ``named_files``.
        options: as of ``load_predictor``.

    Raises:
        InputError: not a weight file, or an ensemble of networks that cannot be averaged.
    """
    loaded: dict[str, Predictor] = {}
    networks = []
    for name, paths in named.items():
        for path in paths:
            if path not in loaded:
                loaded[path] = load_predictor(path, **options)
        networks.append(NamedNetwork(name, tuple(loaded[path] for path in paths)))
        _check_ensemble(networks[-1], paths)
    return networks


def _check_ensemble(network: NamedNetwork, paths: Sequence[str]) -> None:
    """Raise InputError unless the members of an ensemble differ in their weights alone."""
    first, seen = network.first.card, {network.first.sha256: paths[0]}
    if network.members[1:] and first.reading.get("roi") == "tiles":
        raise InputError(f"{', '.join(paths)}: each network chooses its own tile (roi = tiles): no ensemble")
    for path, member in list(zip(paths, network.members, strict=True))[1:]:
        network.task.need_classes(f"an ensemble ({', '.join(paths)})")
        for what in ("classes", "signal", "activation", "scaling", "reading", "shape"):
            theirs, ours = getattr(member.card, what), getattr(first, what)
            if theirs != ours:
                raise InputError(f"{path}: {what} = {theirs!r}, that of {paths[0]} is {ours!r}: no ensemble")
        if (twin := seen.setdefault(member.sha256, path)) != path:
            raise InputError(f"{path}: the same weights as {twin}, which count once in an ensemble")


def _as_list(paths: str | Sequence[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _short_names(paths: Sequence[str]) -> list[str]:
    """Return a name for every checkpoint, ``resnet34`` of ``DM-CNN_model_resnet34_best.ckpt`` if no other has it."""
    whole = [name.replace("DM-CNN_model_", "") for name in distinct_names(list(map(Path, paths)))]
    short = [re.sub(r"(?<=.)_(best|last)$", "", name) for name in whole]
    return short if len(set(short)) == len(short) else whole
