"""Selection of events: by rank, with a limit per file, each event once, from score tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.selection import (
    SelectedEvent,
    merge_reasons,
    rank_events,
    read_scores,
    select_by_score,
    wrong_distances,
    wrong_margins,
)

SCORES = np.array([0.9, 0.1, np.nan, 0.5, 0.9, 0.45])
FILES = np.array([0, 0, 0, 1, 1, 1], np.int32)


def test_ranked_leaves_out_what_has_no_score_and_keeps_to_the_quota() -> None:
    assert rank_events(SCORES, None, FILES, None) == [1, 5, 3, 0, 4]
    assert rank_events(-SCORES, 2, FILES, None) == [0, 4]
    assert rank_events(SCORES, None, FILES, 1) == [1, 5]
    assert rank_events(np.full(3, np.nan), 2, FILES[:3], None) == []


def test_every_kind_with_its_reason() -> None:
    others = np.array([0.9, 0.8, 0.5, np.nan, 0.2, 0.45])
    found = select_by_score(SCORES, FILES, top=1, bottom=1, border=1, disagree=2, others=others)
    assert [one.number for one in found] == [0, 1, 3, 1, 4]
    assert found[0].reason == "highest score, number 1: 0.9000"
    assert found[3].reason == "most disagreement, number 1: 0.1000 and 0.8000"
    assert [one.number for one in select_by_score(SCORES, FILES, border=1, border_score=0.44)] == [5]


def test_how_wrong_events_are() -> None:
    labels = ["s", "s", "s", None, "b", ""]
    found = wrong_distances(SCORES, labels, "s", 0.5)
    np.testing.assert_allclose(found, [np.nan, 0.4, np.nan, np.nan, 0.4, np.nan])
    events = select_by_score(SCORES, FILES, wrong=5, distances=found, disagree=5, others=SCORES)
    assert [one.number for one in events if one.reason.startswith("misclassified")] == [1, 4]
    assert events[-1].reason == "misclassified, number 2: 0.9000"  # as many of another kind do not change it
    scores = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.3, 0.3, 0.4], [np.nan] * 3])
    margins = wrong_margins(scores, ["a", "a", None, "b"], ["a", "b", "c"])
    np.testing.assert_allclose(margins, [0.3, np.nan, np.nan, np.nan])


def test_an_event_chosen_twice_comes_once_with_both_reasons() -> None:
    events = [SelectedEvent(number, reason) for number, reason in ((3, "a"), (1, "b"), (3, "c"), (3, "a"))]
    assert merge_reasons(events) == [SelectedEvent(3, "a; c"), SelectedEvent(1, "b")]


def test_scores_from_one_table_per_file(toy_files: dict[str, Path], tmp_path: Path) -> None:
    dataset = Dataset([str(toy_files["train"]), str(toy_files["test"])])
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("entry_number,signal_score\n3,0.25\n0,\n")
    two.write_text("entry_number,signal_score\n10,0.5\n,0.7\n")
    found = read_scores([str(one), str(two)], dataset)
    assert found[3] == 0.25
    assert found[24 + 10] == 0.5
    assert np.isnan(found).sum() == len(dataset) - 2
    with pytest.raises(InputError, match="names 1 files for 2 input files"):
        read_scores(str(one), dataset)
    two.write_text("entry_number,signal_score\n11,0.5\n")
    with pytest.raises(InputError, match=r"two\.csv:2: entry 11, but .* has 11 entries"):
        read_scores([str(one), str(two)], dataset)
    two.write_text("entry_number,signal_score\n9.5,0.5\n")
    with pytest.raises(InputError, match=r"two\.csv:2: entry_number is '9\.5', expected a whole number"):
        read_scores([str(one), str(two)], dataset)
    two.write_text("entry_number,signal_score\nfirst,0.5\n")
    with pytest.raises(InputError, match=r"two\.csv:2: entry_number is 'first', expected a whole number"):
        read_scores([str(one), str(two)], dataset)
