"""Summaries of the quality table against their definitions, and the coverage of the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmcnn._common.errors import InputError
from dmcnn.attribution.quality.summary import UNPAIRED, bootstrap, summary
from dmcnn.attribution.quality.table import MEASURES, VALUES
from dmcnn.metrics import classification

DELETION = next(measure for measure in MEASURES if measure.name == "deletion_auc")
RNG = np.random.default_rng(2)


def table(**methods) -> list[dict]:
    """Rows whose deletion AUC is given, event by event, and everything else NaN."""
    ids = {"file": "a.root", "run_number": 1, "subrun_number": 1, "event_number": 1}
    about = {"target": 1, "target_kind": "logit"}
    return [
        {
            **ids,
            "entry_number": n,
            "method": name,
            **about,
            **dict.fromkeys(VALUES, np.nan),
            DELETION.column: value,
        }
        for name, values in methods.items()
        for n, value in enumerate(values)
    ]


def of(rows, method, measure="deletion_auc") -> dict:
    (found,) = [row for row in rows if (row["method"], row["measure"]) == (method, measure)]
    return found


def test_numbers_of_one_measure():
    values = RNG.normal(0.3, 0.1, 40)
    values[5] = np.nan
    floor = RNG.normal(0.4, 0.1, 39)  # event 39 has no random row
    found = of(summary(table(cam=values, random=floor)), "cam")
    kept = values[np.isfinite(values)]
    assert (found["better"], found["n"]) == ("lower", 39)
    assert found["mean"] == pytest.approx(kept.mean())
    assert found["median"] == pytest.approx(np.median(kept))
    assert found["standard_error"] == pytest.approx(kept.std(ddof=1) / np.sqrt(39))
    assert found["low"] < found["mean"] < found["high"]
    differences = (values[:39] - floor)[np.isfinite(values[:39])]
    assert found["n_pairs"] == 38
    assert found["difference"] == pytest.approx(differences.mean())
    interval = bootstrap(differences)
    assert (found["difference_low"], found["difference_high"]) == (interval.low, interval.high)
    assert found["n_better"] == (differences < 0).sum()
    share = classification.wilson(found["n_better"], 38)
    assert [found[f"better_share{end}"] for end in ("", "_low", "_high")] == [
        share.value,
        share.low,
        share.high,
    ]


def test_rows_come_for_every_method_and_measure():
    rows = summary(table(cam=[0.1, 0.2], random=[0.3, 0.4], charge=[0.2, 0.2]))
    assert len(rows) == 3 * len(MEASURES)
    assert len({tuple(row) for row in rows}) == 1
    assert of(rows, "charge")["n_better"] == 2
    assert {of(rows, "random")[name] for name in UNPAIRED} == {None}
    assert {of(rows, "cam", "max_sensitivity")[name] for name in UNPAIRED} == {None}
    empty = of(rows, "cam", "enrichment")
    assert (empty["n"], empty["n_pairs"]) == (0, 0)
    assert np.isnan([empty["mean"], empty["low"], empty["median"], empty["better_share"]]).all()


def test_more_is_better_where_it_is():
    rows = table(cam=[1.0, 3.0], random=[2.0, 2.0])
    for row in rows:
        row["insertion_auc_higher_better"] = row[DELETION.column]
    found = summary(rows)
    assert of(found, "cam")["n_better"] == of(found, "cam", "insertion_auc")["n_better"] == 1
    equal = summary(table(cam=[2.0], random=[2.0]))
    assert of(equal, "cam")["n_better"] == 0


def test_the_event_is_told_by_all_its_ids():
    rows = table(cam=[0.1, 0.2])
    rows[1]["entry_number"] = 0
    with pytest.raises(InputError, match=r"two rows of method 'cam' for the event .*'a.root'"):
        summary(rows)
    rows[1]["target"] = 0
    assert of(summary(rows), "cam")["n"] == 2
    assert summary([]) == []


def test_coverage_of_a_gaussian_mean():
    samples = RNG.normal(5, 2, (400, 30))
    inside = 0
    for nth, sample in enumerate(samples):
        found = bootstrap(sample, n_resamples=400, seed=nth)
        inside += found.low < 5 < found.high
    assert 0.90 < inside / 400 < 0.98


def test_interval_is_about_that_of_student_and_scales():
    sample = RNG.normal(5, 2, 200)
    found = bootstrap(sample)
    half = 1.972 * sample.std(ddof=1) / np.sqrt(200)
    np.testing.assert_allclose([found.low, found.high], [found.value - half, found.value + half], atol=0.05)
    moved = bootstrap(3 * sample - 7)
    np.testing.assert_allclose([moved.low, moved.high], [3 * found.low - 7, 3 * found.high - 7])
    narrow = bootstrap(sample, level=0.5)
    assert found.low < narrow.low < narrow.high < found.high


def test_skewed_samples_reach_further_to_their_tail():
    sample = RNG.exponential(size=40)
    found = bootstrap(sample, n_resamples=20000)
    drawn = sample[np.random.default_rng(9).integers(0, 40, (20000, 40))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low > low
    assert found.high > high
    mirrored = bootstrap(-sample, n_resamples=20000)
    np.testing.assert_allclose([-mirrored.high, -mirrored.low], [found.low, found.high], atol=0.03)


def test_interval_agrees_with_scipy():
    sample = RNG.exponential(size=60)
    theirs = stats.bootstrap((sample,), np.mean, method="BCa", n_resamples=50000, rng=1).confidence_interval
    found = bootstrap(sample, n_resamples=50000)
    np.testing.assert_allclose([found.low, found.high], [theirs.low, theirs.high], atol=0.01)


def test_too_few_values():
    none, one, same = bootstrap([]), bootstrap([2.0]), bootstrap([2.0, 2.0, 2.0])
    assert np.isnan([none.value, none.low, none.high, one.low, one.high]).all()
    assert one.value == 2
    assert [same.low, same.value, same.high] == [2, 2, 2]
    assert bootstrap([1.0, 2.0]).low >= 1


def test_large_samples_are_resampled_in_parts():
    sample = RNG.normal(size=30_000)
    found = bootstrap(sample, n_resamples=200)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(30_000), rel=0.2)
