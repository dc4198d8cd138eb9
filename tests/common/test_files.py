"""Paths and globs that name input files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmcnn._common.errors import InputError
from dmcnn._common.files import expand


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("run[12]/a.npy", "run[12]/deep/b.npy", "run1/wrong.npy", "run2/wrong.npy"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_that_exists_is_meant_as_it_is_written(folder: Path) -> None:
    """``run[12]/*`` read the folders run1 and run2 beside it."""
    assert expand("run[12]/*.npy") == ["run[12]/a.npy"]
    assert expand("run[12]/**/*.npy") == ["run[12]/a.npy", "run[12]/deep/b.npy"]
    assert expand(str(folder / "run[12]" / "d*" / "*")) == [str(folder / "run[12]/deep/b.npy")]
    assert expand("run[12]/a.npy") == ["run[12]/a.npy"]
    (folder / "run[12]").rename(folder / "other")
    assert expand("run[12]/*.npy") == ["run1/wrong.npy", "run2/wrong.npy"]


def test_what_names_nothing_is_said(folder: Path) -> None:
    with pytest.raises(InputError, match=r"run\[12\]/\*\.root: no such file"):
        expand("run[12]/*.root")
