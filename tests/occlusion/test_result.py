"""Error of a scan in bfloat16, measured beside float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn._common.journal import Journal
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.occlusion.result import CHECKS, OcclusionResult, Scan, scan_event


@pytest.fixture
def event() -> SparseImages:
    random = np.random.default_rng(1)
    dense = random.uniform(10, 500, (1, 1, 16, 16)) * (random.random((1, 1, 16, 16)) < 0.3)
    return sparse(dense.astype(np.float32))


def scan(event: SparseImages, precision: str, folder: Path) -> OcclusionResult:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2)).eval()
    options = Scan(k=1)
    windows = options.windows(event)
    base = net(torch.from_numpy(event.dense())).detach().double().numpy()[0]
    journal = Journal(folder / precision, {}, 2)
    return scan_event(net, event, windows, options.engine("dense", 4, precision), base, journal)


def test_bf16_tells_its_difference_to_float32(event: SparseImages, tmp_path: Path) -> None:
    exact, fast = scan(event, "32", tmp_path), scan(event, "bf16", tmp_path)
    np.testing.assert_array_equal(exact.error, [0, 0])
    assert exact.relative_error == 0
    differences = np.abs(exact.logits - fast.logits)
    assert len(differences) > CHECKS
    assert (fast.error > 0).all()
    assert (fast.error <= differences.max(axis=0)).all()
    assert (fast.error > np.median(differences, axis=0)).all()  # the largest of eight, all over the event
    assert fast.relative_error == max(fast.error / fast.logits.std(axis=0))


def test_a_map_that_does_not_change_has_no_relative_error_but_an_infinite_one(event: SparseImages) -> None:
    windows = Scan(k=1).windows(event)
    logits = np.zeros((len(windows.rows), 1))
    assert OcclusionResult(windows, logits, np.zeros(1), np.array([0.1])).relative_error == np.inf
    assert OcclusionResult(windows, logits, np.zeros(1), np.zeros(1)).relative_error == 0
