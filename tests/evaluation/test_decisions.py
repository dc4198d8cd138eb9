"""Cuts and what follows from them: working points, lists of events that pass and that are misclassified, figures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn.figures import networks as figures
from dmcnn.metrics.working_point import working_point
from evaluation.score_files import refuse, run, write

RANDOM = np.random.default_rng(9)
SCORES = {"signal": RANDOM.beta(4, 2, 80), "background": RANDOM.beta(2, 4, 160)}
WEIGHTS = {kind: RANDOM.exponential(size=len(scores)) for kind, scores in SCORES.items()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {
        kind: write(tmp_path / f"{kind}.csv", scores, w=WEIGHTS[kind], minus=-np.ones(len(scores)))
        for kind, scores in SCORES.items()
    }


def listed(folder: Path, ending: str) -> list[dict[str, str]]:
    """Rows of a table that evaluate left."""
    with (folder / "out" / f"DM-CNN_evaluation_{ending}.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_the_working_point_sets_the_cut_of_every_part(
    tmp_path: Path, files: dict[str, str], weighted: bool
) -> None:
    rule: dict[str, Any] = {"event_weight": "w"} if weighted else {}
    found = run(tmp_path, **files, working_point="background_efficiency 0.1", **rule)
    given = {**SCORES, "weights": tuple(WEIGHTS.values()) if weighted else None}
    point = working_point("background_efficiency", 0.1, **given)
    cut = float(point.cut.value)
    assert found["cut"] == cut
    assert found["working_point"]["cut"] == [cut, point.cut.low, point.cut.high]
    expected = [float(end) for end in (point.signal_efficiency.value, point.signal_efficiency.low,
                                       point.signal_efficiency.high)]  # fmt: skip
    assert found["signal_efficiency"] == found["working_point"]["signal_efficiency"] == expected
    passed = {kind: scores >= cut for kind, scores in SCORES.items()}
    share = np.average(passed["background"], weights=WEIGHTS["background"] if weighted else None)
    assert found["background_efficiency"][0] == pytest.approx(share)
    assert share <= 0.1
    rows = listed(tmp_path, "selection")
    for kind in SCORES:
        own = [row for row in rows if row["label"] == kind]
        assert [row["passed"] for row in own] == [str(int(one)) for one in passed[kind]]
        assert [row["event_number"] for row in own] == [str(i) for i in range(len(SCORES[kind]))]
        assert {row["score_table"] for row in own} == {files[kind]}
    assert found["misclassified"] == {
        "signal": int((~passed["signal"]).sum()), "background": int(passed["background"].sum()),
    }  # fmt: skip


@pytest.mark.slow
def test_misclassified_events_are_listed_the_most_wrong_first(tmp_path: Path, files: dict[str, str]) -> None:
    run(tmp_path, **files, cut=0.6)
    rows = listed(tmp_path, "wrong")
    expected = {
        (kind, str(i))
        for kind, scores in SCORES.items()
        for i in np.flatnonzero((scores >= 0.6) != (kind == "signal"))
    }
    assert {(row["label"], row["event_number"]) for row in rows} == expected
    assert len(rows) == len(expected)
    distance = [abs(float(row["score"]) - 0.6) for row in rows]
    assert distance == sorted(distance, reverse=True)
    assert [float(row["distance"]) for row in rows] == distance
    assert all(row["predicted"] != row["label"] for row in rows)
    assert all(int(row["n_pixels"]) == int(row["entry_number"]) + 5 for row in rows)
    assert not (tmp_path / "out" / "DM-CNN_evaluation_selection.csv").exists()


@pytest.mark.slow
def test_every_network_has_its_own_working_point(tmp_path: Path, files: dict[str, str]) -> None:
    other = {
        kind: write(tmp_path / f"{kind}_2.csv", scores**2) for kind, scores in SCORES.items()
    }  # the same order, so the same efficiencies
    found = run(
        tmp_path,
        **{kind: {"one": files[kind], "two": other[kind]} for kind in files},
        working_point="signal_efficiency 0.8",
    )
    one, two = (found["networks"][name] for name in ("one", "two"))
    assert two["cut"] == pytest.approx(one["cut"] ** 2)
    assert two["background_efficiency"] == pytest.approx(one["background_efficiency"])
    assert listed(tmp_path, "flips") == []
    assert len(listed(tmp_path, "selection_two")) == 240


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"working_point": "purty 0.5"}, "working_point = 'purty 0.5' (did you mean 'purity'?)"),
        ({"working_point": "purity 0.9", "cut": 0.7}, "cut and working_point both set the cut"),
        ({"working_point": "purity 0.5", "event_weight": "minus"}, "240 negative weights"),
        ({"working_point": "purity 0.99999"}, "no cut has a purity of 0.99999"),
    ],
)
def test_bad_working_points_are_one_line(
    tmp_path: Path,
    files: dict[str, str],
    keys: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    swapped = {"signal": files["background"], "background": files["signal"]}
    text = refuse(capsys, tmp_path, **(swapped if "0.99999" in message else files), **keys)
    assert message in text
    assert len(text.strip().splitlines()) == 1


def test_negative_weights_keep_the_lists(tmp_path: Path, files: dict[str, str]) -> None:
    found = run(tmp_path, **files, event_weight="minus")
    assert "working_point" not in found
    assert len(listed(tmp_path, "wrong")) == sum(found["misclassified"].values())


@pytest.mark.slow
@pytest.mark.parametrize("weight", [None, -1.0])
def test_scores_against_pixels_are_drawn_with_any_weights(weight: float | None) -> None:
    given = None if weight is None else np.full(80, weight)
    pixels = np.append(np.arange(79.0), np.nan)
    figure = figures.score_against_pixels({"signal": (pixels, SCORES["signal"], given)}, 0.5)
    assert figure.axes[0].get_title() == "signal: 78 events"  # without that of no pixel and that of no number
    figure.draw_without_rendering()
    empty = np.empty(0)
    figures.score_against_pixels({"signal": (empty, empty, None)}, 0.5).draw_without_rendering()
    ends = np.array([0.0, 1.0])
    figures.score_pairs({"signal": (ends, ends)}, ("a", "b"), (0.5, 0.5)).draw_without_rendering()
