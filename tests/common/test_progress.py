"""Progress where the output is no terminal: few whole lines, with the time that is left."""

from __future__ import annotations

import io
import re

import pytest

from dmcnn._common import progress
from dmcnn._common.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_short_work_is_silent_in_a_log() -> None:
    log = io.StringIO()
    for _ in ProgressBar(range(2000), file=log):
        pass
    assert log.getvalue() == ""


def test_long_work_leaves_whole_lines_with_the_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET", 0.0)
    log = io.StringIO()
    with ProgressBar(total=10, desc="scoring", unit="event", file=log) as bar:
        for _ in range(10):
            bar.update()
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert all(line.startswith("scoring: ") for line in lines)
    assert re.search(r" 50%.*5/10 \[\d\d:\d\d<\d\d:\d\d", log.getvalue())
    assert "10/10" in lines[-1]


def test_a_terminal_has_a_bar() -> None:
    terminal = Terminal()
    with ProgressBar(total=2, desc="scoring", file=terminal) as bar:
        bar.update(2)
    assert "\rscoring: 100%" in terminal.getvalue()


def test_what_was_finished_before_has_no_part_in_the_rate() -> None:
    with ProgressBar(total=1000, file=Terminal()) as bar:
        bar.skip(900)
        bar.update(10)
        state = bar.format_dict
    assert (state["n"], state["initial"]) == (910, 900)
