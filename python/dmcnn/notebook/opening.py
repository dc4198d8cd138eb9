"""Networks, datasets and checkpoints, opened and saved in one line."""

from __future__ import annotations

import inspect
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dmcnn._common.errors import InputError, nearest

if TYPE_CHECKING:
    from torch import nn

    from dmcnn.checkpoints.card import Card, Own
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.engines.torch_images import TorchImages
    from dmcnn.inference.predictor import Predictor


def load(
    weights: str | Path,
    *,
    model: Own = None,
    device: str = "",
    precision: Literal["32", "bf16"] = "32",
    batch_size: int = 8,
    engine: Literal["auto", "sparse", "dense"] = "auto",
    norm: Literal["batch", "group"] | None = None,
    gn_groups: int | None = None,
    **reading: Any,
) -> Predictor:
    """Load a trained network, ready to score with its own preprocessing.

    Args:
        weights: checkpoint of dmcnn, DM-CNN's ``.pwf``, or Keras' ``.h5``.
        model: of a network that is not dmcnn's: its class, or ``module:Name`` as in training. A file alone imports no
            module.
        device: number of the GPU, or "cpu"; "" = the first GPU if there is one.
        precision: "bf16" is faster and wrong by up to 0.02 in the logit.
        batch_size: images per forward pass.
        engine: "sparse", "dense", or "auto": the faster one by estimate, for the same scores but for rounding.
        norm, gn_groups: normalisation of a residual network, where the file has no card that states it.
        reading: arguments of readers that replace those of the training, aloud.

    Raises:
        InputError: not a weight file, a network that cannot be made, or no such device or engine.
    """
    from dmcnn.inference.predictor import load_predictor

    return load_predictor(
        weights,
        model=model,
        overrides=reading,
        gpuid=device,
        precision=precision,
        batch_size=batch_size,
        engine=engine,
        norm=norm,
        gn_groups=gn_groups,
    )


def open(
    files: str | Path | Sequence[str | Path],
    *,
    label: str | Mapping[Any, str | int] | None = None,
    classes: Sequence[str] | None = None,
    signal: str | None = None,
    targets: Sequence[str] | None = None,
    target_scales: Sequence[float] | Literal["fixed", "percentile"] = "fixed",
    between: Sequence[int] | None = None,
    **reading: Any,
) -> Dataset:
    """Open image files of any kind as one dataset.

    Args:
        files: path, globs, list of them, or ``sample://`` addresses.
        label: how events get their class, as in a cfg: ``"run == 100"``, {"file pattern": class}, {PDG code: class},
            "prefix" or "y"; None leaves them without.
        classes: their names in the order of their numbers; None = those that ``label`` names, or signal, background.
        signal: which of two classes a true condition means.
        targets: numbers that files give every event, instead of classes.
        target_scales: what they are divided by, see dmcnn.datasets.targets.fit_scales.
        between: [first, end] entries to take of every file.
        reading: arguments of readers, such as plane, producer, adc_lo, adc_hi, xdim and ydim.

    Raises:
        InputError: what cannot be read, in one line per fault.
    """
    from dmcnn.datasets.dataset import Dataset
    from dmcnn.datasets.labels import LabelRule
    from dmcnn.datasets.targets import fit_scales

    inputs = str(files) if isinstance(files, str | Path) else [str(file) for file in files]
    if targets is not None:
        if label is not None:
            raise InputError("label and targets: events have either classes or targets")
        stored = partial(_stored_targets, inputs, between, reading)
        fitted = fit_scales(target_scales, list(targets), stored)
        return Dataset(inputs, targets=fitted, between=between, **reading)
    rule = None if label is None else LabelRule.parse(label, _classes(label, classes), signal)
    return Dataset(inputs, label=rule, between=between, **reading)


def _stored_targets(inputs: Any, between: Any, reading: dict[str, Any], names: Sequence[str]) -> Any:
    from dmcnn.datasets.dataset import Dataset

    return Dataset(inputs, between=between, **reading).targets_by_file(names)


def _classes(label: str | Mapping[Any, str | int], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the classes: given, or named by the label in their order, or DM-CNN's."""
    if classes is not None:
        return tuple(classes)
    if isinstance(label, Mapping):
        return tuple(dict.fromkeys(str(name) for name in label.values()))
    if label in ("prefix", "y"):
        raise InputError(f"label = {label!r} needs classes: their names in the order of their numbers")
    return ("signal", "background")


def save(
    net: nn.Module,
    path: str | Path,
    card: Card | None = None,
    *,
    data: Dataset | None = None,
    model: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    signal: str | None = None,
    scaling: str = "none",
    activation: Literal["softmax", "sigmoid"] = "softmax",
) -> Path:
    """Save a network that was trained in a loop of one's own, so that every command and ``load`` take it.

    Args:
        net: the network.
        path: of the checkpoint.
        card: of a network that was loaded and trained on; replaces all that follows.
        data: the dataset that it was trained on: its shape, its classes or targets, and how its images are read.
        model: its name in dmcnn.models, or ``module:Name`` of what makes it; None = that of its class.
        arguments: that it was made with, beside num_class, channels, height and width.
        signal: name of the signal class; None = the one called signal, if any.
        scaling: of the images in training, as ``data.torch`` was told.
        activation: how logits become scores: softmax after a cross-entropy, sigmoid after a binary one.

    Returns:
        The path.

    Raises:
        InputError: no card and no data, or a network that would not be the same when it is loaded.
    """
    from dmcnn.checkpoints.card import KEY
    from dmcnn.checkpoints.save import save as write
    from dmcnn.engines.sparse import dense_network

    net = dense_network(net)
    if card is None:
        if data is None:
            raise InputError(
                "save needs the card of a loaded network, or data: the dataset that it was trained on"
            )
        card = _card(net, data, model, arguments or {}, signal, scaling, activation)
    _check_same(net, card)
    state = {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()}
    write(Path(path), {KEY: card.as_dict(), "state_dict": state})
    return Path(path)


def _card(
    net: nn.Module,
    data: Dataset,
    model: str | None,
    arguments: Mapping[str, Any],
    signal: str | None,
    scaling: str,
    activation: str,
) -> Card:
    """Return the card of a network that was trained on a dataset."""
    import numpy as np
    import torch

    import dmcnn
    from dmcnn.checkpoints.card import Card
    from dmcnn.tasks import task_of

    if data.rule is None and data.targets is None:
        raise InputError("data has neither classes nor targets: open it with label= or targets=")
    classes = [] if data.rule is None else list(data.rule.classes)
    if signal is not None and signal not in classes:
        raise InputError(f"signal = {signal!r} is not one of {classes}{nearest(signal, classes)}")
    sizes = dict(zip(("channels", "height", "width"), data.shape, strict=True))
    card = Card(
        model=model or _word(net),
        arguments={**sizes, **arguments},
        classes=classes,
        signal=signal or ("signal" if "signal" in classes else None),
        activation=activation if classes else "none",
        reading={key: value for key, value in data.reading.items() if value is not None},
        scaling=scaling,
        targets=[] if data.targets is None else list(data.targets.names),
        target_scales=[] if data.targets is None else list(data.targets.scales),
        label=None if data.rule is None else data.rule.setting,
        loss="own" if classes else "gaussian_nll",
        environment={
            "dmcnn": dmcnn.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
        },
        data={"training": {"fingerprint": data.fingerprint(), "events": len(data)}},
        origin=data.kinds,
    )
    return replace(card, arguments={"num_class": task_of(card).outputs, **card.arguments})


def _word(net: nn.Module) -> str:
    """Return the name of a network by its class."""
    from dmcnn.models import MODELS

    for name, maker in MODELS.items():
        if type(net) is maker:
            return name
    kind = type(net)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise InputError(
            f"{kind.__qualname__} is defined in a notebook, script or function, where nothing can find it again: "
            "move it into a module, such as my_module.py, and import it"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _check_same(net: nn.Module, card: Card) -> None:
    """Raise InputError unless the network that the card makes is this one, with these weights."""
    import torch

    from dmcnn.checkpoints.torch_file import find_misfits

    again, made = card.build(_maker(net, card)), f"{card.model} with {card.arguments}"
    mine = net.state_dict()
    if faults := find_misfits(mine, again.state_dict()):
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"{made} is another network: {faults[0]}{more}; give its arguments")
    again.load_state_dict({name: tensor.cpu() for name, tensor in mine.items()})
    device, was_training = next(iter(mine.values()), torch.zeros(())).device, net.training
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, *card.shape, generator=generator)
    with torch.inference_mode():
        one, other = net.eval()(images.to(device)).cpu(), again.eval()(images)
    net.train(was_training)
    if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4):
        raise InputError(f"{made} gives other outputs than this network: give its arguments")
    if one.shape[1:] != (card.arguments["num_class"],):
        raise InputError(
            f"the network gives {tuple(one.shape)} for 2 images, expected (2, {card.arguments['num_class']})"
        )


def _maker(net: nn.Module, card: Card) -> Own:
    """Return what makes the network: its class, if the card names that, else the word, which the user gave."""
    kind = type(net)
    if card.model != f"{kind.__module__}:{kind.__qualname__}":
        return card.model
    module = sys.modules.get(kind.__module__)
    known = getattr(module, kind.__qualname__.partition(".")[0], None)
    return kind if inspect.isclass(known) else card.model


def torch_images(data: Dataset, scaling: str, cache: str) -> TorchImages:
    """Read the events of a dataset that hold an image, for any DataLoader."""
    from dmcnn.datasets import disk_cache
    from dmcnn.engines.torch_images import TorchImages

    if cache != "memory":
        return TorchImages(disk_cache.load(data, cache, data.reading)[0], scaling)
    images = data.load()
    return TorchImages(images if images.has_image.all() else images.take(images.has_image), scaling)
