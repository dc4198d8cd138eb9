"""Working points against their definitions, significances against a likelihood fit, and coverage of the intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from dmcnn._common.errors import InputError
from dmcnn.metrics import working_point as metrics
from dmcnn.metrics.classification import efficiency
from dmcnn.metrics.working_point import CutRule, Kind, significance, working_point

RANDOM = np.random.default_rng(4)
SIGNAL, BACKGROUND = RANDOM.normal(2, 1, 300), RANDOM.normal(0, 1, 500)
KINDS: list[tuple[Kind, float]] = [
    ("background_efficiency", 0.05), ("signal_efficiency", 0.8), ("purity", 0.9), ("significance", 0.1),
]  # fmt: skip


@pytest.mark.parametrize(("s", "b", "relative"), [(5.0, 10.0, 0.0), (20.0, 50.0, 0.2), (3.0, 0.7, 0.5)])
def test_the_significance_is_that_of_a_likelihood_fit(s: float, b: float, relative: float) -> None:
    """The data are those expected with signal: n = s + b, and m = tau b in a control region."""

    def nll(background: float) -> float:
        total = -stats.poisson.logpmf(0, background) - (s + b) * np.log(background)
        if relative:
            tau = 1 / (b * relative**2)
            total += tau * background - tau * b * np.log(tau * background)
        return float(total)

    best, with_signal = nll(b) + s - (s + b) * np.log((s + b) / b), nll(b)
    without = (
        optimize.minimize_scalar(nll, bounds=(b, b + s), method="bounded").fun if relative else with_signal
    )
    assert significance(s, b, relative) == pytest.approx(np.sqrt(2 * (without - best)), rel=1e-4)


def test_significance_at_the_ends() -> None:
    assert significance(10.0, 1e6) == pytest.approx(0.01, rel=1e-4)
    assert significance([0.0, 1.0], [0.0, 0.0]).tolist() == [0, np.inf]
    assert significance(10.0, 1e6, 1e-9) == pytest.approx(significance(10.0, 1e6), rel=1e-3)


@pytest.mark.parametrize(("kind", "value"), KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_cut_is_that_of_a_search_over_all_scores(kind: Kind, value: float, weighted: bool) -> None:
    u, v = (
        (RANDOM.exponential(size=300), RANDOM.exponential(size=500))
        if weighted
        else (np.ones(300), np.ones(500))
    )
    rows = []
    for cut in np.unique(np.concatenate([SIGNAL, BACKGROUND])):
        s, b = u[cut <= SIGNAL].sum(), v[cut <= BACKGROUND]
        effective = b.sum() ** 2 / (b**2).sum() if len(b) else 0
        rows.append(
            [cut, s / u.sum(), b.sum() / v.sum(), s / (s + b.sum()), significance(s, b.sum(), 0.1), effective]
        )
    table = np.array(rows)
    at = {
        "background_efficiency": lambda: np.flatnonzero(table[:, 2] <= value)[0],
        "signal_efficiency": lambda: np.flatnonzero(table[:, 1] >= value)[-1],
        "purity": lambda: np.flatnonzero(table[:, 3] >= value)[0],
        "significance": lambda: np.where(table[:, 5] >= 10, table[:, 4], 0).argmax(),
    }[kind]()
    given: dict[str, Any] = {"signal": SIGNAL, "background": BACKGROUND}
    point = working_point(kind, value, **given, weights=(u, v) if weighted else None)
    for column, name in enumerate(("cut", "signal_efficiency", "background_efficiency", "purity")):
        interval = getattr(point, name)
        assert interval.value == pytest.approx(table[at, column], rel=1e-12)
        assert interval.low <= interval.value <= interval.high
        assert interval.low < interval.high
    own = efficiency(SIGNAL, [float(point.cut.value)], weights=u)
    assert point.signal_efficiency.low <= own.low[0] < own.high[0] <= point.signal_efficiency.high


def test_weights_of_one_change_nothing() -> None:
    for kind, value in KINDS:
        given: dict[str, Any] = {"signal": SIGNAL, "background": BACKGROUND}
        plain, ones = (
            working_point(kind, value, **given, weights=weights)
            for weights in (None, (np.ones(300), np.ones(500)))
        )
        for name in ("cut", *metrics.NUMBERS):
            for end in ("value", "low", "high"):
                assert getattr(getattr(plain, name), end) == getattr(getattr(ones, name), end)


def test_few_events_leave_the_cut_open_at_the_top() -> None:
    point = working_point("background_efficiency", 0.001, signal=SIGNAL, background=BACKGROUND)
    assert point.cut.high == np.inf
    assert point.signal_efficiency.low == 0
    limited = working_point("significance", 0.5, signal=SIGNAL + 3, background=BACKGROUND)
    assert limited.at_limit
    assert not working_point("significance", 0.0, signal=SIGNAL[:9] - 1, background=BACKGROUND).at_limit


def test_what_no_cut_obeys_is_one_line() -> None:
    with pytest.raises(
        InputError, match=r"no cut has a background efficiency of 0\.001; the lowest is 0\.002 at"
    ):
        working_point("background_efficiency", 0.001, signal=SIGNAL - 9, background=BACKGROUND)
    with pytest.raises(InputError, match=r"no cut has a purity of 0\.9; the highest is 0\.3"):
        working_point("purity", 0.9, signal=SIGNAL - 9, background=BACKGROUND)
    with pytest.raises(InputError, match="no cut leaves 10 effective background events"):
        working_point("significance", 0, signal=SIGNAL, background=BACKGROUND[:9])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("purty 0.9", "did you mean 'purity'"),
        ("purity", "expected purity and its number, a share in 0..1"),
        ("purity 1.5", "a share in 0..1"),
        ("background_efficiency x", "a share in 0..1"),
        ("significance -1", "relative uncertainty of the background"),
    ],
)
def test_bad_rules_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CutRule.parse(text)


def test_rules_are_read() -> None:
    assert CutRule.parse("significance") == CutRule("significance", 0.0)
    assert CutRule.parse(" purity  0.75") == CutRule("purity", 0.75)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "value", "m", "n"),
    [
        ("background_efficiency", 0.01, 200, 2000),
        ("background_efficiency", 0.1, 200, 200),
        ("signal_efficiency", 0.9, 200, 500),
        ("purity", 0.9, 300, 300),
        ("significance", 0.0, 1000, 4000),
    ],
)
def test_intervals_cover_with_the_error_of_the_cut(kind: Kind, value: float, m: int, n: int) -> None:
    """Gaussians: the interval holds what the true cut gives, and what other events give at the chosen cut.

    Intervals at a cut that stays would hold the former in less than 90 % of the experiments for every kind.
    """
    random, experiments, sums = np.random.default_rng(7), 500, (20.0, 500.0)
    lowest = 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / experiments)
    apart = 1.5

    def truth(cut: Any) -> dict[str, Any]:
        s, b = stats.norm.sf(np.asarray(cut) - apart), stats.norm.sf(cut)
        purity = sums[0] * s / (sums[0] * s + sums[1] * b)
        return {"cut": cut, "signal_efficiency": s, "background_efficiency": b, "purity": purity}

    grid = np.linspace(-3, 5, 80001)
    on_grid = truth(grid)
    if kind == "significance":
        best = significance(
            sums[0] * on_grid["signal_efficiency"], sums[1] * on_grid["background_efficiency"]
        )
        ideal = grid[best.argmax()]
    else:
        value = 0.3 if kind == "purity" else value  # at these sums of weights
        ideal = grid[np.abs(on_grid[kind] - value).argmin()]
    names, goal = ("cut", "signal_efficiency", "background_efficiency", "purity"), truth(ideal)
    at_ideal, at_own, stays = dict.fromkeys(names, 0), dict.fromkeys(names, 0), 0
    other = "background_efficiency" if kind == "signal_efficiency" else "signal_efficiency"
    for _ in range(experiments):
        signal, background = random.normal(apart, 1, m), random.normal(0, 1, n)
        weights = np.full(m, sums[0] / m), np.full(n, sums[1] / n)
        point = working_point(kind, value, signal=signal, background=background, weights=weights)
        own = truth(float(point.cut.value))
        for name in names:
            interval = getattr(point, name)
            at_ideal[name] += bool(interval.low <= goal[name] <= interval.high)
            at_own[name] += bool(interval.low <= own[name] <= interval.high)
        fixed = efficiency(signal if other == "signal_efficiency" else background, [float(point.cut.value)])
        stays += bool(fixed.low[0] <= goal[other] <= fixed.high[0])
    assert min(at_ideal.values()) >= lowest * experiments, at_ideal
    assert min(at_own.values()) >= lowest * experiments, at_own
    assert stays < 0.9 * experiments
