"""Summaries of the quality table against their definitions, and the coverage of the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.attribution.quality.summary import UNPAIRED, summary
from dmcnn.attribution.quality.table import MEASURES, VALUES
from dmcnn.metrics.intervals import bootstrap_t, wilson

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
    interval = bootstrap_t(differences)
    assert (found["difference_low"], found["difference_high"]) == (interval.low, interval.high)
    assert found["n_better"] == (differences < 0).sum()
    share = wilson(found["n_better"], 38)
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


def test_few_events_have_a_mean_and_no_interval():
    (few,) = (of(summary(table(cam=np.arange(n), random=np.zeros(n))), "cam") for n in (4,))
    assert (few["n"], few["mean"]) == (4, 1.5)
    assert np.isnan([few[name] for name in ("low", "high", "difference_low", "difference_high")]).all()
    enough = of(summary(table(cam=np.arange(5), random=np.zeros(5))), "cam")
    assert enough["low"] < 2 < enough["high"]
