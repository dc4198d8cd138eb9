"""Predictor: a trained network on a device, which scores and explains images with its own preprocessing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.files import sha256
from dmcnn._common.journal import Journal
from dmcnn._common.progress import ProgressBar
from dmcnn._common.upward import notebook
from dmcnn.checkpoints import load
from dmcnn.checkpoints.card import Card, Own
from dmcnn.checkpoints.pwf import Hints
from dmcnn.datasets.dataset import Dataset
from dmcnn.engines import choice, dense
from dmcnn.engines.hardware import warn_of_emulation
from dmcnn.engines.sparse import sparse
from dmcnn.images.sparse import SparseImages
from dmcnn.inference import devices
from dmcnn.inference.arithmetic import default_batch_size, fixed_point
from dmcnn.inference.inputs import (
    Explainable,
    Inputs,
    Paths,
    Scorable,
    are_paths,
    as_texts,
    events_of,
    override,
)
from dmcnn.inference.maps import AttributionMap, OcclusionMap
from dmcnn.inference.score_table import score_table
from dmcnn.tables.result_table import ResultTable
from dmcnn.tasks import task_of
from dmcnn.tasks.base import Truth

EVENTS = 64
"""Smallest number of events that are read and scored at a time."""

TYPICAL = 4
"""Number of images by which an engine is chosen."""

log = logging.getLogger("dmcnn")


class Predictor:
    """Network on a device, with the card that describes its preprocessing and its outputs.

    Args:
        net: network, which is moved to the device and set to evaluation mode.
        card: card of the network; ``open`` reads images by its ``reading``.
        device: device of the forward passes.
        precision: "32", or "bf16", which is faster and changes logits by up to 0.02.
        batch_size: images per forward pass, fewer from where the memory of a GPU ends; None = by the device.
        sha256: SHA-256 of the weight file; "" = no file.
        engine: "sparse", "dense", or "auto": the cheaper one for the first images with charge.
        arithmetic: "float"; "fixed", the integers of a quantised network, on a CPU; or "auto": fixed where there is
            such a twin, whose outputs are the same, unless an engine is chosen.

    Attributes:
        task: task of the network, see dmcnn.tasks.
        asked_engine: engine of the arguments.
        sparse_net: the network on rows.
        fixed_point: the network in fixed-point arithmetic; None = its outputs are computed in floating point.
        reason: line that says why an engine was chosen; "" until then.

    Raises:
        InputError: an unknown engine.
    """

    def __init__(
        self,
        net: nn.Module,
        card: Card,
        device: torch.device | str = "cpu",
        *,
        precision: str = "32",
        batch_size: int | None = None,
        sha256: str = "",
        engine: str = "auto",
        arithmetic: str = "auto",
    ) -> None:
        choice.check_engine(engine)
        self.device = torch.device(device)
        self.net, self.card, self.task = net.to(self.device).eval(), card, task_of(card)
        warn_of_emulation(precision, self.device)
        self.precision, self.sha256 = precision, sha256
        self.batch_size = batch_size or default_batch_size(self.device.type)
        self.engine, self.sparse_net, self.asked_engine = engine, sparse(self.net), engine
        self.reason = "" if engine == "auto" else f"engine: {engine}, as asked for"
        self.fixed_point = fixed_point(self.net, card, arithmetic, self._needs_float())
        self._inputs = Inputs(card, self.tile_scores)

    def _needs_float(self) -> str:
        """Return why the work needs floating point; "" if it does not."""
        if self.device.type != "cpu":
            return "it is for CPUs"
        if self.precision != "32":
            return f"precision = {self.precision} is of floating point"
        return "" if self.asked_engine == "auto" else f"engine = {self.asked_engine} is of floating point"

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.net.parameters())
        card = self.card
        what = (
            f"estimates {', '.join(card.targets)}" if card.targets else f"classes {', '.join(card.classes)}"
        )
        signal = f" (signal: {card.signal})" if card.signal else ""
        return f"Predictor({card.model}: {size} parameters, images {card.shape}, {what}{signal}, on {self.device})"

    # ---- in a notebook

    def open(self, files: Paths, **overrides: Any) -> Dataset:
        """Open image files with the reader options of the training; ``overrides`` replace some of them."""
        return self._inputs.open(as_texts(files), overrides)

    def __call__(self, images: Scorable, **options: Any) -> ResultTable:
        """Score images, see ``scores``."""
        return self.scores(images, **options)

    def scores(self, images: Scorable, *, label: Any = None, is_prepared: bool = False) -> ResultTable:
        """Score images with the network's own preprocessing; one row per event, with the columns of ``infer``.

        Args:
            images: image files (path, globs, list), a Dataset, an Event or a list of Events, SparseImages, or an
                array (C, H, W) or (n, C, H, W) of values as in files [ADC, GeV]. Events that were read with other
                reader options than those of the network are read again, from the same plane, producer and position.
                SparseImages and arrays get the threshold, clip and scaling of the network.
            label: label rule as in a cfg, which gives the events of files or a Dataset their class; None = the rule
                of the Dataset, or that of the training if it fits the files.
            is_prepared: whether SparseImages or arrays are as ``open`` reads them, so that only the scaling is
                applied.

        Raises:
            InputError: images of another shape or kind than those of the network.
        """
        if isinstance(images, str | Path) or are_paths(images):
            images = self.open(images)
        if isinstance(images, Dataset):
            return self._score_dataset(self._inputs.reread(images), label)
        batch = self._inputs.batch(images, is_prepared)
        rows = self._table(self.rows([batch], lambda start, stop: batch.cluster_sizes, len(batch)))
        truth = self.task.truth_of_labels(batch.label, len(batch))
        sources: list[str | None] = [None] * len(batch)
        origins = [""] * len(batch)
        if events := events_of(images):
            sources, origins = [event.source for event in events], [event.origin for event in events]
            truth = self.task.truth_of_words([event.label for event in events])
        return score_table(self.task, batch.events, sources, rows, truth, origins=origins)

    def _score_dataset(self, dataset: Dataset, label: Any) -> ResultTable:
        """Score all events of a dataset; ``label`` as of ``scores``."""
        truth: Truth = dataset.class_names
        rule = "" if dataset.rule is None else dataset.rule.text
        if label is not None or dataset.rule is None:
            truth, rule = self.task.labels(dataset, label)
        rows = self._table(self.dataset_rows(dataset))
        about = self.task, dataset.events, dataset.sources
        return score_table(*about, rows, truth, rule=rule, origins=dataset.origins, windows=dataset.windows())

    def _table(self, parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the rows of all parts."""
        return np.concatenate([np.zeros((0, self.task.outputs + 2)), *parts])

    def explain(
        self,
        event: Explainable,
        method: str | Any = "grad_cam",
        *,
        target: str | int = "predicted",
        output: str = "logit",
        is_prepared: bool = False,
        **options: Any,
    ) -> AttributionMap:
        """Map how much every pixel of an event matters for a number of the network.

        Args:
            event: an Event, SparseImages of one event, or a (C, H, W) array, prepared as by ``scores``.
            method: name of one of dmcnn.attribution.METHODS, ``module:Name``, or a Method.
            target: class by name or number, or "predicted".
            output: "logit" or "score" of that class.
            is_prepared: see ``scores``.
            options: options of the method, such as n_samples and layer.

        Raises:
            InputError: a regression network, more or fewer than one event, or an unknown method, class or option.
        """
        image = self._inputs.one_image(event, is_prepared)
        result: AttributionMap = notebook("maps.explain")(self, image, method, target, output, options)
        return result

    def occlude(
        self, event: Explainable, k: int = 4, *, is_prepared: bool = False, **options: Any
    ) -> OcclusionMap:
        """Map the scores or estimates of an event with a (2k+1) x (2k+1) window around every active pixel filled.

        Args:
            event: as for ``explain``.
            k: [pixels] half width of a window, without its centre.
            is_prepared: see ``scores``.
            options: depth, border, stride, fill, seed and tolerance of dmcnn.occlusion.result.Scan, and the engine,
                one of dmcnn.occlusion.choice.WORDS; by default that of the predictor.

        Raises:
            InputError: more or fewer than one event, or an unknown option.
        """
        image = self._inputs.one_image(event, is_prepared)
        result: OcclusionMap = notebook("maps.occlude")(self, image, k, options)
        return result

    # ---- batch by batch

    @property
    def network(self) -> nn.Module:
        """The network, evaluated with the engine; dense while none is chosen."""
        return self.sparse_net if self.engine == "sparse" else self.net

    def journal(
        self,
        path: Path,
        key: dict[str, Any],
        width: int,
        chunks: Iterable[SparseImages],
        rotation: int = 0,
        old: dict[str, Any] | None = None,
    ) -> Journal:
        """Return the journal of work, which goes on with the engine with which it began.

        Args:
            path, key, width, old: as of ``Journal``; the engine is added to the key.
            chunks, rotation: images of new work, for which an engine is chosen.

        Raises:
            InputError: the user asks for another engine than that of the unfinished work.
        """
        self.begin(choice.stored(path, key, width, old), path, chunks, rotation)
        return Journal(path, key | choice.word(self.engine), width, old)

    def begin(
        self, engine: str | None, path: Path, chunks: Iterable[SparseImages], rotation: int = 0
    ) -> None:
        """Take the engine with which work began, or choose one for new work.

        Args:
            engine: engine of the work in the journal ``path``; None = new work.
            path, chunks, rotation: as of ``journal``.
        """
        if engine is None:
            self.choose_engine(chunks, rotation)
            return
        self.engine = choice.resumed(self.asked_engine, engine, path)
        self.reason = f"engine: {engine}, as in the work that goes on"
        log.info(self.reason)

    def choose_engine(self, chunks: Iterable[SparseImages], rotation: int = 0) -> None:
        """Choose the engine by its cost for the first images with charge, unless it is chosen.

        Args:
            chunks: images as ``open`` reads them.
            rotation: as of ``logits``.
        """
        if self.fixed_point is not None and self.engine == "auto":
            self.engine, self.reason = "dense", "arithmetic: fixed point, as the network is deployed"
            log.info(self.reason)
        for chunk in chunks if self.engine == "auto" else ():
            charged = np.flatnonzero(chunk.has_image & (chunk.n_pixels > 0))
            if len(charged):
                some = np.unique(np.linspace(0, len(charged) - 1, min(TYPICAL, self.batch_size)).astype(int))
                images = dense.prepare(chunk.take(charged[some]), rotation, self.card.scaling)
                chosen = choice.choose(
                    self.engine,
                    self.net,
                    images,
                    training=False,
                    precision=self.precision,
                    batch=self.batch_size,
                )
                self.engine, self.reason = chosen.engine, chosen.line
                log.info(chosen.line)
                return

    def dataset_rows(
        self, dataset: Dataset, *, rotation: int = 0, first: int = 0, bar: ProgressBar | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the rows of the events from number ``first`` on, see ``rows``, at least EVENTS at a time."""
        chunks = dataset.chunks(max(EVENTS, self.batch_size), first)
        return self.rows(chunks, dataset.cluster_sizes, len(dataset), rotation=rotation, first=first, bar=bar)

    def rows(
        self,
        chunks: Iterable[SparseImages],
        cluster_sizes: Callable[[int, int], NDArray[np.int64]],
        total: int,
        *,
        rotation: int = 0,
        first: int = 0,
        bar: ProgressBar | None = None,
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (m, outputs + 2) rows of ``score_table``, chunk by chunk.

        Args:
            chunks: images as ``open`` reads them, of the events from number ``first`` on.
            cluster_sizes: function of the first and end number of events that returns the number of pixels of every
                event that are active in any channel.
            total: number of all events.
            rotation: as of ``logits``.
            first: number of events that have their rows already.
            bar: bar over all files of a command, which counts the events; None shows one if ``total`` > EVENTS.
        """
        counting: AbstractContextManager[ProgressBar] = (
            nullcontext(bar)
            if bar is not None
            else ProgressBar(
                total=total, initial=first, desc="scoring", unit="event", disable=total <= EVENTS
            )
        )
        with counting as count:
            for chunk in chunks:
                stop, outputs = first + len(chunk), []
                for part in self.logits([chunk], rotation):
                    outputs.append(part)
                    count.update(len(part))
                pixels = chunk.n_pixels * chunk.has_image
                sizes = self.task.cluster_sizes(pixels, partial(cluster_sizes, first, stop))
                yield np.column_stack([np.concatenate(outputs), pixels, sizes])
                first = stop

    def logits(self, chunks: Iterable[SparseImages], rotation: int = 0) -> Iterator[NDArray[np.float64]]:
        """Yield the (m, outputs) outputs of the network, batch by batch; NaN where an event holds no image.

        Args:
            chunks: images as ``open`` reads them.
            rotation: [degrees] rotation of the images, counter-clockwise.
        """
        for chunk in chunks:
            self.choose_engine([chunk], rotation)
            for batch in self._batches(chunk):
                outputs = np.full((len(batch), self.task.outputs), np.nan)
                has_image = batch.has_image
                if has_image.any():
                    outputs[has_image] = self._outputs(batch.take(has_image), rotation)
                yield outputs

    def _outputs(self, images: SparseImages, rotation: int) -> NDArray[np.float64]:
        """Return the (m, outputs) outputs for images in one forward pass, or in several if the memory ends."""
        if self.fixed_point is not None and rotation == 0:
            return self.fixed_point(images).astype(np.float64)
        how: dict[str, Any] = {
            "precision": self.precision,
            "rotation": rotation,
            "scaling": self.card.scaling,
        }
        try:
            return dense.logits(self.network, images, device=self.device, **how)
        except torch.cuda.OutOfMemoryError:
            if len(images) == 1:
                raise
        torch.cuda.empty_cache()
        self.batch_size = len(images) // 2
        log.info("batch_size: %d, for the memory of the device does not hold more", self.batch_size)
        return np.concatenate([self._outputs(part, rotation) for part in self._batches(images)])

    def _batches(self, images: SparseImages) -> Iterator[SparseImages]:
        """Yield the images in batches of ``batch_size``, which may change meanwhile."""
        start = 0
        while start < len(images):
            batch = images.take(slice(start, start + self.batch_size))
            yield batch
            start += len(batch)

    def tile_scores(self, tiles: SparseImages) -> NDArray[np.float64]:
        """Return the (n,) scores of tiles: of the signal, or without a signal class of their most likely class.

        Raises:
            InputError: a network without classes.
        """
        task = self.task.need_classes("roi = 'tiles'")
        return task.ranking(np.concatenate(list(self.logits([tiles]))))

    def all_logits(self, dataset: Dataset, rotation: int = 0) -> NDArray[np.float64]:
        """Return the (n, outputs) outputs of all events of a dataset; NaN as in ``logits``."""
        return self._table(self.dataset_rows(dataset, rotation=rotation))[:, :-2]


def load_predictor(
    weight_file: str | Path,
    *,
    model: Own = None,
    overrides: Mapping[str, Any] | None = None,
    gpuid: str = "",
    precision: str = "32",
    batch_size: int | None = None,
    engine: str = "auto",
    arithmetic: str = "auto",
    norm: str | None = None,
    gn_groups: int | None = None,
) -> Predictor:
    """Load a network from a weight file of any kind.

    Args:
        weight_file: checkpoint of dmcnn, DM-CNN's ``.pwf``, or Keras' ``.h5``.
        model: network of one's own, ``module:Name`` or its class; a file alone never imports a module.
        overrides: reader options that replace those of the training, with a warning; None values are ignored.
        gpuid: see dmcnn.inference.devices.device.
        precision: see Predictor.
        batch_size, engine, arithmetic: see Predictor.
        norm, gn_groups: see dmcnn.checkpoints.pwf.Hints.

    Raises:
        InputError: not a weight file, or a device or engine that does not exist.
    """
    choice.check_engine(engine)
    devices.use_whole_cpu()
    names = [model] if isinstance(model, str) or callable(model) else list(model or ())
    given = overrides or {}
    hints = Hints(norm, gn_groups, given.get("xdim"), given.get("ydim"))
    net, card = load.load(weight_file, [*names, *filter(None, [given.get("reader")])], hints)
    if card.temperature != 1:
        log.info("%s: calibrated scores, of logits / %.4g", weight_file, card.temperature)
    return Predictor(
        net,
        replace(card, reading=override(card, given)),
        devices.device(gpuid),
        precision=precision,
        batch_size=batch_size,
        sha256=sha256(weight_file),
        engine=engine,
        arithmetic=arithmetic,
    )
