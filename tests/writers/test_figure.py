"""Saving figures: whole, repeatable, and where the name says."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from dmcnn.errors import InputError
from dmcnn.figures.event import event_display
from dmcnn.writers.figure import save_figure


def figure() -> Figure:
    return event_display(np.eye(5, dtype=np.float32), bar_label="ADC", label="Simulation")


def test_png_and_pdf_beside_each_other(tmp_path):
    stem = tmp_path / "new" / "event_cut_0.5"
    paths = save_figure(figure(), stem)
    assert [path.name for path in paths] == ["event_cut_0.5.png", "event_cut_0.5.pdf"]
    assert paths[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert paths[1].read_bytes()[:5] == b"%PDF-"
    assert sorted(stem.parent.iterdir()) == sorted(paths)
    wide, high = np.frombuffer(paths[0].read_bytes()[16:24], ">u4")
    assert max(wide, high) == 1200


def test_same_figure_same_bytes(tmp_path, monkeypatch):
    first = [path.read_bytes() for path in save_figure(figure(), tmp_path / "a")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert [path.read_bytes() for path in save_figure(figure(), tmp_path / "b")] == first


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    (path,) = save_figure(figure(), tmp_path / "a", ("png",))
    old = path.read_bytes()

    def fail(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure(), tmp_path / "a", ("png",))
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (old, [path])


def test_unknown_formats_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"figure format 'pmg', expected one of png, pdf \(did you mean 'png'\?\)"
    ):
        save_figure(figure(), tmp_path / "a", ("pmg",))
