"""A part of the torture by exclusion.py, which is run as a whole by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_nothing_is_mixed_by_twins_remade_inputs_and_kills(tmp_path: Path) -> None:
    script = Path(__file__).with_name("exclusion.py")
    words = ["infer", "--rounds", "1", "--kills", "1"]
    run = subprocess.run([sys.executable, script, *words], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (line,) = run.stdout.splitlines()
    assert "1 twins" in line
    assert "1 inputs made again" in line
    assert "1 kills" in line
