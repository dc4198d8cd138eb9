"""Passes over a file: its chunks are read once, and scored by all networks that read images alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError
from dmcnn._common.journal import Journal
from dmcnn._common.progress import ProgressBar
from dmcnn.datasets.dataset import Dataset
from dmcnn.engines import choice
from dmcnn.images.sparse import SparseImages
from dmcnn.images.variations import Variation
from dmcnn.inference import predictor
from dmcnn.inference.entries import EntrySubset
from dmcnn.inference.networks import NamedNetwork
from dmcnn.inference.predictor import Predictor
from dmcnn.readers import DEFAULTS


@dataclass(frozen=True)
class Pass:
    """Pass over every file for networks of equal reader options.

    A row holds the outputs of every predictor in turn, the same for every variation of the images, then the number of
    active pixels, summed over the channels, and of pixels active in any channel.

    Attributes:
        networks: the networks, with their numbers among those of all passes.
        predictors: their members, each once.
        variations: variations of the images that are scored, too.
        seed: seed of their random numbers.
    """

    networks: dict[int, NamedNetwork]
    predictors: tuple[Predictor, ...]
    variations: tuple[Variation, ...] = ()
    seed: int = 1

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self._outputs_of_one * (1 + len(self.variations)) + 2

    @property
    def _outputs_of_one(self) -> int:
        """Numbers of all predictors for one version of an image."""
        return sum(one.task.outputs for one in self.predictors)

    @property
    def first(self) -> Predictor:
        """Predictor whose card says how images are read."""
        return self.predictors[0]

    def open(self, file: str) -> Dataset:
        """Open a file as the networks read it; of tiles, the one with the highest score of the network."""
        dataset = self.first.open(file)
        dataset.score_tiles(self._tile_scores)
        return dataset

    def _tile_scores(self, tiles: SparseImages) -> NDArray[np.float64]:
        """Return the (n,) scores of tiles by the only network of the pass, which may be an ensemble."""
        (network,) = self.networks.values()
        outputs = [np.concatenate(list(member.logits([tiles]))) for member in network.members]
        return network.task.need_classes("roi = 'tiles'").ranking(network.outputs(outputs))

    def outputs_of(
        self, network: NamedNetwork, rows: NDArray[np.float64], version: int = 0
    ) -> list[NDArray[np.float64]]:
        """Return the (n, m) outputs of the members of a network in (n, width) rows.

        Args:
            network: the network.
            rows: rows of this pass.
            version: 0 = of the images as they are, 1 = with the first of ``variations``, …
        """
        start = version * self._outputs_of_one
        ends = (start + np.cumsum([one.task.outputs for one in self.predictors])).tolist()
        at = {one: slice(end - one.task.outputs, end) for one, end in zip(self.predictors, ends, strict=True)}
        return [rows[:, at[member]] for member in network.members]

    def journal(
        self,
        path: Path,
        key: dict[str, Any],
        whole: Dataset,
        rotation: int = 0,
        old: dict[str, Any] | None = None,
    ) -> Journal:
        """Return the journal of a file, which goes on with the engines with which it began.

        The key gets weights, reader options and precision. Of one network it is that of earlier versions.

        Args:
            path, key, old: as of ``Journal``.
            whole: all events of the file, by the first of which all parts of new work choose their engines.
            rotation: as of ``Predictor.logits``.
        """
        weights = [one.sha256 for one in self.predictors]
        key = key | {
            "weights": weights if weights[1:] else weights[0],
            "reading": self.first.card.reading,
            "precision": self.first.precision,
        }
        if not weights[1:]:
            chunks = whole.chunks(predictor.EVENTS)
            return self.first.journal(path, key, self.width, chunks, rotation, old)
        typical = cache(partial(_typical, whole))
        begun = choice.stored_list(path, key, self.width) or []
        for member, engine in zip_longest(self.predictors, begun):
            is_open = engine is None and member.engine == "auto"
            member.begin(engine, path, typical() if is_open else (), rotation)
        return Journal(path, key | {"engine": [one.engine for one in self.predictors]}, self.width)

    def rows(
        self, events: Dataset | EntrySubset, *, rotation: int = 0, first: int = 0, bar: ProgressBar
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, width) rows of the events from number ``first`` on, chunk by chunk; ``bar`` counts all versions.

        Args:
            events: events of one file.
            rotation: as of ``Predictor.logits``.
            first: number of events that have their rows already.
        """
        for chunk in events.chunks(max(predictor.EVENTS, *self.batch_sizes), first):
            outputs = [
                self._outputs(member, images, rotation, bar if member is self.predictors[-1] else None)
                for images in self._versions(chunk)
                for member in self.predictors
            ]
            count = cache(partial(events.cluster_sizes, first, first + len(chunk)))
            sizes = pixels = chunk.n_pixels * chunk.has_image
            for member in self.predictors:
                sizes = member.task.cluster_sizes(sizes, count)
            yield np.column_stack([*outputs, pixels, sizes])
            first += len(chunk)

    def _versions(self, chunk: SparseImages) -> Iterator[SparseImages]:
        """Yield the images as they are, then with every variation."""
        yield chunk
        reading = self.first.card.reading
        for vary in self.variations:
            yield vary(chunk, self.seed, low=reading.get("adc_lo"), high=reading.get("adc_hi"))

    @property
    def batch_sizes(self) -> list[int]:
        """Images per forward pass of every predictor."""
        return [one.batch_size for one in self.predictors]

    def _outputs(
        self, member: Predictor, chunk: SparseImages, rotation: int, bar: ProgressBar | None
    ) -> NDArray[np.float64]:
        """Return the (n, m) outputs of one predictor for a chunk."""
        parts = []
        for part in member.logits([chunk], rotation):
            parts.append(part)
            if bar is not None:
                bar.update(len(part))
        return np.concatenate(parts)


def _typical(dataset: Dataset) -> list[SparseImages]:
    """Return the first chunk of a dataset that holds charge, if any does."""
    return list(islice((chunk for chunk in dataset.chunks(predictor.EVENTS) if chunk.n_pixels.any()), 1))


def passes_of(
    networks: Sequence[NamedNetwork], variations: Sequence[Variation] = (), seed: int = 1
) -> list[Pass]:
    """Return the passes over every file: networks of equal reader options and shape of images share one.

    Args:
        networks, variations, seed: as of ``Pass``.
    """
    groups: dict[str, dict[int, NamedNetwork]] = {}
    for number, network in enumerate(networks):
        card = network.first.card
        reading = {
            key: value for key, value in card.reading.items() if value not in (None, DEFAULTS.get(key))
        }
        tiles = network.name if reading.get("roi") == "tiles" else None  # each network chooses its own tile
        groups.setdefault(repr((card.shape, sorted(reading.items()), tiles)), {})[number] = network
    return [
        Pass(
            group,
            tuple(dict.fromkeys(one for network in group.values() for one in network.members)),
            tuple(variations),
            seed,
        )
        for group in groups.values()
    ]


def check_entries(datasets: Sequence[Dataset]) -> None:
    """Raise InputError unless all passes find the same events in a file."""
    first = datasets[0]
    for other in datasets[1:]:
        if len(other) != len(first) or (other.events != first.events).any():
            raise InputError(
                f"{first.files[0]}: the networks read images of different events ({len(first)} and {len(other)}): "
                "score them by commands of their own"
            )
