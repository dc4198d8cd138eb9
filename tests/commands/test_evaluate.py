"""Evaluation of scores on the command line: intervals, weights of events, and scores that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn import evaluate
from dmcnn.evaluation.regression import comparison
from dmcnn.figures import save
from dmcnn.metrics import classification

RANDOM = np.random.default_rng(3)
SIGNAL, BACKGROUND = RANDOM.beta(5, 2, 40), RANDOM.beta(2, 5, 60)


def write(path: Path, **columns: Any) -> Path:
    """Write a score table with the given columns beside ids."""
    count = len(next(iter(columns.values())))
    head = {"run_number": [1] * count, "subrun_number": [1] * count, "event_number": range(count)}
    names = {**head, **columns, "entry_number": range(count), "n_pixels": [9] * count}
    rows = [",".join(names), *(",".join(map(str, row)) for row in zip(*names.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n")
    return path


def run(folder: Path, **keys: Any) -> dict[str, Any]:
    """Evaluate with some keys; return the numbers."""
    words = [
        f"{key}={json.dumps(value) if isinstance(value, dict) else value}" for key, value in keys.items()
    ]
    (folder / "out" / "DM-CNN_evaluation.cfg").unlink(missing_ok=True)  # results of other tables are replaced
    assert evaluate.main([*words, f"output_dir={folder / 'out'}"]) == 0
    found: dict[str, Any] = json.loads((folder / "out" / "DM-CNN_evaluation.json").read_text())
    return found


@pytest.fixture(autouse=True)
def unsaved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make empty files instead of rendered figures where a test is not marked slow."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(save, "save_figure", lambda figure, stem, **_: Path(f"{stem}.png").touch())


@pytest.fixture
def kinds(tmp_path: Path) -> dict[str, Path]:
    return {
        "signal": write(
            tmp_path / "signal.csv", signal_score=SIGNAL, w=np.ones(40), x=RANDOM.exponential(size=40)
        ),
        "background": write(
            tmp_path / "background.csv", signal_score=BACKGROUND, w=np.ones(60), x=[0.5] * 60
        ),
    }


@pytest.mark.slow
def test_separated_or_constant_scores_have_an_interval_and_raise_no_warning(tmp_path: Path) -> None:
    """Warnings are errors here, and figures are rendered."""
    low = write(tmp_path / "b.csv", signal_score=0.1 + 0.001 * np.arange(8))
    found = run(
        tmp_path, signal=write(tmp_path / "s.csv", signal_score=0.9 + 0.001 * np.arange(8)), background=low
    )
    assert found["auc"] == found["auc_high"] == 1
    assert 0.6 < found["auc_low"] < 0.85
    same = [write(tmp_path / f"{name}.csv", signal_score=[0.5] * 8) for name in "cd"]
    assert run(tmp_path, signal=same[0], background=same[1])["auc"] == 0.5


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e999"])
def test_infinite_scores_are_one_line(
    tmp_path: Path, kinds: dict[str, Path], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path / "bad.csv", signal_score=[0.4, word])
    assert (
        evaluate.main([f"signal={bad}", f"background={kinds['background']}", f"output_dir={tmp_path}"]) == 2
    )
    assert f"{bad}:3: signal_score is {word!r}, expected a finite number" in capsys.readouterr().err


def test_logits_are_said_to_be_none_of_the_scores_the_cut_is_meant_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "dmcnn"):
        logits = [
            write(tmp_path / f"{name}.csv", signal_score=np.log(values / (1 - values)))
            for name, values in (("s", SIGNAL), ("b", BACKGROUND))
        ]
        found = run(tmp_path, signal=logits[0], background=logits[1])
    (line,) = [text for text in caplog.messages if "not between 0 and 1 (logits?)" in text]
    assert "give cut=0 for logits" in line
    assert found["cuts"][0] < 0 < 1 < found["cuts"][-1]
    assert not (tmp_path / "out" / "DM-CNN_evaluation_scores_logit.png").exists()
    assert found["auc"] == classification.auc(signal=SIGNAL, background=BACKGROUND)


@pytest.mark.slow
def test_weights_of_one_reproduce_the_numbers(tmp_path: Path, kinds: dict[str, Path]) -> None:
    plain, column = run(tmp_path, **kinds), run(tmp_path, **kinds, event_weight="w")
    per_file = run(tmp_path, **kinds, event_weight={"*signal.csv": 1.0, "background.csv": 1.0})
    for key, value in plain.items():
        assert column[key] == per_file[key] == value
    assert column["effective_events"] == {"signal": 40, "background": 60}


@pytest.mark.slow
def test_weights_go_through_every_number(tmp_path: Path, kinds: dict[str, Path]) -> None:
    weights = np.array([float(line.split(",")[5]) for line in kinds["signal"].read_text().split()[1:]])
    found = run(tmp_path, **kinds, event_weight="x")
    given = {"signal": SIGNAL, "background": BACKGROUND, "weights": (weights, np.full(60, 0.5))}
    area = classification.auc_interval(**given)
    assert [found[key] for key in ("auc", "auc_low", "auc_high")] == [area.value, area.low, area.high]
    assert found["auc"] != classification.auc(signal=SIGNAL, background=BACKGROUND)
    share = weights[SIGNAL >= 0.5].sum() / weights.sum()
    assert found["signal_efficiency"][0] == pytest.approx(share)
    assert found["confusion"][1][1] == pytest.approx(weights[SIGNAL >= 0.5].sum())
    assert found["effective_events"]["signal"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    right = weights[SIGNAL >= 0.5].sum() + 0.5 * (BACKGROUND < 0.5).sum()
    assert found["accuracy"][0] == pytest.approx(right / (weights.sum() + 30))


def test_negative_weights_stay_in_histograms_alone(
    tmp_path: Path, kinds: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "dmcnn"):
        found = run(tmp_path, **kinds, event_weight={"signal.csv": -0.5, "background.csv": 2})
    assert "40 negative weights: histograms and sums only, no ROC curve, AUC or efficiency" in caplog.messages
    assert "auc" not in found
    assert found["sum_of_weights"] == {"signal": -20, "background": 120}
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert "DM-CNN_evaluation_scores.png" in names
    assert "DM-CNN_evaluation_roc.png" not in names


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("weight", "no column 'weight'"),
        ({"signal.csv": 1, "backgrund.csv": 1}, "'backgrund.csv' matches none of"),
        ({"*.csv": 1, "signal.csv": 1}, "the patterns '*.csv', 'signal.csv' match"),
        ({"signal.csv": 1}, "no pattern matches"),
    ],
)
def test_bad_weights_are_one_line(
    tmp_path: Path, kinds: dict[str, Path], rule: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{kind}={path}" for kind, path in kinds.items()]
    rule = json.dumps(rule) if isinstance(rule, dict) else rule
    assert evaluate.main([*words, f"event_weight={rule}", f"output_dir={tmp_path}"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_weights_of_several_classes(tmp_path: Path) -> None:
    labels = np.array(["a", "b", "c"])[RANDOM.integers(0, 3, 90)]
    scores = RANDOM.dirichlet([1, 1, 1], 90)
    columns = {f"p_{name}": scores[:, i] for i, name in enumerate("abc")}
    predicted = np.array(["a", "b", "c"])[scores.argmax(axis=1)]
    weights = RANDOM.exponential(size=90)
    table = write(tmp_path / "t.csv", predicted=predicted, **columns, label=labels, w=weights, one=[1] * 90)
    plain, ones, found = (run(tmp_path, scores=table, **keys) for keys in ({}, {"event_weight": "one"},
                          {"event_weight": "w"}))  # fmt: skip
    assert {key: ones[key] for key in plain} == plain
    right = predicted == labels
    assert found["accuracy"][0] == pytest.approx(weights[right].sum() / weights.sum())
    assert found["accuracy"][2] - found["accuracy"][1] > plain["accuracy"][2] - plain["accuracy"][1]
    here = labels == "b"
    area = classification.auc_interval(
        signal=scores[here, 1], background=scores[~here, 1], weights=(weights[here], weights[~here])
    )
    assert found["auc_one_against_the_rest"]["b"] == [area.value, area.low, area.high]


def regression_table(path: Path, targets: int, events: int = 40, **replaced: Any) -> Path:
    """Write a score table of regression of independent targets."""
    columns: dict[str, Any] = {}
    for name in (f"t{i}" for i in range(targets)):
        true = RANDOM.normal(0, 10, events)
        columns |= {
            name: true + RANDOM.normal(size=events),
            f"sigma_{name}": np.ones(events),
            f"true_{name}": true,
        }
    return write(path, **(columns | replaced))


@pytest.mark.parametrize("replaced", [{"t0": 1e155 * np.ones(40)}, {"sigma_t0": np.full(40, 1e-300)}])
def test_estimates_beyond_float64_are_one_line(
    tmp_path: Path, replaced: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    table = regression_table(tmp_path / "t.csv", 1, **replaced)
    assert evaluate.main([f"scores={table}", f"output_dir={tmp_path}"]) == 2
    assert "no event with estimate and truth" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_of_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of weight 2 count as two, those of weight 0 not at all, and equal weights change nothing."""
    monkeypatch.setattr(save, "save_figure", lambda *_, **__: [])  # the numbers are looked at
    weights = RANDOM.integers(0, 3, 300)
    table = regression_table(tmp_path / "t.csv", 2, 300, w=weights, five=[5] * 300, minus=[-1] * 300)
    plain, equal, found = (
        run(tmp_path, scores=table, **keys)["networks"]["t"]
        for keys in ({}, {"event_weight": "five"}, {"event_weight": "w"})
    )
    assert equal == plain
    lines = table.read_text().split()
    repeated = [line for line, weight in zip(lines[1:], weights, strict=True) for _ in range(weight)]
    (tmp_path / "r.csv").write_text("\n".join([lines[0], *repeated]) + "\n")
    expected = run(tmp_path, scores=tmp_path / "r.csv")["networks"]["r"]
    for target in ("t0", "t1", "all"):
        for quantity, value in expected["mean"][target].items():
            if value["value"] is not None:
                same = {"rms": 0.01, "pull_rms": 0.01, "half_width": 0.02}.get(quantity, 1e-9)
                same = 0.1 if quantity.startswith(("fit", "pull_width", "pull_mean")) else same
                assert found["mean"][target][quantity]["value"] == pytest.approx(
                    value["value"], same, abs=same
                )
    assert found["mean"]["t0"]["bias"]["error"] > expected["mean"]["t0"]["bias"]["error"]
    assert found["effective_events"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    np.testing.assert_allclose(found["calibration"]["t0"], expected["calibration"]["t0"], rtol=1e-12)
    np.testing.assert_allclose(
        found["correlation"]["observed"], expected["correlation"]["observed"], rtol=1e-9
    )
    assert evaluate.main([f"scores={table}", "event_weight=minus", f"output_dir={tmp_path}"]) == 2
    assert f"{table}:2: event weight -1, expected at least 0" in capsys.readouterr().err


@pytest.mark.slow
def test_figures_grow_with_the_number_of_targets(tmp_path: Path) -> None:
    """Not with its square: each of many targets is drawn against its own truth."""
    panels = []
    for targets in (7, 14):
        table = regression_table(tmp_path / f"{targets}.csv", targets)
        drawn = comparison.judge({"network": [[str(table)]]}).figures
        panels.append(sum(len(figure.axes) for figure in drawn.values()))
    assert panels[1] < 2.2 * panels[0]
