"""Files of figures: whole, reproducible, and under the requested name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmcnn import __version__
from dmcnn._common.errors import InputError
from dmcnn.figures.attribution import overview
from dmcnn.figures.event import event_display
from dmcnn.figures.occlusion import score_map
from dmcnn.figures.save import ANIMATIONS, save_animation, save_figure
from dmcnn.figures.space_time import animation
from dmcnn.figures.text import Figure


def figure() -> Figure:
    return event_display(np.eye(5, dtype=np.float32), bar_label="ADC", label="Simulation")


@pytest.mark.slow
def test_png_and_pdf_beside_each_other(tmp_path):
    stem = tmp_path / "new" / "event_cut_0.5"
    paths = save_figure(figure(), stem)
    assert [path.name for path in paths] == ["event_cut_0.5.png", "event_cut_0.5.pdf"]
    assert paths[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert paths[1].read_bytes()[:5] == b"%PDF-"
    assert sorted(stem.parent.iterdir()) == sorted(paths)
    wide, high = np.frombuffer(paths[0].read_bytes()[16:24], ">u4")
    assert 1150 < max(wide, high) < 1300


@pytest.mark.slow
def test_same_figure_same_bytes(tmp_path, monkeypatch):
    first = [path.read_bytes() for path in save_figure(figure(), tmp_path / "a")]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert [path.read_bytes() for path in save_figure(figure(), tmp_path / "a")] == first


@pytest.mark.slow
def test_a_note_covers_no_label(tmp_path):
    image, labels = np.eye(9), ["a", "b", "c"]
    grid = overview(image, [(label, image, True) for label in labels], columns=4)
    save_figure(grid, tmp_path / "a", ("png",), note="origin of the events " * 9)
    note = grid.texts[-1].get_window_extent()
    assert note.width > 0.5 * grid.bbox.width
    assert not any(note.overlaps(axes.get_tightbbox()) for axes in grid.axes)


def test_a_long_note_is_broken_and_covers_no_label_of_a_map(tmp_path):
    drawn = score_map(np.eye(9), "Signal")
    save_figure(drawn, tmp_path / "a", ("png",), note="origin of the events " * 12)
    note = drawn.texts[-1].get_window_extent()
    assert "\n" in drawn.texts[-1].get_text()
    assert 0.7 * drawn.bbox.width < note.width < drawn.bbox.width
    assert not any(note.overlaps(axes.get_tightbbox()) for axes in drawn.axes)
    assert max(axes.get_tightbbox().y1 for axes in drawn.axes) < drawn.bbox.height


@pytest.mark.slow
def test_files_say_what_they_are_and_hold_truetype_fonts(tmp_path):
    png, pdf = save_figure(figure(), tmp_path / "event_7")
    text = pdf.read_bytes()
    assert b"/Title (event_7)" in text
    assert f"/Creator (dmcnn {__version__})".encode() in text
    assert b"/Type3" not in text
    assert b"/CIDFontType2" in text  # Type 42
    with Image.open(png) as picture:
        assert (picture.info["Title"], picture.info["Software"]) == ("event_7", f"dmcnn {__version__}")


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    (path,) = save_figure(figure(), tmp_path / "a", ("png",))
    old = path.read_bytes()

    def fail(self, target, *_):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("dmcnn.figures.save._print", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure(), tmp_path / "a", ("png",))
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (old, [path])


@pytest.mark.slow
def test_one_draw_gives_the_picture_of_savefig(tmp_path):
    """Canvas and resolution of the figure stay, as those of a notebook must."""
    drawn, other = figure(), figure()
    canvas = drawn.canvas
    png, _ = save_figure(drawn, tmp_path / "a")
    other.savefig(tmp_path / "b.png")
    with Image.open(png) as ours, Image.open(tmp_path / "b.png") as theirs:
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert (drawn.canvas, drawn.dpi) == (canvas, other.dpi)


def test_unknown_formats_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"figure format 'pmg', expected one of png, pdf \(did you mean 'png'\?\)"
    ):
        save_figure(figure(), tmp_path / "a", ("pmg",))


@pytest.mark.slow
def test_animations(tmp_path, monkeypatch):
    frames = np.zeros((3, 6, 6), np.float32)
    for k in range(3):
        frames[k, k, k] = 10.0**k
    made = animation(frames, [0, 1, 2, 3])
    path = save_animation(made, tmp_path / "new" / "event_0.5", fps=4)
    assert path == tmp_path / "new" / "event_0.5.gif"
    assert list(path.parent.iterdir()) == [path]
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.info["duration"]) == (3, 250)
        shown = []
        for k in range(3):
            picture.seek(k)
            shown.append(np.asarray(picture.convert("RGB")))
    assert (shown[0] != shown[1]).any()
    assert (shown[1] != shown[2]).any()
    with pytest.raises(InputError, match=r"animation format 'gift', expected one of gif, mp4 .did you mean"):
        save_animation(made, tmp_path / "a", "gift")
    monkeypatch.setattr(ANIMATIONS["mp4"], "isAvailable", lambda: False)
    with pytest.raises(InputError, match="mp4 needs ffmpeg, which is not installed"):
        save_animation(made, tmp_path / "a", "mp4")


@pytest.mark.slow
def test_a_dollar_sign_is_no_formula(tmp_path: Path) -> None:
    """Names of jobs hold them; the ticks of matplotlib keep theirs."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], [1, 1e5], label="job_$(Cluster)_$(Process)")
    axes.set_yscale("log")
    axes.set_title("a_$b_$c^{")
    axes.legend()
    paths = save_figure(figure, tmp_path / "x")
    assert all(path.stat().st_size for path in paths)
    assert axes.get_legend().get_texts()[0].get_text() == "job_$(Cluster)_$(Process)"
    assert any("mathdefault" in tick.get_text() and tick.get_parse_math() for tick in axes.get_yticklabels())
