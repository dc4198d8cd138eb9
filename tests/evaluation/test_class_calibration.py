"""Calibration of several classes: errors and temperatures against other programs, and checkpoints that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special
from sklearn.metrics import log_loss

from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.save import save
from dmcnn.metrics import class_reliability as metrics
from dmcnn.metrics.reliability import temperature
from dmcnn.tasks import task_of
from evaluation.score_files import refuse, run, write

TRUE = 1.8
CLASSES = ["kaon", "pion", "electron", "gamma"]


def events(count: int, seed: int, *, softmax: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by TRUE, and labels."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 2, (count, 4)) + np.log([3, 2, 1, 1])
    if softmax:
        labels = (special.softmax(z, axis=1).cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
        return TRUE * z, labels
    # sigmoids: the class of an event is drawn with their odds, given that exactly one of them is true
    odds = special.softmax(z, axis=1)
    labels = (odds.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    return TRUE * (z - special.logsumexp(z, axis=1, keepdims=True)), labels


def scores_of(logits: np.ndarray, *, softmax: bool = True) -> np.ndarray:
    return np.asarray(special.softmax(logits, axis=1) if softmax else special.expit(logits))


def likelihood(scores: np.ndarray, labels: np.ndarray, weight: np.ndarray, *, softmax: bool) -> float:
    """Mean negative log likelihood by scikit-learn."""
    if softmax:
        return float(log_loss(labels, scores, sample_weight=weight, labels=range(4)))
    each = (log_loss(labels == i, scores[:, i], sample_weight=weight) for i in range(4))
    return float(sum(each))


def error_by_hand(score: np.ndarray, true: np.ndarray, weight: np.ndarray) -> float:
    """Calibration error in 15 bins of 0..1, bin by bin."""
    error = 0.0
    for nth in range(15):
        here = (score >= nth / 15) & ((score < (nth + 1) / 15) | (nth == 14))
        if here.any():
            gap = np.average(true[here], weights=weight[here]) - np.average(score[here], weights=weight[here])
            error += weight[here].sum() / weight.sum() * abs(gap)
    return error


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_errors_and_likelihood_are_those_of_their_definitions(weighted: bool, softmax: bool) -> None:
    logits, labels = events(700, 1, softmax=softmax)
    scores, count = scores_of(logits, softmax=softmax), np.ones(700)
    weight = np.random.default_rng(2).exponential(size=700) if weighted else count
    found = metrics.class_reliability(scores, labels, weight if weighted else None)
    true = np.eye(4)[labels]
    right = scores.argmax(axis=1) == labels
    assert found.ece == pytest.approx(error_by_hand(scores.max(axis=1), right, weight), rel=1e-9)
    each = [error_by_hand(scores[:, i], true[:, i], weight) for i in range(4)]
    assert [one.ece for one in found.classes] == pytest.approx(each, rel=1e-9)
    assert found.classwise_ece == pytest.approx(np.mean(each), rel=1e-9)
    assert found.nll == pytest.approx(likelihood(scores, labels, weight, softmax=softmax), rel=1e-9)
    brier = np.average(((scores - true) ** 2).sum(axis=1), weights=weight)
    assert found.brier == pytest.approx(brier, rel=1e-9)
    assert not weighted or found.ece != metrics.class_reliability(scores, labels, count).ece


@pytest.mark.slow
@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_has_the_least_log_loss(weighted: bool, softmax: bool) -> None:
    logits, labels = events(1500, 3, softmax=softmax)
    weight = np.random.default_rng(4).exponential(size=1500) if weighted else np.ones(1500)

    def loss(log_t: np.ndarray) -> float:
        return likelihood(
            scores_of(logits / np.exp(log_t[0]), softmax=softmax), labels, weight, softmax=softmax
        )

    expected = np.exp(optimize.minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-7}).x[0])
    found = temperature(logits, labels, weight, softmax=softmax)
    assert found.value == pytest.approx(expected, rel=1e-5)
    from_scores = metrics.logits_of(scores_of(logits, softmax=softmax))
    assert temperature(from_scores, labels, weight, softmax=softmax).value == pytest.approx(
        expected, rel=1e-5
    )
    assert metrics.is_softmax(scores_of(logits, softmax=softmax)) == softmax


@pytest.mark.slow
@pytest.mark.parametrize("softmax", [True, False])
def test_the_interval_of_the_temperature_holds_that_of_many_events(softmax: bool) -> None:
    many = temperature(*events(50_000, 5, softmax=softmax), softmax=softmax).value
    assert not softmax or many == pytest.approx(TRUE, rel=0.02)
    random, inside = np.random.default_rng(6), 0
    for number in range(120):
        weight = random.exponential(size=300)
        found = temperature(*events(300, 100 + number, softmax=softmax), weight, softmax=softmax)
        inside += bool(found.low <= many <= found.high)
    assert inside >= 105


def test_a_score_of_exactly_0_counts_as_the_smallest_other_one() -> None:
    scores = np.array([[1.0, 0.0, 0.0], [0.2, 0.5, 0.3], [1e-9, 0.4, 0.6]])
    np.testing.assert_allclose(metrics.logits_of(scores)[0], [0, np.log(1e-9), np.log(1e-9)])


def tables(folder: Path, name: str, count: int, seed: int, **more: Any) -> tuple[str, np.ndarray, np.ndarray]:
    """Write a score table without the column of a signal; return its path, the logits and the labels."""
    logits, labels = events(count, seed)
    scores = scores_of(logits)
    columns: dict[str, Any] = {
        "predicted": [CLASSES[i] for i in scores.argmax(axis=1)],
        **{f"p_{word}": scores[:, i] for i, word in enumerate(CLASSES)},
        "label": [CLASSES[i] for i in labels],
        "w": np.where(labels == 0, 0.5, 2.0),
        **more,
    }
    path = write(folder / f"{name}.csv", scores[:, 2], **columns)
    if "signal" not in name:
        text = Path(path).read_text().replace("signal_score", "score_of_electron", 1)
        Path(path).write_text(text)
    return path, logits, labels


def checkpoint(path: Path, activation: str = "softmax", classes: list[str] = CLASSES) -> str:
    sizes = {"channels": 1, "height": 24, "width": 24}
    card = Card("lariat", {"num_class": len(classes), **sizes}, classes, None, activation,
                {"xdim": 24, "ydim": 24})  # fmt: skip
    save(path, {KEY: card.as_dict(), "state_dict": card.build().state_dict()})
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_evaluate_fits_on_validation_events_and_judges_others(tmp_path: Path, weighted: bool) -> None:
    test, logits, labels = tables(tmp_path, "test", 900, 6)
    validation, others, truth = tables(tmp_path, "validation", 900, 7)
    rule: dict[str, Any] = {"event_weight": "w"} if weighted else {}
    weight, fitted = (np.where(each == 0, 0.5, 2.0) if weighted else None for each in (labels, truth))
    plain = run(tmp_path, scores=test, **rule)["calibration"]
    found = run(tmp_path, scores=test, calibration=validation, **rule)["calibration"]
    value = temperature(others, truth, fitted)
    assert found["temperature"] == pytest.approx(
        [float(end) for end in (value.value, value.low, value.high)], rel=1e-6
    )
    assert found["ece"] == plain["ece"] == metrics.class_reliability(scores_of(logits), labels, weight).ece
    after = metrics.class_reliability(scores_of(logits / value.value), labels, weight)
    for name in ("ece", "classwise_ece", "nll", "brier"):
        assert found["at_temperature"][name] == pytest.approx(getattr(after, name), rel=1e-6)
        assert found["at_temperature"][name] < found[name]
    assert found["validation_events"] == {name: int((truth == i).sum()) for i, name in enumerate(CLASSES)}
    assert list(found["classes"]) == CLASSES
    for what in ("calibration", "calibration_classes"):
        assert (tmp_path / "out" / f"DM-CNN_evaluation_{what}.png").exists()


@pytest.mark.slow
def test_with_a_signal_among_several_classes_all_scores_are_calibrated(tmp_path: Path) -> None:
    test, *_ = tables(tmp_path, "signal_test", 500, 6)
    validation, logits, labels = tables(tmp_path, "signal_validation", 500, 7)
    keys = {"scores": test, "signal_label": "electron"}
    assert "classes" not in run(tmp_path, **keys)["calibration"]
    found = run(tmp_path, calibration=validation, **keys)
    assert found["auc"] > 0.5
    assert found["calibration"]["temperature"][0] == pytest.approx(float(temperature(logits, labels).value))


def test_spreads_of_several_networks_are_no_classes(tmp_path: Path) -> None:
    test, *_ = tables(tmp_path, "test", 100, 6, **{f"p_{name}_spread": [2.0] * 100 for name in CLASSES})
    assert run(tmp_path, scores=test)["classes"] == CLASSES


@pytest.mark.slow
def test_a_calibrated_checkpoint_gives_the_scores_at_its_temperature(tmp_path: Path) -> None:
    weights = checkpoint(tmp_path / "net.ckpt")
    test, logits, labels = tables(tmp_path, "test", 900, 6)
    found = run(tmp_path, scores=test, calibration=test, calibrate_weight_file=weights)["calibration"]
    calibrated = load(tmp_path / "net_calibrated.ckpt")[1]
    assert calibrated.temperature == found["temperature"][0]
    assert load(weights)[1].temperature == 1
    scores = task_of(calibrated).values(logits)
    assert log_loss(labels, scores) == pytest.approx(found["at_temperature"]["nll"], rel=1e-9)


@pytest.mark.slow
def test_bad_calibrations_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test, *_ = tables(tmp_path, "test", 200, 6)
    other = Path(write(tmp_path / "other.csv", [0.2] * 3, predicted=["a"] * 3, p_a=[1] * 3, label=["a"] * 3))
    net, sigmoids = checkpoint(tmp_path / "net.ckpt"), checkpoint(tmp_path / "sigmoids.ckpt", "sigmoid")
    words = checkpoint(tmp_path / "words.ckpt", classes=["a", "b", "c", "d"])
    sides = {kind: write(tmp_path / f"{kind}.csv", scores)
             for kind, scores in (("signal", [0.2, 0.7, 0.9]), ("background", [0.1, 0.4, 0.6]))}  # fmt: skip
    cases: list[tuple[dict[str, Any], str]] = [
        ({"scores": test, "calibration": str(other)}, "scores of ['a'], expected those of ['kaon'"),
        ({"scores": test, "calibration": sides}, "expected the files of all classes"),
        ({"scores": test, "calibration": test, "calibrate_weight_file": sigmoids},
         "its scores are of a sigmoid, those of the tables of a softmax"),
        ({"scores": test, "calibration": test, "calibrate_weight_file": words},
         "has the classes ['a', 'b', 'c', 'd'], the tables have ['kaon'"),
        ({**sides, "calibration": sides, "calibrate_weight_file": net},
         "has 4 classes, and the temperature was fitted to the score of one: give scores=…"),
    ]  # fmt: skip
    for keys, message in cases:
        text = refuse(capsys, tmp_path, **keys)
        assert message in text
        assert len(text.strip().splitlines()) == 1
