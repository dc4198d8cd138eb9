"""Where maps lie: analytic cases, and ranks and overlaps by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmcnn.attribution.quality.localisation import (
    agreement,
    enrichment,
    jaccard,
    ranks,
    spearman,
    top,
    top_overlap,
)

RNG = np.random.default_rng(8)
ACTIVE = RNG.random((2, 20, 30)) < 0.05
OCCUPANCY = ACTIVE.mean()


@pytest.mark.parametrize("constant", [1.0, 0.3, -7e-30, 1e300])
def test_a_uniform_map_is_the_floor(constant):
    values = np.full(ACTIVE.shape, constant)
    assert enrichment(values, ACTIVE) == 1
    assert top_overlap(values, ACTIVE) == pytest.approx(OCCUPANCY, rel=1e-12)


def test_a_map_on_the_charge_is_the_ceiling():
    values = np.where(ACTIVE, RNG.normal(size=ACTIVE.shape), 0)
    assert enrichment(values, ACTIVE) == 1 / OCCUPANCY
    assert top_overlap(values, ACTIVE) == 1
    assert enrichment(np.where(ACTIVE, 0, values + 1), ACTIVE) == 0
    assert top_overlap(np.where(ACTIVE, 0.0, 1.0), ACTIVE) == 0


def test_by_their_definitions():
    values = RNG.normal(size=ACTIVE.shape)
    strength = np.abs(values)
    share = strength[ACTIVE].sum() / strength.sum()
    assert enrichment(values, ACTIVE) == pytest.approx(share / OCCUPANCY)
    strongest = np.argsort(-strength.ravel())[: ACTIVE.sum()]
    assert top_overlap(values, ACTIVE) == pytest.approx(ACTIVE.ravel()[strongest].mean())


def test_ties_belong_in_part():
    assert top(np.array([3.0, 1, 2, 2, 2]), 3).tolist() == pytest.approx([1, 0, 2 / 3, 2 / 3, 2 / 3])
    active = np.array([True, True, False, False])
    assert top_overlap(np.array([9.0, 1, 1, 0]), active) == pytest.approx((1 + 1 / 2) / 2)


def spearman_direct(a, b) -> float:
    """By counting, for every pair of places, who is ahead: the ranks are those counts."""
    rank = [[(np.sum(v < one) + np.sum(v <= one) + 1) / 2 for one in v] for v in (a, b)]
    return np.corrcoef(rank)[0, 1]


@pytest.mark.parametrize("levels", [1000, 4, 2])
def test_rank_correlation_with_ties(levels):
    a = RNG.integers(0, levels, 80).astype(np.float32)
    b = (a + RNG.integers(0, levels, 80)).astype(np.float32)
    assert spearman(a, b) == pytest.approx(spearman_direct(a, b), abs=1e-12)
    assert spearman(a, -a) == pytest.approx(1)  # strength counts, not sign
    assert spearman(a + 1, 1 / (a + 1)) == pytest.approx(-1)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [1000, 4])
def test_rank_correlation_agrees_with_scipy(levels):
    a, b = RNG.integers(0, levels, (2, 300)).astype(float)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    np.testing.assert_array_equal(ranks(a), stats.rankdata(a))


def test_overlap_of_two_maps():
    a, b = RNG.normal(size=(2, 50))
    strongest = [set(np.argsort(-np.abs(v))[:12]) for v in (a, b)]
    expected = len(strongest[0] & strongest[1]) / len(strongest[0] | strongest[1])
    assert jaccard(a, b, 12) == pytest.approx(expected)
    assert jaccard(a, 5 * a, 12) == 1
    assert jaccard(np.eye(2)[0], np.eye(2)[1], 1) == 0


def test_agreement_on_the_charge():
    maps = {name: RNG.normal(size=ACTIVE.shape).astype(np.float32) for name in "abc"}
    maps["d"] = np.where(ACTIVE, maps["a"], 100)  # differs where there is no charge
    found = agreement(maps, ACTIVE, share=0.2)
    assert found.names == ("a", "b", "c", "d")
    for matrix, one in (
        (found.spearman, spearman),
        (found.jaccard, lambda a, b: jaccard(a, b, int(np.ceil(0.2 * ACTIVE.sum())))),
    ):
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_allclose(np.diag(matrix), 1)
        assert matrix[0, 3] == pytest.approx(1)
        assert matrix[0, 1] == pytest.approx(one(maps["a"][ACTIVE], maps["b"][ACTIVE]))


def test_nothing_to_compare_is_nan():
    some, none = RNG.normal(size=ACTIVE.shape), np.zeros_like(ACTIVE)
    bad = np.where(ACTIVE, np.nan, some)
    endless = np.where(ACTIVE, np.inf, some)
    for values in (bad, endless, np.zeros(ACTIVE.shape)):
        assert np.isnan(enrichment(values, ACTIVE))
        assert np.isnan(top_overlap(values, ACTIVE))
        assert np.isnan(spearman(values, some))
        assert np.isnan(jaccard(some, values, 3))
    assert np.isnan(enrichment(some, none))
    assert np.isnan(top_overlap(some, none))
    assert np.isnan(spearman(some[none], some[none]))
    assert np.isnan(spearman(np.ones(5), np.arange(5)))
    found = agreement({"some": some, "bad": bad}, none)
    assert np.isnan(found.spearman).all()
    assert np.isnan(found.jaccard).all()
    one = agreement({"some": some, "bad": bad, "same": np.ones(ACTIVE.shape)}, ACTIVE)
    np.testing.assert_array_equal(np.isnan(one.spearman), [[0, 1, 1], [1, 1, 1], [1, 1, 1]])
    single = np.zeros_like(ACTIVE)
    single[0, 3, 4] = True
    assert top_overlap(np.where(single, 2.0, 1.0), single) == 1
