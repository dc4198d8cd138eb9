"""Networks on the same events, and samples by name: events matched by id, AUCs, p-values, and events that flip."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn.evaluation.matching import match_events
from dmcnn.evaluation.rows import EventRows
from dmcnn.evaluation.samples import numbers_in_names
from dmcnn.metrics import classification
from dmcnn.metrics.paired import auc_covariance, compare_aucs
from dmcnn.tables import table
from evaluation.score_files import refuse, run, write

SCORES = Path(__file__).parents[3] / "shared" / "data" / "scores"
RANDOM = np.random.default_rng(8)
FIRST = {"signal": RANDOM.beta(4, 2, 60), "background": RANDOM.beta(2, 4, 90)}
SECOND = {kind: np.clip(score + RANDOM.normal(0, 0.2, len(score)), 0, 1) for kind, score in FIRST.items()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, dict[str, str]]:
    """The second network has the events in another order, and three of its own."""
    found: dict[str, dict[str, str]] = {}
    for kind, first in FIRST.items():
        order = np.random.default_rng(1).permutation(len(first))
        score, event = np.append(SECOND[kind][order], [0.5] * 3), np.append(order, 1000 + np.arange(3))
        found[kind] = {
            "a": write(tmp_path / f"{kind}_a.csv", first, w=np.arange(len(first)) % 3 + 1),
            "b": write(tmp_path / f"{kind}_b.csv", score, event, w=event % 3 + 1),
        }
    return found


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_networks_are_compared_on_matched_events(
    tmp_path: Path, files: dict[str, dict[str, str]], weighted: bool
) -> None:
    found = run(tmp_path, **files, **({"event_weight": "w"} if weighted else {}))
    pair = [np.stack([FIRST[kind], SECOND[kind]]) for kind in ("signal", "background")]
    weights = tuple(np.arange(one.shape[1]) % 3 + 1.0 for one in pair) if weighted else None
    areas, covariance = auc_covariance(*pair, weights=weights)
    expected = compare_aucs(areas, covariance, 0, 1)
    (result,) = found["pairs"]
    assert result["networks"] == ["a", "b"]
    assert result["p_value"] == pytest.approx(expected.p_value, rel=1e-9)
    assert result["auc_difference"][0] == pytest.approx(expected.difference.value, rel=1e-9)
    assert [found["networks"][name]["auc"] for name in "ab"] == pytest.approx(areas, rel=1e-12)
    assert found["matching"]["signal"] == {
        "events": {"a": 60, "b": 63}, "matched": 60, "unmatched": {"a": 0, "b": 3},
    }  # fmt: skip
    assert {"roc", "roc_log", "scores_a_b", "scores_a", "confusion_b"} <= {
        path.stem.removeprefix("DM-CNN_evaluation_") for path in (tmp_path / "out").glob("*.png")
    }


@pytest.mark.slow
def test_events_that_flip_are_listed(tmp_path: Path, files: dict[str, dict[str, str]]) -> None:
    numbers = run(tmp_path, **files)
    with (tmp_path / "out" / "DM-CNN_evaluation_flips.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    expected = {
        (kind, str(event))
        for kind, first in FIRST.items()
        for event in np.flatnonzero((first >= 0.5) != (SECOND[kind] >= 0.5))
    }
    assert {(row["label"], row["event_number"]) for row in rows} == expected
    spread = [abs(float(row["score_a"]) - float(row["score_b"])) for row in rows]
    assert spread == sorted(spread, reverse=True)
    for row in rows:
        at = int(row["event_number"])
        assert float(row["score_a"]) == FIRST[row["label"]][at]
        assert float(row["score_b"]) == SECOND[row["label"]][at]
        assert (row["passed_a"], row["passed_b"]) == tuple(
            "1" if float(row[f"score_{name}"]) >= 0.5 else "0" for name in "ab"
        )
    alone = numbers["pairs"][0]["passed_by_one"]
    assert sum(sum(counts.values()) for counts in alone.values()) == len(rows)


def test_too_few_common_events_are_refused(
    tmp_path: Path, files: dict[str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    other = write(tmp_path / "other.csv", FIRST["signal"], np.arange(60) + 7)
    text = refuse(capsys, tmp_path, signal={**files["signal"], "b": other}, background=files["background"])
    assert "signal: 53 of 60 scored events of 'a' are events of 'b' too, expected at least 90 %" in text


def test_one_weight_for_an_event(
    tmp_path: Path, files: dict[str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {"*_a.csv": 1.0, "*_b.csv": 2.0}
    assert "event weight 2 for 'b', but 1 for 'a'" in refuse(capsys, tmp_path, **files, event_weight=rule)


def test_names_that_only_some_share_are_refused(
    tmp_path: Path, files: dict[str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"a": files["background"]["a"], "bb": files["background"]["b"]}
    text = refuse(capsys, tmp_path, signal=files["signal"], background=names)
    assert "both have the name 'a', but not both 'b'" in text
    assert "signal names no sample" in refuse(capsys, tmp_path, signal={}, background=names)
    assert "no such file" in refuse(capsys, tmp_path, signal={"x": "none.csv"}, background=names)


def test_duplicates_pair_in_order_and_rows_without_score_keep_their_place(tmp_path: Path) -> None:
    events = {"a": [5, 5, 6, 5], "b": [6, 5, 5, 5]}
    rows = {}
    for name, numbers in events.items():
        scores = [0.1, -999999.9, 0.3, 0.4] if name == "a" else [0.1, 0.2, 0.3, 0.4]
        one = table.read(write(tmp_path / f"{name}.csv", scores, numbers))
        scored = np.flatnonzero(~np.isnan(table.scores_of(one, "signal_score")[0]))
        rows[name] = EventRows([one], np.zeros(len(scored), np.int64), scored)
    # Rows 0, 1 and 3 of a are rows 1, 2 and 3 of b; row 1 of a has no score.
    with pytest.raises(ValueError, match="3 of 4 scored events of 'b'"):
        match_events(rows, "signal")
    matches = match_events({"a": rows["a"], "b": rows["b"].take(np.array([0, 1, 3]))}, "signal")
    assert matches.at["a"].tolist() == [0, 1, 2]
    assert matches.at["b"].tolist() == [1, 0, 2]


def test_ids_up_to_the_largest_match_and_unset_ones_do_not(tmp_path: Path) -> None:
    rows = {}
    for name, numbers in {"a": [2**64 - 1, 2**64 - 2, "", 3], "b": [3, "", 2**64 - 2, 2**64 - 1]}.items():
        one = table.read(write(tmp_path / f"{name}.csv", [0.1] * 4, numbers))
        rows[name] = EventRows([one] * 1, np.zeros(4, np.int64), np.arange(4))
    known = {"a": rows["a"].take(np.array([0, 1, 3])), "b": rows["b"].take(np.array([0, 2, 3]))}
    matches = match_events(known, "signal")
    assert (matches.at["a"].tolist(), matches.at["b"].tolist()) == ([0, 1, 2], [2, 1, 0])
    with pytest.raises(ValueError, match="3 of 4"):
        match_events(rows, "signal")


@pytest.mark.slow
def test_every_table_is_read_once(
    tmp_path: Path, files: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []
    read = table.read
    monkeypatch.setattr(table, "read", lambda path, *more: paths.append(str(path)) or read(path, *more))
    both = write(tmp_path / "both.csv", [0.2, 0.8], label=["background", "signal"], origin=["x", "y"])
    for keys in (files, {kind: own["a"] for kind, own in files.items()}, {"scores": both}):
        paths.clear()
        run(tmp_path, **keys)
        assert len(paths) == len(set(paths)) > 0


@pytest.mark.slow
def test_samples_have_an_auc_each(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    signal = {f"m_{mass}": random.beta(3 + i, 2, 40) for i, mass in enumerate(("0.05", "0.1", "0.2"))}
    background = {"dirt": random.beta(2, 4, 50), "cosmic": random.beta(2, 5, 30)}
    paths = {
        kind: {name: write(tmp_path / f"{name}.csv", scores) for name, scores in samples.items()}
        for kind, samples in (("signal", signal), ("background", background))
    }
    found = run(tmp_path, **paths, event_weight={"m_*": 2.0, "dirt.csv": 0.5, "cosmic.csv": 3.0})
    every = np.concatenate(list(background.values()))
    weight = np.repeat([0.5, 3.0], [50, 30])
    for name, scores in signal.items():
        given = {"signal": scores, "background": every, "weights": (np.full(40, 2.0), weight)}
        area = classification.auc_interval(**given)
        assert found["samples"]["signal"][name]["auc"] == [area.value, area.low, area.high]
        matrix = found["samples"]["auc_of_signal_against_background"][name]
        expected = classification.auc(signal=scores, background=background["dirt"])
        assert matrix["dirt"][0] == pytest.approx(expected)
    share = (background["dirt"] >= 0.5).mean()
    assert found["samples"]["background"]["dirt"]["background_efficiency"][0] == pytest.approx(share)
    names = {path.stem.removeprefix("DM-CNN_evaluation_") for path in (tmp_path / "out").glob("*.png")}
    assert {"auc_by_mass", "roc_by_signal", "roc_by_background", "scores_by_sample", "roc"} <= names
    together = run(
        tmp_path, signal=list(paths["signal"].values()), background=list(paths["background"].values())
    )
    plain = run(tmp_path, **paths)
    assert {key: plain[key] for key in together if key != "files"} == {
        key: together[key] for key in together if key != "files"
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ma_0.05_r_0.6", "ma_0.1_r_0.6"], ([0.05, 0.1], "ma")),
        (["10", "1e3"], ([10, 1000], "")),
        (["ma_0.05_r_0.6", "ma_0.1_r_0.7"], None),
        (["dirt1", "nu1"], None),
        (["m_1", "m_1.0"], None),
        (["m_1"], None),
    ],
)
def test_the_number_in_names(names: list[str], expected: Any) -> None:
    assert numbers_in_names(names) == expected


@pytest.mark.slow
@pytest.mark.skipif(not SCORES.is_dir(), reason="needs ../shared/data/scores")
def test_published_networks_on_the_same_events(tmp_path: Path) -> None:
    """Two networks of the published search on MicroBooNE run 1, with figures."""
    names = ("mpid", "resnet34_gn")
    found = run(
        tmp_path,
        drawn=True,
        signal={name: f"{SCORES}/signal_{name}*" for name in names},
        background={name: f"{SCORES}/samples_{name}*" for name in names},
    )
    assert found["networks"]["mpid"]["auc"] == pytest.approx(0.938357, abs=5e-7)
    assert found["networks"]["resnet34_gn"]["auc"] == pytest.approx(0.968246, abs=5e-7)
    assert found["matching"]["background"]["matched"] == 20955
    (pair,) = found["pairs"]
    assert 0 < pair["p_value"] < 1e-60
    assert pair["auc_difference"][1] < -0.029889 < pair["auc_difference"][2]
