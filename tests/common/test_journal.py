"""Journals: only rows that this work wrote, in their order, are taken."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from dmcnn._common.fingerprint import fingerprint
from dmcnn._common.journal import Journal

KEY = {"file": "new", "weights": "w"}
ROWS = np.random.default_rng(1).normal(size=(10, 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of ROWS."""
    journal = Journal(tmp_path / ".a.journal", KEY, 3)
    journal.append(ROWS[:4])
    journal.append(ROWS[4:])
    return journal.path


def test_a_journal_goes_on(path: Path) -> None:
    journal = Journal(path, KEY, 3)
    np.testing.assert_array_equal(journal.rows, ROWS)
    journal.append(np.full((1, 3), np.nan))
    assert len(Journal(path, KEY, 3)) == 11
    journal.close()
    assert not path.exists()


def test_every_damage_is_seen(path: Path) -> None:
    """A wrong bit, a byte too few or too many, zeros after a power cut: all rows that are taken are right."""
    content, random = path.read_bytes(), np.random.default_rng(2)
    for _ in range(60):
        place = int(random.integers(len(content)))
        bit = bytes([content[place] ^ (1 << int(random.integers(8)))])
        for damaged in (
            content[:place] + bit + content[place + 1 :],
            content[:place],
            content[:place] + content[place + 1 :],
            content[:place] + b"\0" + content[place:],
            content[:place] + bytes(len(content) - place),
        ):
            path.write_bytes(damaged)
            rows = Journal(path, KEY, 3).rows
            np.testing.assert_array_equal(rows, ROWS[: len(rows)])
            assert len(rows) < 10 or damaged[: len(content)] == content


def test_rows_out_of_turn_are_dropped(path: Path) -> None:
    """Two processes that append to one journal leave entries twice."""
    content = path.read_bytes()
    begin, size = content.index(b"\n") + 1, 8 * 5
    part = content[begin + 4 * size : begin + 6 * size]
    path.write_bytes(content[: begin + 6 * size] + part + content[begin + 6 * size :])
    np.testing.assert_array_equal(Journal(path, KEY, 3).rows, ROWS[:6])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({**KEY, "file": "changed"}, "of another file"),
        ({"file": "x", "weights": "y"}, "of another file and weights"),
    ],
)
def test_a_journal_of_other_work_begins_anew_and_says_so(
    key: dict[str, str], words: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(Journal(path, key, 3)) == 0
    assert words in caplog.text
    assert len(caplog.records) == 1
    assert len(Journal(path, key, 3)) == 0


def test_rows_of_another_journal_are_not_taken(path: Path, tmp_path: Path) -> None:
    other = Journal(tmp_path / "b", {**KEY, "weights": "v"}, 3)
    other.append(ROWS + 1)
    mine, theirs = path.read_bytes(), other.path.read_bytes()
    path.write_bytes(mine[: mine.index(b"\n") + 1] + theirs[theirs.index(b"\n") + 1 :])
    assert len(Journal(path, KEY, 3)) == 0


def test_an_old_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old"
    header = json.dumps({"file": "old", "weights": "w", "width": 3}, sort_keys=True) + "\n"
    path.write_bytes(header.encode() + ROWS.tobytes() + b"cut")
    np.testing.assert_array_equal(Journal(path, KEY, 3, old={"file": "old"}).rows, ROWS)
    np.testing.assert_array_equal(Journal(path, KEY, 3).rows, ROWS)  # it is a new one now
    path.write_bytes(header.encode() + ROWS.tobytes())
    assert len(Journal(path, KEY, 3, old={"file": "other"})) == 0


def test_bytes_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache holds until size, time of change or inode differ; not for files that have just been written."""
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    first = fingerprint([path])
    assert not (tmp_path / "cache").exists()
    now = path.stat().st_ctime_ns
    monkeypatch.setattr("dmcnn._common.fingerprint.time.time_ns", lambda: now + 10**10)
    assert fingerprint([path]) == first
    (memory,) = (tmp_path / "cache" / "fingerprints").iterdir()
    about = json.loads(memory.read_text())
    memory.write_text(json.dumps({**about, "fingerprint": "remembered"}))
    assert fingerprint([path]) == "remembered"
    os.utime(path)
    assert fingerprint([path]) == first
    memory.write_text("damaged")
    assert fingerprint([path]) == first
