"""The committed type stub is what pybind11-stubgen says of the built module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pybind11_stubgen")

STUB = Path(__file__).parents[1] / "python" / "dmcnn" / "_core.pyi"
HEADER = """\
# Generated: python -m pybind11_stubgen dmcnn._core --output-dir <folder>; only these lines are by hand.
# fmt: off
# ruff: noqa: W293
"""


def test_stub_is_up_to_date(tmp_path):
    command = [sys.executable, "-m", "pybind11_stubgen", "dmcnn._core", "--output-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert STUB.read_text() == HEADER + (tmp_path / "dmcnn" / "_core.pyi").read_text()
