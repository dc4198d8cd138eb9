"""JSON files of results: numbers that are not finite, unknown objects, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dmcnn._common import json_files
from dmcnn._common.errors import InputError


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    """Programs other than Python refuse NaN and Infinity in JSON."""
    path = tmp_path / "result.json"
    json_files.write(path, {"auc": 0.75, "loss": float("nan"), "values": [1.0, float("inf"), -float("inf")]})

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    content = json.loads(path.read_text(), parse_constant=refuse)
    assert content == {"auc": 0.75, "loss": None, "values": [1.0, None, None]}
    assert json_files.read(path, "a result", ["auc", "loss"]) == content


def test_unknown_objects_are_refused_and_leave_the_result_before(tmp_path: Path) -> None:
    """A number of NumPy would otherwise become a text in silence."""
    path = tmp_path / "result.json"
    json_files.write(path, {"auc": 0.75})
    with pytest.raises(TypeError):
        json_files.write(path, {"auc": np.float32(0.5)})
    assert json.loads(path.read_text()) == {"auc": 0.75}
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]
    assert json_files.finite({"path": Path("a.root")}, default=str) == {"path": "a.root"}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"\xff{}", b"[" * 100_000, b'{"step": 1}'])
def test_damaged_files_get_one_line(tmp_path: Path, content: bytes) -> None:
    """Each is named with what it should have been."""
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]*card.json: not a model card[^\n]*$"):
        json_files.read(path, "a model card", ["step", "auc"])
    with pytest.raises(InputError, match="not a model card"):
        json_files.read(tmp_path / "missing.json", "a model card", [])
