"""Pace of a training: rate of the steps and share of waiting, without the time of evaluations."""

from __future__ import annotations

import time

import pytest

from dmcnn.training import pace as module
from dmcnn.training.loader import Loader
from dmcnn.training.pace import Pace


class Slow:
    """Batches that take a while."""

    first, total = 0, 4

    def batch(self, step: int) -> int:
        time.sleep(0.05)
        return step


@pytest.mark.slow
def test_the_loader_knows_how_long_the_network_waited() -> None:
    loader = Loader(Slow(), n_threads=1, ahead=1)
    assert list(loader) == [0, 1, 2, 3]
    assert 0.15 < loader.waited < 2
    ready = Loader(Slow(), n_threads=4, ahead=4)
    for _ in ready:
        time.sleep(0.06)
    assert ready.waited < 0.5 * loader.waited


class Data:
    """Source of batches whose waiting time a test sets."""

    waited = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(module.time, name, lambda: now[0])
    return now


def test_lines_come_at_ends_of_epochs_now_and_then(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dmcnn")
    data = Data()
    pace = Pace(data, per_epoch=2, total=8, told=0.0, since=0.0)
    for number in range(1, 9):
        clock[0] += 10  # a step
        data.waited += 0.1 if number <= 4 else 0.4
        pace.step(number, 50)
        clock[0] += 100 if number == 5 else 0  # an evaluation
        pace.resume()
    assert caplog.messages == [
        "epoch 2 of 4: 5 images/s, waited for data 1 % of the time",
        "epoch 3 of 4: 5 images/s, waited for data 4 % of the time",
        "epoch 4 of 4: 5 images/s, waited for data 4 % of the time",
    ]
