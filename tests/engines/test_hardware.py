"""Warning of arithmetic that a device does not have."""

from __future__ import annotations

import logging

import pytest
import torch

from dmcnn.engines import hardware


@pytest.mark.parametrize(
    ("precision", "is_fast", "count"), [("bf16", False, 1), ("bf16", True, 0), ("32", False, 0)]
)
def test_emulated_arithmetic_is_told_once(
    precision: str,
    is_fast: bool,
    count: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardware, "bf16_is_fast", lambda device: is_fast)
    hardware.warn_of_emulation.cache_clear()
    with caplog.at_level(logging.WARNING, "dmcnn"):
        for _ in range(2):
            hardware.warn_of_emulation(precision, torch.device("cpu"))
    assert caplog.text.count("emulated") == count
