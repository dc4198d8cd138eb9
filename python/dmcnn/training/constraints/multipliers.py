"""Multipliers of constraints: the modified differential method of multipliers (MDMM).

Platt & Barr, *Constrained Differential Optimization*, NIPS 1988. To minimise f(w) subject to g(w) = 0, descend in w
and ascend in the multiplier l on L = f + l g + c/2 g^2, whose damping c makes the saddle point attractive. An
inequality g <= 0 has the term (max(0, l + c g)^2 - l^2) / (2 c) instead (Rockafellar 1973: the minimum over a squared
slack variable) and l >= 0, so that it adds nothing where g is well below 0.

A large violation would dominate the loss (a network with a layer of zeros never recovers), and its multiplier would
grow all the way and be too large at the end. So the bound moves from the value at the first step to its final value
during the warmup, and the weights follow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dmcnn._common.errors import InputError, nearest
from dmcnn.metrics.gaussian import FULL, Gaussian
from dmcnn.quantisation.cost import positions
from dmcnn.quantisation.quantisers import deployed_parameters
from dmcnn.training.constraints.quantities import QUANTITIES, Subject

RELATIONS = ("==", ">=", "<=")
RELATION_SLIPS = {"=": "==", "!=": "==", ">": ">=", "=>": ">=", "<": "<=", "=<": "<="}
"""Misspelt relation -> relation that an error message suggests."""

DAMPING = 100.0
"""Default damping c."""

RATE = 10.0
"""Default growth of a multiplier over a whole training per unit of violation: a tenth of DAMPING. Where violations
fluctuate from step to step, as those of shares of zeros do, a larger rate overshoots and returns too slowly."""

WARMUP = 0.5
"""Default warmup as a share of the training, for a step size that decays after it. A shorter warmup costs likelihood;
after the decay of the step size, weights no longer follow the bound."""

TOLERANCE, TOLERANCE_SIGMA = 0.005, 2.0
"""A constraint counts as met within this distance, or within this many standard errors if that is more."""

FORM = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*([<>=!]+)\s*(\S+)\s*")


@dataclass(frozen=True)
class Constraint:
    """Quantity that must be equal to, at least or at most a number.

    Attributes:
        quantity: name in QUANTITIES.
        argument: share of the weights, or number of the target, if the quantity takes it; else 0.
        bracket: text of the argument with its brackets.
        relation: one of RELATIONS.
        bound: number on the right-hand side.
    """

    quantity: str
    argument: float
    bracket: str
    relation: str
    bound: float

    @property
    def name(self) -> str:
        """Text of the constraint, which names its column of the metrics table."""
        return f"{self.quantity}{self.bracket} {self.relation} {self.bound:.10g}"

    def drive(self, subject: Subject) -> torch.Tensor:
        """Return g with its gradient: 0 at the bound, negative where an inequality holds with a margin."""
        quantity = QUANTITIES[self.quantity]
        return self._sign * quantity.drive(quantity.value(subject, self.argument), self.bound)

    def distance(self, subject: Subject) -> float:
        """Return the signed distance for the deployed weights, see ``Constraints.distances``."""
        quantity = QUANTITIES[self.quantity]
        with torch.no_grad():
            return self._sign * float(quantity.distance(quantity.value(subject, self.argument), self.bound))

    def violation(self, subject: Subject) -> float:
        """Return the constraint violation (>= 0); 0 within tolerance, inf for NaN."""
        violation = abs(self.distance(subject)) if self.relation == "==" else self.distance(subject)
        with torch.no_grad():
            error = TOLERANCE_SIGMA * QUANTITIES[self.quantity].error(subject, self.argument)
        if math.isnan(violation):
            return math.inf
        return 0.0 if violation <= max(TOLERANCE, error) else violation

    @property
    def _sign(self) -> int:
        """Sign that makes the distance positive where an inequality is violated."""
        return -1 if self.relation == ">=" else 1


def parse(text: str, targets: Sequence[str] = ()) -> list[Constraint]:
    """Parse a text such as ``zeros >= 0.75``; return one constraint, or one per target if the text names none.

    Args:
        text: quantity, relation and bound.
        targets: names of the targets of the network, in order.

    Raises:
        InputError: a text of another form, an unknown name, or a bound outside its limits.
    """
    try:
        return list(_parse(text, targets))
    except ValueError as error:
        raise InputError(f"constraint {text!r}: {error}") from None


def _parse(text: str, targets: Sequence[str]) -> Iterator[Constraint]:
    """Yield the constraints of a text; raise ValueError without the text."""
    match = FORM.fullmatch(text)
    if match is None:
        raise ValueError("expected a quantity, a relation and a number, such as 'zeros >= 0.75'")
    name, inside, relation, number = match.groups()
    if name not in QUANTITIES:
        known = ", ".join(QUANTITIES)
        raise ValueError(f"unknown quantity {name!r}{nearest(name, QUANTITIES)}; known: {known}")
    if relation not in RELATIONS:
        hint = f" (did you mean {RELATION_SLIPS[relation]!r}?)" if relation in RELATION_SLIPS else ""
        raise ValueError(f"unknown relation {relation!r}{hint}; known: {', '.join(RELATIONS)}")
    bound = _number(number)
    quantity = QUANTITIES[name]
    if not quantity.lowest < bound < quantity.highest:
        limits = "at least 0 and below 1" if name == "zeros" else "above 0"
        raise ValueError(f"bound {number} of {name}, expected a number {limits}")
    for argument, bracket in _arguments(name, inside, targets):
        yield Constraint(name, argument, bracket, relation, bound)


def _number(text: str) -> float:
    """Return the finite number of a text, or raise ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a finite number")
    return number


def _arguments(name: str, inside: str | None, targets: Sequence[str]) -> list[tuple[float, str]]:
    """Return (argument, its text with brackets) for the text inside the brackets, or of every target."""
    takes, given = QUANTITIES[name].takes, (inside or "").strip()
    if takes == "target":
        if not targets:
            raise ValueError(f"{name} needs a network that estimates targets")
        if given and given not in targets:
            raise ValueError(
                f"unknown target {given!r}{nearest(given, targets)}; known: {', '.join(targets)}"
            )
        return [(i, f"({target})") for i, target in enumerate(targets) if given in ("", target)]
    if takes == "share":
        share = _number(given) if given else math.nan
        if not 0 < share < 1:
            raise ValueError(f"{name} needs a share of the weights between 0 and 1, such as {name}(0.5)")
        return [(share, f"({share:.10g})")]
    if inside is not None:
        raise ValueError(f"{name} takes no argument in brackets")
    return [(0.0, "")]


class Constraints(nn.Module):
    """Constraints on the weights or estimates of a network, with one multiplier each.

    Add ``penalty`` to the loss before every optimiser step, and call ``ascend`` after it. A training that restores
    the state of this module continues with the same result as without a break.

    Args:
        texts: texts of the constraints, such as ["zeros >= 0.75", "pull_width == 1"]; the quantities are those of
            dmcnn.training.constraints.quantities.
        net: network in training.
        targets: names of the targets of the network, in order.
        rate: step size of the multipliers; a good choice is RATE / number of steps of the training.
        damping: factor c of the squared violations.
        warmup: number of steps in which the bounds move, at constant speed in ``drive``, from the values at the first
            step to their final values; see WARMUP.
        gaussian: meaning of the outputs of the network.
        shape: (C, H, W) of an image, for ``macs``.

    Attributes:
        constraints: constraint of each multiplier.
        multipliers: (n,) float64, at least 0 for inequalities.
        start: (n,) float64 violations at the first step.
        steps: int64 number of finished steps.

    Raises:
        InputError: invalid texts, a constraint that occurs twice, or ``macs`` without a shape.
    """

    multipliers: torch.Tensor
    start: torch.Tensor
    steps: torch.Tensor
    _equal: torch.Tensor
    _uses: torch.Tensor

    def __init__(
        self,
        texts: Sequence[str],
        net: nn.Module,
        *,
        targets: Sequence[str] = (),
        rate: float,
        damping: float = DAMPING,
        warmup: int = 0,
        gaussian: Gaussian = FULL,
        shape: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.constraints = _parse_all(texts, targets)
        self.rate, self.damping, self.warmup = rate, damping, warmup
        self.gaussian = gaussian
        equal = torch.tensor([constraint.relation == "==" for constraint in self.constraints])
        self.register_buffer("multipliers", torch.zeros(len(self.constraints), dtype=torch.float64))
        self.register_buffer("start", torch.zeros(len(self.constraints), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("_equal", equal, persistent=False)
        has_macs = any(constraint.quantity == "macs" for constraint in self.constraints)
        self.register_buffer("_uses", _uses(net, shape) if has_macs else torch.zeros(0), persistent=False)
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def names(self) -> list[str]:
        """Texts of the constraints, one per multiplier."""
        return [constraint.name for constraint in self.constraints]

    def penalty(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the scalar penalty to add to the mean loss of a batch, in the dtype of ``outputs``.

        Args:
            net: network in training.
            outputs: (B, m) outputs of the network.
            targets: (B, k) true values, scaled; constraints on weights do not use them.
        """
        subject = self._subject(net, outputs, targets)
        drive = torch.stack([constraint.drive(subject).double() for constraint in self.constraints])
        start = torch.where(self.steps == 0, self._clamp(drive.detach()), self.start)
        # share of the first step's violation by which the bounds are still relaxed
        left = (1 - self.steps / max(1, self.warmup)).clamp(min=0) if self.warmup else 0
        drive = drive - left * start
        self._last = start, drive.detach()
        price = self._clamp(self.multipliers + self.damping * drive)
        if not self.damping:
            return (self.multipliers * drive).sum().to(outputs.dtype)
        return ((price.square() - self.multipliers.square()).sum() / (2 * self.damping)).to(outputs.dtype)

    @torch.no_grad()
    def ascend(self) -> None:
        """Move the multipliers along the violations of the last call of ``penalty``."""
        if self._last is None:
            return
        start, drive = self._last
        self.start.copy_(start)
        self.multipliers.copy_(self._clamp(self.multipliers + self.rate * drive))
        self.steps += 1
        self._last = None

    def _clamp(self, values: torch.Tensor) -> torch.Tensor:
        """Return the (n,) values, with those of inequalities raised to at least 0."""
        return torch.where(self._equal, values, values.clamp(min=0))

    def distances(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Return the signed distance of every constraint by name, for the deployed weights.

        The unit is a share of the weights (zeros), a share of the bound (l1, l2, quantile, bits, macs), 1
        (pull_width), or the scale of the target (bias). A positive distance violates the constraint, for an equality
        also a negative one.
        """
        subject = self._subject(net, outputs, targets)
        return {constraint.name: constraint.distance(subject) for constraint in self.constraints}

    def violation(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Return the largest constraint violation (>= 0); 0 if all constraints are met within tolerance."""
        subject = self._subject(net, outputs, targets)
        return max(constraint.violation(subject) for constraint in self.constraints)

    def _subject(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> Subject:
        """Return the subject of all quantities."""
        return Subject(net, outputs, targets, self.gaussian, self._uses)


def find_faults(texts: Sequence[str], targets: Sequence[str] = ()) -> list[str]:
    """Return the faults in the texts of constraints, one line each."""
    try:
        _parse_all(texts, targets)
    except InputError as error:
        return list(error.faults)
    return []


def _parse_all(texts: Sequence[str], targets: Sequence[str]) -> list[Constraint]:
    """Parse all texts; raise one InputError with all faults."""
    constraints: list[Constraint] = []
    faults: list[str] = []
    for text in texts:
        try:
            constraints += parse(text, targets)
        except InputError as error:
            faults += error.faults
    names = [constraint.name for constraint in constraints]
    faults += [f"constraint {name!r} occurs twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise InputError(*faults)
    return constraints


def _uses(net: nn.Module, shape: tuple[int, int, int] | None) -> torch.Tensor:
    """Return the (n,) number of multiplications by each weight for one (C, H, W) image."""
    if shape is None:
        raise InputError("a constraint on macs needs the shape of the images")
    times = positions(net, shape)
    parts = []
    for name, weight, _ in deployed_parameters(net):
        layer, _, kind = name.rpartition(".")
        parts.append(torch.full((weight.numel(),), times[layer] if kind == "weight" else 0))
    return torch.cat(parts)
