"""Training under constraints: the modified differential method of multipliers.

Platt & Barr, *Constrained Differential Optimization*, NIPS 1988. To minimise f(w) where g(w) = 0, descend in w and
ascend in the multiplier l on L = f + l g + c/2 g^2, whose damping c makes the saddle point attractive. An inequality
g <= 0 has the term (max(0, l + c g)^2 - l^2) / (2 c) instead (Rockafellar 1973: what is left of a squared slack
variable once it is at its best) and l >= 0, so that it costs nothing where it is met with room to spare.

A constraint that is far from being met would overpower the loss (a network all of whose weights in a layer are zero
never recovers), and its multiplier would add up the whole way and be too large on arrival. So what is wanted moves
from where training begins to its place, and the weights follow closely.
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
from dmcnn.training.constraints.quantities import MEASURES, Measure, Subject

RELATIONS = ("==", ">=", "<=")
MEANT = {"=": "==", "!=": "==", ">": ">=", "=>": ">=", "<": "<=", "=<": "<="}
"""What is meant by a relation that is none."""

DAMPING = 100.0
"""Default of ``Constraints``."""

RATE = 10.0
"""Times the violation, what a multiplier gains over a whole training; a tenth of DAMPING. Where violations fluctuate
from step to step, as shares of zeros do, more goes past what is wanted and is too slow to return."""

WARMUP = 0.5
"""Share of a training that serves well as its warmup, if the step size decays after it: less costs likelihood, and
where the step size has decayed, weights do not follow any more."""

TOLERANCE, CERTAIN = 0.005, 2.0
"""Distance within which a constraint counts as met, and within how many of its standard errors if that is more."""

FORM = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*([<>=!]+)\s*(\S+)\s*")


@dataclass(frozen=True)
class Constraint:
    """One measure that must be equal to, at least or at most a number.

    Attributes:
        measure: name in MEASURES.
        argument: share of the weights, or number of the target, as the measure takes it; else 0.
        bracket: how the text said it.
        relation: one of RELATIONS.
        wanted: the number.
    """

    measure: str
    argument: float
    bracket: str
    relation: str
    wanted: float

    @property
    def name(self) -> str:
        """Its text."""
        return f"{self.measure}{self.bracket} {self.relation} {self.wanted:.10g}"

    @property
    def of(self) -> Measure:
        """The measure itself."""
        return MEASURES[self.measure]

    def drive(self, subject: Subject) -> torch.Tensor:
        """g, with its gradient: 0 where met, for an inequality below 0 where met with room to spare."""
        return self._sign * self.of.drive(self.of.of(subject, self.argument), self.wanted)

    def distance(self, subject: Subject) -> float:
        """The violation of what is deployed, in shares of weights, shares of the wanted number, or scaled units."""
        with torch.no_grad():
            return self._sign * float(self.of.distance(self.of.of(subject, self.argument), self.wanted))

    def owed(self, subject: Subject) -> float:
        """That distance, at least 0, and 0 if it counts as met; infinite if it is no number."""
        missed = abs(self.distance(subject)) if self.relation == "==" else self.distance(subject)
        with torch.no_grad():
            error = CERTAIN * self.of.error(subject, self.argument)
        if math.isnan(missed):
            return math.inf
        return 0.0 if missed <= max(TOLERANCE, error) else missed

    @property
    def _sign(self) -> int:
        return -1 if self.relation == ">=" else 1


def parse(text: str, targets: Sequence[str] = ()) -> list[Constraint]:
    """The constraint of a text such as ``zeros >= 0.75``; one for each target where that is left open.

    InputError that names what is wrong and the nearest valid choice.
    """
    try:
        return list(_parsed(text, targets))
    except ValueError as error:
        raise InputError(f"constraint {text!r}: {error}") from None


def _parsed(text: str, targets: Sequence[str]) -> Iterator[Constraint]:
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError("expected a measure, a relation and a number, such as 'zeros >= 0.75'")
    name, inside, relation, number = found.groups()
    if name not in MEASURES:
        raise ValueError(f"unknown measure {name!r}{nearest(name, MEASURES)}; known: {', '.join(MEASURES)}")
    if relation not in RELATIONS:
        meant = f" (did you mean {MEANT[relation]!r}?)" if relation in MEANT else ""
        raise ValueError(f"unknown relation {relation!r}{meant}; known: {', '.join(RELATIONS)}")
    wanted = _number(number)
    measure = MEASURES[name]
    if not measure.lowest < wanted < measure.highest:
        limits = "at least 0 and below 1" if name == "zeros" else "above 0"
        raise ValueError(f"{name} can only be {limits}, not {number}")
    for argument, bracket in _arguments(name, inside, targets):
        yield Constraint(name, argument, bracket, relation, wanted)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _arguments(name: str, inside: str | None, targets: Sequence[str]) -> list[tuple[float, str]]:
    """(argument, its text) of what is in the brackets."""
    takes, given = MEASURES[name].takes, (inside or "").strip()
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
        raise ValueError(f"{name} takes nothing in brackets")
    return [(0.0, "")]


class Constraints(nn.Module):
    """What the weights or outputs of a network must obey, and a multiplier for each.

    Before every optimiser step add ``penalty`` to the loss, after it call ``ascend``. The state is that of the
    multipliers: a training that restores it goes on as if nothing had happened.

    Args:
        texts: such as ["zeros >= 0.75", "pull_width == 1"]; the measures are those of
            dmcnn.training.constraints.quantities.
        net: to be trained.
        targets: names of what it estimates, in order.
        rate: step size of the multipliers: RATE over the steps of the training serves well.
        damping: c above.
        warmup: steps in which what is wanted moves evenly, as the measure's ``drive`` sees it, from what the first
            step finds to its place; see WARMUP.
        gaussian: what its outputs mean.
        shape: (C, H, W) of an image, which ``macs`` needs.

    Attributes:
        constraints: one for every multiplier.
        multipliers: (n,) float64, of ``==`` with a sign, else at least 0.
        start: (n,) float64 violations that the first step found.
        steps: int64, made so far.
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
        self.constraints = _all(texts, targets)
        self.rate, self.damping, self.warmup = rate, damping, warmup
        self.gaussian = gaussian
        equal = torch.tensor([constraint.relation == "==" for constraint in self.constraints])
        self.register_buffer("multipliers", torch.zeros(len(self.constraints), dtype=torch.float64))
        self.register_buffer("start", torch.zeros(len(self.constraints), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("_equal", equal, persistent=False)
        counted = any(constraint.measure == "macs" for constraint in self.constraints)
        self.register_buffer("_uses", _uses(net, shape) if counted else torch.zeros(0), persistent=False)
        self._found: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def names(self) -> list[str]:
        """The constraints in words, one for each multiplier."""
        return [constraint.name for constraint in self.constraints]

    def penalty(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """What to add to the mean loss of a batch: scalar, in the dtype of ``outputs``.

        Args:
            net: in training.
            outputs: (B, m) of it.
            targets: (B, k) scaled; constraints on weights alone do not look at them.
        """
        subject = self._subject(net, outputs, targets)
        drive = torch.stack([constraint.drive(subject).double() for constraint in self.constraints])
        start = torch.where(self.steps == 0, self._owed(drive.detach()), self.start)
        left = (1 - self.steps / max(1, self.warmup)).clamp(min=0) if self.warmup else 0
        drive = drive - left * start
        self._found = start, drive.detach()
        price = self._owed(self.multipliers + self.damping * drive)
        if not self.damping:
            return (self.multipliers * drive).sum().to(outputs.dtype)
        return ((price.square() - self.multipliers.square()).sum() / (2 * self.damping)).to(outputs.dtype)

    @torch.no_grad()
    def ascend(self) -> None:
        """Move the multipliers along the violations that the last ``penalty`` found."""
        if self._found is None:
            return
        start, drive = self._found
        self.start.copy_(start)
        self.multipliers.copy_(self._owed(self.multipliers + self.rate * drive))
        self.steps += 1
        self._found = None

    def _owed(self, values: torch.Tensor) -> torch.Tensor:
        """(n,) numbers, those of inequalities at least 0."""
        return torch.where(self._equal, values, values.clamp(min=0))

    def violations(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Signed distance of every constraint, by name, with the weights as they are deployed.

        It is in shares of the weights (zeros), in shares of the wanted number (l1, l2, quantile, bits, macs), or in
        numbers (pull_width) and scaled units (bias); above 0 = violated, of an equality also below.
        """
        subject = self._subject(net, outputs, targets)
        return {constraint.name: constraint.distance(subject) for constraint in self.constraints}

    def owed(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """How far the constraint that is furthest from being met is from it; 0 = all count as met."""
        subject = self._subject(net, outputs, targets)
        return max(each.owed(subject) for each in self.constraints)

    def _subject(self, net: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> Subject:
        return Subject(net, outputs, targets, self.gaussian, self._uses)


def faults_in(texts: Sequence[str], targets: Sequence[str] = ()) -> list[str]:
    """What is wrong with the texts of constraints, one line each."""
    try:
        _all(texts, targets)
    except InputError as error:
        return list(error.faults)
    return []


def _all(texts: Sequence[str], targets: Sequence[str]) -> list[Constraint]:
    found: list[Constraint] = []
    faults: list[str] = []
    for text in texts:
        try:
            found += parse(text, targets)
        except InputError as error:
            faults += error.faults
    names = [constraint.name for constraint in found]
    faults += [
        f"constraint {name!r} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    if faults:
        raise InputError(*faults)
    return found


def _uses(net: nn.Module, shape: tuple[int, int, int] | None) -> torch.Tensor:
    """(n,) multiplications by every weight for one image."""
    if shape is None:
        raise InputError("a constraint on macs needs the shape of the images")
    times = positions(net, shape)
    each = []
    for name, weight, _ in deployed_parameters(net):
        layer, _, kind = name.rpartition(".")
        each.append(torch.full((weight.numel(),), times[layer] if kind == "weight" else 0))
    return torch.cat(each)
