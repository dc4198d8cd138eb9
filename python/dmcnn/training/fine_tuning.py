"""Fine-tuning: weights to start from, and weights that stay."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dmcnn._common.errors import InputError, nearest
from dmcnn._common.files import sha256
from dmcnn.checkpoints.card import Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.pwf import Hints
from dmcnn.checkpoints.torch_file import find_misfits

log = logging.getLogger("dmcnn")

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of the statistics of BatchNorm, which GroupNorm does not have."""


def start_from(net: nn.Module, card: Card, path: str) -> dict[str, Any]:
    """Copy the weights of a file into a new network, but for the last layer where it has other classes or targets.

    The first layer gets the sum of its kernels over the channels where the images have others, and a network with
    GroupNorm the factors and offsets of BatchNorm, so that it can start from the weights of ImageNet.

    Args:
        net: new network; changed in place.
        card: its card.
        path: weight file of the same model.

    Returns:
        The file, its SHA-256, the tensors that stay new, and what is adapted, for the card.

    Raises:
        InputError: not a weight file, or its tensors are not those of the network.
    """
    groups, width, height = map(card.arguments.get, ("gn_groups", "width", "height"))
    hints = Hints(None, groups, width, height, any_norm=True)
    given, other = load(path, [card.model, *filter(None, [card.reading.get("reader")])], hints)
    old, expected = given.state_dict(), net.state_dict()
    new: list[str] = []
    if (other.classes, other.targets) != (card.classes, card.targets):
        new, last = _last_layer(net), _last_layer(given)
        old = {name: tensor for name, tensor in old.items() if name not in last}
    adapted = _adapt(old, given, net)
    taken = {name: tensor for name, tensor in expected.items() if name not in new}
    if faults := find_misfits(old, taken):
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise InputError(f"start_weights: {path}: does not fit {card.model}: {faults[0]}{more}")
    net.load_state_dict({**expected, **old})
    names = ", ".join(card.classes or card.targets)
    said = "".join(f"; {what}" for what in adapted) + (f"; new for {names}: {', '.join(new)}" if new else "")
    log.info("%s: starting from %d tensors of %s%s", path, len(old), other.model, said)
    for key in sorted(card.reading.keys() & other.reading.keys()):
        if card.reading[key] != other.reading[key]:
            log.warning(
                "warning: %s: made with %s = %r, now %r", path, key, other.reading[key], card.reading[key]
            )
    return {"file": Path(path).name, "sha256": sha256(path), "new": new} | (
        {"adapted": adapted} if adapted else {}
    )


def _adapt(state: dict[str, torch.Tensor], given: nn.Module, net: nn.Module) -> list[str]:
    """Adapt tensors of a given network to other channels and to GroupNorm, in place; return in words what is done."""
    done = []
    name, kernel = next(iter(net.named_parameters()))
    own = state.get(name, kernel)
    is_kernel = own.ndim == kernel.ndim > 2 and own[:, :1].shape == kernel[:, :1].shape
    if is_kernel and own.shape != kernel.shape:  # the output for equal channels stays
        state[name] = own.sum(1, keepdim=True).expand(kernel.shape) / kernel.shape[1]
        done.append(f"{name}: {own.shape[1]} channels become {kernel.shape[1]}, with the same sum")
    norms = {name: module for name, module in net.named_modules() if isinstance(module, nn.GroupNorm)}
    statistics = [f"{norm}.{one}" for norm in norms for one in STATISTICS if f"{norm}.{one}" in state]
    for one in statistics:
        del state[one]
    if statistics:
        done.append(f"BatchNorm becomes GroupNorm, without {len(statistics)} statistics")
    theirs = {name: module for name, module in given.named_modules() if isinstance(module, nn.GroupNorm)}
    pairs = {(theirs[name].num_groups, norms[name].num_groups) for name in theirs.keys() & norms.keys()}
    done += [f"GroupNorm of {old} groups becomes one of {new}" for old, new in sorted(pairs) if old != new]
    return done


def _last_layer(net: nn.Module) -> list[str]:
    """Return the names of the tensors in the module of the last parameter."""
    *_, (last, _) = net.named_parameters()
    module = last.rpartition(".")[0]
    return [name for name in net.state_dict() if name.rpartition(".")[0] == module]


def freeze(net: nn.Module, patterns: Sequence[str]) -> None:
    """Let the parameters that patterns name keep their weights, and BatchNorm within their modules its statistics.

    Args:
        net: network in training mode; changed in place.
        patterns: names of parameters or of modules, which hold parameters, with wildcards.

    Raises:
        InputError: a pattern that names nothing, or nothing is left to train.
    """
    if not patterns:
        return
    parameters, modules = dict(net.named_parameters()), dict(net.named_modules())
    names = [name for name in (*modules, *parameters) if name]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            listed = ", ".join(list(parameters)[:4])
            raise InputError(
                f"freeze: {pattern!r} names no module or parameter{nearest(pattern, names)}; there are {listed}, …"
            )
    for name, parameter in parameters.items():
        if _is_named(name, patterns):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise InputError(f"freeze = {list(patterns)} leaves nothing to train")
    for name, module in modules.items():
        own = list(module.parameters(recurse=False))
        frozen = not any(parameter.requires_grad for parameter in own) if own else _is_named(name, patterns)
        if isinstance(module, _BatchNorm) and frozen:
            module.eval()


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern names a parameter or module, or one that holds it."""
    words = name.split(".")
    holders = [".".join(words[:count]) for count in range(1, len(words) + 1)]
    return any(fnmatchcase(holder, pattern) for holder in holders for pattern in patterns)
