"""Calibration: errors against their definition, temperatures against the truth, and checkpoints that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from dmcnn.attribution.target import Target
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.save import save
from dmcnn.metrics import reliability as metrics
from dmcnn.tasks import task_of
from evaluation.score_files import refuse, run, write

TRUE = 2.5
RANDOM = np.random.default_rng(12)


def events(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure by TRUE, and labels."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 2, count)
    return special.expit(TRUE * z), (random.random(count) < special.expit(z)).astype(int)


def tables(folder: Path, name: str, count: int, seed: int) -> str:
    scores, labels = events(count, seed)
    words = np.array(["background", "signal"])[labels]
    return write(folder / f"{name}.csv", scores, label=words, w=np.where(labels == 1, 0.5, 2.0))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_calibration_error_is_that_of_its_definition(weighted: bool) -> None:
    scores, labels = events(400, 1)
    weight = RANDOM.exponential(size=400) if weighted else np.ones(400)
    found = metrics.reliability(scores, labels, weight if weighted else None, bins=10)
    expected = 0.0
    for low in np.arange(10) / 10:
        here = (scores >= low) & (scores < low + 0.1 + (low == 0.9))
        gap = np.average(labels[here], weights=weight[here]) - np.average(scores[here], weights=weight[here])
        expected += weight[here].sum() / weight.sum() * abs(gap)
    assert found.ece == pytest.approx(expected, rel=1e-9)
    assert found.brier == pytest.approx(np.average((scores - labels) ** 2, weights=weight))
    true = np.where(labels == 1, scores, 1 - scores)
    assert found.nll == pytest.approx(np.average(-np.log(true), weights=weight))
    ones = metrics.reliability(scores, labels, np.ones(400), bins=10)
    assert not weighted or ones.ece != found.ece
    assert (found.share.low <= found.share.value).all()


def test_the_error_of_calibrated_scores_is_what_chance_gives() -> None:
    random, errors, told = np.random.default_rng(3), [], []
    for _ in range(100):
        scores = random.beta(1, 2, 600)
        found = metrics.reliability(scores, random.random(600) < scores)
        errors.append(found.ece)
        told.append(found.ece_if_calibrated)
    assert np.mean(told) == pytest.approx(np.mean(errors), rel=0.06)


@pytest.mark.slow
def test_the_interval_of_the_temperature_holds_the_truth() -> None:
    random, inside, experiments = np.random.default_rng(4), 0, 200
    for number in range(experiments):
        scores, labels = events(300, 100 + number)
        weight = random.exponential(size=300)
        z = metrics.logit(scores)
        found = metrics.temperature(np.column_stack([0 * z, z]), labels, weight)
        inside += bool(found.low <= TRUE <= found.high)
    assert inside >= 0.90 * experiments


def test_the_temperature_of_several_classes() -> None:
    random = np.random.default_rng(5)
    z = random.normal(0, 1.5, (4000, 4))
    labels = (special.softmax(z, axis=1).cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    found = metrics.temperature(0.4 * z, labels)
    assert found.low < 0.4 < found.high
    assert found.high < 1.2 * found.low
    ones = metrics.temperature(0.4 * z, labels, np.ones(4000))
    assert (ones.value, ones.low, ones.high) == (found.value, found.low, found.high)


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [([3.0, -2.0], [1, 0], "separate the classes"), ([3.0, -2.0, 1.0], [0, 1, 0], "no better than chance")],
)
def test_no_temperature_is_one_line(z: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.temperature(np.column_stack([np.zeros(len(z)), z]), labels)


@pytest.mark.slow
def test_evaluate_fits_on_validation_events_and_judges_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    test, validation = tables(tmp_path, "test", 900, 6), tables(tmp_path, "validation", 900, 7)
    plain = run(tmp_path, scores=test)["calibration"]
    found = run(tmp_path, scores=test, calibration=validation)["calibration"]
    assert found["ece"] == plain["ece"] > 0.05
    value, low, high = found["temperature"]
    assert low < TRUE < high
    assert found["at_temperature"]["ece"] < 0.6 * found["ece"]
    assert found["at_temperature"]["nll"] < found["nll"]
    assert sum(found["validation_events"].values()) == 900
    weighted = run(tmp_path, scores=test, calibration=validation, event_weight="w")["calibration"]
    assert weighted["temperature"] != found["temperature"]
    assert (tmp_path / "out" / "DM-CNN_evaluation_calibration.png").exists()
    assert value == pytest.approx(TRUE, rel=0.2)
    assert "fitted to" not in caplog.text
    with caplog.at_level("INFO", "dmcnn"):
        run(tmp_path, scores=test, calibration=test)
    assert "the temperature is judged on events that it was fitted to" in caplog.text


@pytest.mark.slow
def test_a_calibrated_checkpoint_lies_beside_the_original(tmp_path: Path) -> None:
    card = Card("lariat", {"num_class": 2, "channels": 1, "height": 24, "width": 24}, ["background", "signal"],
                "signal", "sigmoid", {"xdim": 24, "ydim": 24})  # fmt: skip
    weights = tmp_path / "net.ckpt"
    save(weights, {KEY: card.as_dict(), "state_dict": card.build().state_dict()})
    before = weights.read_bytes()
    test = tables(tmp_path, "test", 900, 6)
    found = run(tmp_path, scores=test, calibration=test, calibrate_weight_file=str(weights))["calibration"]
    assert weights.read_bytes() == before
    net, calibrated = load(tmp_path / "net_calibrated.ckpt")
    assert calibrated.temperature == found["temperature"][0]
    for name, tensor in load(weights)[0].state_dict().items():
        assert torch.equal(net.state_dict()[name], tensor)
    logits = np.array([[1.0, -2.0], [-0.5, 0.5]])
    np.testing.assert_allclose(
        task_of(calibrated).scores(logits), special.expit(logits / calibrated.temperature)
    )
    assert load(weights)[1].temperature == 1
    target = Target(1, "score", "sigmoid", calibrated.temperature)
    expected = special.expit(logits[:, 1] / calibrated.temperature)
    np.testing.assert_allclose(target(torch.tensor(logits)).numpy(), expected)


@pytest.mark.slow
def test_bad_calibrations_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tables(tmp_path, "test", 60, 6)
    logits = write(tmp_path / "logits.csv", [-3.0, 2.0], label=["background", "signal"])
    plain = write(tmp_path / "plain.csv", [0.2])
    weights = tmp_path / "w.ckpt"
    weights.write_bytes(b"x")
    (tmp_path / "test.cfg").write_text("# dmcnn 1.0, weights 0123\n")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"calibration": logits}, "scores in 0..1, found -3 to 2"),
        ({"calibration": plain}, "no column 'label'"),
        ({"calibration": {"signals": test}}, 'names other than "signal" and "background"'),
        ({"calibrate_weight_file": str(weights)}, "calibrate_weight_file needs calibration"),
        (
            {"calibration": test, "calibrate_weight_file": str(weights)},
            "was made by other weights than those of",
        ),
    ]
    for keys, message in cases:
        text = refuse(capsys, tmp_path, scores=test, **keys)
        assert message in text
        assert len(text.strip().splitlines()) == 1
