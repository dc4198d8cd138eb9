"""Baseline of a classification: sums of charge against their definition, and what they reach on simulated events."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dmcnn
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.training import baseline


def test_sums_of_charge() -> None:
    pixels = np.random.default_rng(1).random((3, 2, 48, 32)) * (
        np.random.default_rng(2).random((3, 2, 48, 32)) < 0.2
    )
    found = baseline.sums(sparse(pixels.astype(np.float32)))
    boxes = [pixels[:, :, 24 - h : 24 + h, 16 - w : 16 + w] for h, w in ((12, 8), (6, 4), (3, 2))]
    expected = [pixels.sum((1, 2, 3)), (pixels != 0).sum((1, 2, 3)), *(box.sum((1, 2, 3)) for box in boxes)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-6)
    assert len(baseline.NAMES) == found.shape[1]
    assert not baseline.sums(sparse(np.zeros((1, 1, 16, 16), np.float32))).any()


@pytest.fixture(scope="module")
def events() -> tuple[SparseImages, SparseImages]:
    """Return training and test images whose central charge tells the classes apart, and nothing else does."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 600)
    pixels = np.zeros((600, 1, 32, 32))
    for image, label in zip(pixels, labels, strict=True):
        row, column = random.integers(13, 18, 2) if label else random.integers(0, 8, 2)
        image[0, row : row + 2, column : column + 2] = random.uniform(20, 60)
        image[0, random.integers(0, 32, 30), random.integers(0, 32, 30)] = 20
    whole = sparse(pixels.astype(np.float32), label=labels)
    return whole.take(np.arange(400)), whole.take(np.arange(400, 600))


@pytest.mark.slow
def test_the_baseline_finds_the_charge_in_the_centre(events: tuple[SparseImages, SparseImages]) -> None:
    train, test = events
    found = baseline.measure(train, test, signal=1)
    assert found is not None
    assert found.auc > 0.9
    assert found.auc_low < found.auc < found.auc_high <= 1
    assert (found.events, found.model) == (400, found.model)
    assert found == baseline.measure(train, test, signal=1)
    assert "on 5 sums of charge, fitted to 400 training events: AUC 0.9" in found.line()


@pytest.mark.slow
def test_the_baseline_never_sees_the_test_labels(events: tuple[SparseImages, SparseImages]) -> None:
    """With labels of the test events drawn at random it is a coin, whatever model is the best."""
    train, test = events
    random = replace(test, label=np.random.default_rng(1).integers(0, 2, len(test)))
    found = baseline.measure(train, random, signal=1)
    assert found is not None
    assert found.auc_low < 0.5 < found.auc_high


def test_too_few_events_have_no_baseline(events: tuple[SparseImages, SparseImages]) -> None:
    train, test = events
    assert baseline.measure(train.take(np.arange(6)), test, signal=1) is None
    one_kind = replace(test, label=np.ones(len(test), np.int64))
    assert baseline.measure(train, one_kind, signal=1) is None


def test_without_scikit_learn_the_command_says_what_to_install(
    events: tuple[SparseImages, SparseImages],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = importlib.import_module

    def missing(name: str, *more: Any) -> Any:
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name="sklearn")
        return real(name, *more)

    monkeypatch.setattr("dmcnn._common.extras.import_module", missing)
    with caplog.at_level("INFO", "dmcnn"):
        assert baseline.report(*events, signal=1) is None
    assert "scikit-learn is not installed; it comes with: pip install 'dmcnn[baseline]'" in caplog.text


@pytest.mark.slow
def test_sums_of_charge_tell_more_than_the_pixel_count_of_simulated_events() -> None:
    """AUC 0.58 by pixel count of the first version, whose vertices are central: sums in central boxes reach more."""
    parts = [
        dmcnn.open(f"sample://dark-trident/{part}?events={events}&version=1", label="run == 100").read()
        for part, events in (("train", 400), ("test", 200))
    ]
    found = baseline.measure(*parts, signal=int(np.asarray(parts[0].label).max()))
    assert found is not None
    assert found.auc_low > 0.55
