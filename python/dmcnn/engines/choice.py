"""Choice of an engine: by the user, by the work that goes on, or by the cost of both for the images at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.journal import holds
from dmcnn.engines import cost
from dmcnn.engines.sparse import SparseNet, sparse
from dmcnn.images.sparse import SparseImages

ENGINES = ("auto", "sparse", "dense")
"""Words by which a user chooses; auto takes the cheaper one."""

MARGIN = 1.1
"""By so much the prediction must be better for auto to leave the dense network: half is for what it misses."""

COUNTED = 4
"""Images on which the work is counted, at most."""

TOLERANCE = 1e-3
"""Largest difference of outputs that auto takes for rounding, as a share of the largest output."""


@dataclass(frozen=True)
class Choice:
    """Choice of an engine.

    Attributes:
        engine: "sparse" or "dense".
        line: what to tell the user.
        speed: predicted time of dense over sparse; 0 where it was not predicted.
        saving: products of dense over those of sparse; 0 where they were not counted.
    """

    engine: str
    line: str
    speed: float = 0.0
    saving: float = 0.0


def check_engine(engine: str, known: Sequence[str] = ENGINES) -> None:
    """Raise InputError unless ``engine`` is one of those known."""
    if engine not in known:
        raise InputError(f"engine = {engine!r}{nearest(engine, known)}, expected one of {', '.join(known)}")


def choose(
    engine: str,
    net: nn.Module,
    images: torch.Tensor | SparseImages,
    *,
    training: bool,
    precision: str = "32",
    batch: int = 0,
) -> Choice:
    """Choose the engine for ``net``, and say in one line which it is and why.

    auto takes rows only where they give the outputs of the dense network for a few of the images: a network of
    the user's own may do what tracing does not see, such as drawing random numbers by itself.

    Args:
        engine: one of ``ENGINES``.
        images: typical images, such as the first of a file; (B, C, *map) or sparse ones.
        training: whether gradients are taken, too.
        precision: "32", or "bf16" where matrices are multiplied in bfloat16.
        batch: images of a step, whose work is that of the first images in proportion; 0 = as many as given.

    Raises:
        InputError: ``engine`` is none of ``ENGINES``.
    """
    check_engine(engine)
    if engine != "auto":
        return Choice(engine, f"engine: {engine}, as asked for")
    if any(parameter.device.type != "cpu" for parameter in net.parameters()):
        return Choice("dense", "engine: dense, for its cost is known on CPUs alone")
    try:
        return _cheaper(net, images, training=training, precision=precision, batch=batch)
    except Exception as error:  # a network of the user's own, which the dense engine may well evaluate
        reason, *_ = [*str(error).strip().splitlines(), type(error).__name__]
        return Choice("dense", f"engine: dense, for rows fail ({reason})")


def _cheaper(
    net: nn.Module, images: torch.Tensor | SparseImages, *, training: bool, precision: str, batch: int
) -> Choice:
    """Return the cheaper engine by prediction, see ``choose``."""
    copied, some = cost.copy_of(net, training=training), _first(images, COUNTED)
    if reason := copied.obstacle(some):
        return Choice("dense", f"engine: dense, for {reason}")
    work = cost.work_of(copied, some)
    assert work is not None
    rates = cost.rates(precision if training or precision == "32" else f"{precision}-inference")
    whole = work.times((batch or len(images)) / len(some))
    dense, rows = cost.predict(whole, rates, training=training)
    gain = f"{work.saving:.1f}x fewer multiplications, {dense / rows:.1f}x as fast by estimate"
    chosen, line = "dense", f"engine: dense (sparse: {gain})"
    if dense > MARGIN * rows:
        if _agree(copied, _first(images, 2)):
            chosen, line = "sparse", f"engine: sparse ({gain})"
        else:
            line = "engine: dense, for rows give other outputs: the network does what tracing does not see"
    return Choice(chosen, line, dense / rows, work.saving)


def _first(images: torch.Tensor | SparseImages, count: int) -> torch.Tensor | SparseImages:
    return images[:count] if isinstance(images, torch.Tensor) else images.take(slice(0, count))


def _agree(copied: SparseNet, images: torch.Tensor | SparseImages) -> bool:
    """Return whether rows give the outputs of the dense network, with the same random numbers."""
    given = images if isinstance(images, torch.Tensor) else torch.from_numpy(images.dense())
    results = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for evaluate in (copied, copied.dense):
            torch.manual_seed(1)
            results.append(evaluate(given.clone()))
    rows, dense = results
    return bool((rows - dense).abs().max() <= TOLERANCE * dense.abs().max() + 1e-6)


def evaluator(net: nn.Module, engine: str) -> nn.Module:
    """Return what evaluates ``net`` with an engine: itself, or its rows."""
    return sparse(net) if engine == "sparse" else net


def candidates(engine: str, known: Sequence[str] = ENGINES) -> tuple[str, ...]:
    """Return the engines of results that serve where the user says ``engine``: with auto all that are known."""
    return tuple(word for word in known if word != "auto") if engine == "auto" else (engine,)


def word(engine: str) -> dict[str, Any]:
    """Return what the key of stored work says of its engine: nothing of dense, which had no name once."""
    return {} if engine == "dense" else {"engine": engine}


def stored(path: Path, key: dict[str, Any], width: int, old: dict[str, Any] | None = None) -> str | None:
    """Return the engine of the work in a journal; None where it holds other work; arguments as of ``Journal``."""
    return next((one for one in candidates("auto") if holds(path, key | word(one), width, old)), None)


def stored_list(path: Path, key: dict[str, Any], width: int) -> list[str] | None:
    """Return the engines of the networks of the work in a journal; None where it holds other work."""
    if not path.exists():
        return None
    with path.open("rb") as file, suppress(ValueError, AttributeError):
        engines = json.loads(file.readline()).get("engine")
        if isinstance(engines, list) and holds(path, key | {"engine": engines}, width):
            return engines
    return None


def resumed(engine: str, begun: str, path: Path) -> str:
    """Return the engine of work that goes on, which is that with which it began.

    Args:
        engine: word of the user, one of ``ENGINES``.
        begun: engine in the file.
        path: checkpoint or journal.

    Raises:
        InputError: the user names another engine.
    """
    if engine not in ("auto", begun):
        raise InputError(
            f"{path}: made with engine = {begun}, now {engine}; engine = auto goes on with it, "
            "or choose another name"
        )
    return begun
