"""Files that fail, while the others of the same command are scored: each is reported, and none is lost in silence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from conftest import toy_images
from dmcnn import infer
from dmcnn._common import files
from dmcnn._common.journal import Journal
from dmcnn.datasets.dataset import Dataset
from dmcnn.figures import robustness
from dmcnn.figures.text import Figure
from dmcnn.inference import predictor
from dmcnn.inference.predictor import Predictor
from dmcnn.settings import shares
from dmcnn.writers import larcv3
from inference.test_scoring import SIDE, columns_of, place, run, table_of

__all__ = ["place", "run"]

Run = Callable[..., int]


@pytest.fixture
def data(tmp_path: Path, place: Path) -> list[Path]:
    """Three files of 13, 9 and 5 events, copied to be damaged."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in (0, 1):
        shutil.copy(place / f"file{number}.h5", folder)
    larcv3.write(folder / "file2.h5", [toy_images(5, 3, SIDE)], producer="image2d_binary")
    return sorted(folder.iterdir())


@pytest.fixture
def score(run: Run, data: list[Path], tmp_path: Path) -> Run:
    """Command infer on the three files, in the folder ``out``."""
    keys: dict[str, Any] = {"input_file": str(tmp_path / "data" / "*.h5"), "output_dir": tmp_path / "out"}

    def command(weights: Any = "a", **more: Any) -> int:
        return run(weights, **(keys | more))

    return command


def damage(path: Path) -> bytes:
    """Cut a file in half; return what it was."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def break_entry(path: Path, entry: int) -> None:
    """Move the first pixel of an entry out of its image, which nothing but the reading of its pixels finds."""
    with h5py.File(path, "r+") as file:
        group = next(iter(file["Data"].values()))
        first = group["voxel_extents"][entry]["first"]
        voxels = group["voxels"][:]
        voxels["id"][first] = SIDE * SIDE + 1
        group["voxels"][:] = voxels


def report_of(folder: Path, number: int) -> dict[str, Any]:
    content = json.loads((folder / f"file{number}_DM-CNN_scores_coverage.json").read_text())
    return dict(content)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of every file."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["a", ["a", "c"]])
def test_a_damaged_file_is_passed_over_and_tried_again(
    weights: Any,
    score: Run,
    data: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others are finished, the end tells it, and the table of all says that it is not whole."""
    caplog.set_level("INFO", "dmcnn")
    formats = ["csv", "parquet", "root"]
    keys = {"merged": True, "output_format": formats}
    assert score(weights, output_dir=tmp_path / "whole", **keys) == 0
    whole = damage(data[1])
    capsys.readouterr()
    assert score(weights, **keys) == 2
    out = tmp_path / "out"
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 3 files failed, the other 2 are finished; the same command tries again:"
    assert lines[1].startswith(f"  {data[1]}: cannot be read, damaged or truncated (OSError: ")
    assert len(lines) == 2
    assert f"{out / 'DM-CNN_INCOMPLETE_scores'}: lacks 1 of 3 files" in caplog.text
    report = report_of(out, 1)
    assert report == {"state": "failed", "file": str(data[1]), "reason": lines[1].strip(), "earlier": []}
    text = (out / "file1_DM-CNN_scores_coverage.txt").read_text()
    assert text == f"{data[1]}\nfailed: {report['reason']}\n"
    assert report_of(out, 0)["state"] == "scored"
    for number in (0, 2):
        assert table_of(out, number).read_bytes() == table_of(tmp_path / "whole", number).read_bytes()
    assert not {name for name in names_in(out) if name.startswith("file1")} - {
        "file1_DM-CNN_scores_coverage.json",
        "file1_DM-CNN_scores_coverage.txt",
    }
    assert {name for name in names_in(out) if name.startswith("DM-CNN")} == {
        f"DM-CNN_INCOMPLETE_scores.{suffix}" for suffix in (*formats, "cfg")
    }
    rows = columns_of(out / "DM-CNN_INCOMPLETE_scores.csv")
    assert rows["file"] == [str(data[0])] * 13 + [str(data[1])] + [str(data[2])] * 5
    assert [row for row, status in enumerate(rows["status"]) if status == "file failed"] == [13]
    assert f"# missing: {report['reason']}\n" in (out / "DM-CNN_INCOMPLETE_scores.cfg").read_text()

    before = {name: one for name, one in snapshot(out).items() if name.startswith(("file0", "file2"))}
    assert score(weights, **keys) == 2  # still damaged
    assert capsys.readouterr().err.splitlines() == lines
    data[1].write_bytes(whole)
    assert score(weights, **keys) == 0
    assert {name: one for name, one in snapshot(out).items() if name in before} == before
    assert names_in(out) == names_in(tmp_path / "whole")
    for name in names_in(out):
        if name.endswith((".csv", ".parquet", ".json")):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_a_file_that_is_damaged_in_the_middle_is_passed_over(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After entries that were scored: no part of a table is left, and no row of the journal counts later."""
    whole = data[0].read_bytes()
    break_entry(data[0], 10)
    out = tmp_path / "out"
    assert score(["a", "c"], batch_size=4) == 2
    line = capsys.readouterr().err.splitlines()[1]
    assert line.startswith(f"  {data[0]}")
    assert "entry 10: " in line
    assert "voxel id 4097 in an image of 64x64 pixels, damaged file" in line
    report = report_of(out, 0)
    assert (report["state"], report["entries"]) == ("failed", 13)
    assert "entries: 13, scored 0\n" in (out / "file0_DM-CNN_scores_coverage.txt").read_text()
    assert not table_of(out).exists()
    assert table_of(out, 1).exists()
    assert table_of(out, 2).exists()
    data[0].write_bytes(whole)
    assert score(["a", "c"], batch_size=4) == 0
    assert score(["a", "c"], batch_size=4, output_dir=tmp_path / "whole") == 0
    assert table_of(out).read_bytes() == table_of(tmp_path / "whole").read_bytes()
    assert not list(out.glob(".*"))


def test_a_file_that_is_cut_while_it_is_read_is_passed_over(
    score: Run,
    data: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(predictor, "EVENTS", 4)
    append, whole = Journal.append, data[1].read_bytes()

    def cutting(self: Journal, rows: Any) -> None:
        append(self, rows)
        if "file1" in self.path.name and len(data[1].read_bytes()) == len(whole):
            os.truncate(data[1], len(whole) // 2)

    monkeypatch.setattr(Journal, "append", cutting)
    assert score(batch_size=4) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 3 files failed")
    assert lines[1].startswith(f"  {data[1]}")
    assert report_of(tmp_path / "out", 1)["entries"] == 9
    assert not table_of(tmp_path / "out", 1).exists()
    assert table_of(tmp_path / "out", 2).exists()


@pytest.mark.parametrize("when", ["listed", "opened"])
def test_a_file_that_vanishes_is_passed_over(
    when: str,
    score: Run,
    data: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Between the listing of the folder and its fingerprint, or between its opening and its first chunk."""
    from dmcnn.inference import jobs

    if when == "listed":
        jobs_of = jobs.jobs_of

        def vanishing(*words: Any) -> Any:
            found = jobs_of(*words)
            data[1].unlink()
            return found

        monkeypatch.setattr(jobs, "jobs_of", vanishing)
    else:
        score_file = infer.Inference._score_file

        def scoring(*words: Any) -> None:
            data[1].unlink(missing_ok=True)
            score_file(*words)

        monkeypatch.setattr(infer.Inference, "_score_file", scoring)
    assert score(merged=True) == 2
    line = capsys.readouterr().err.splitlines()[1]
    assert (
        line
        == f"  {data[1]}: No such file or directory: it, or its folder, is missing or was removed meanwhile"
    )
    assert ("entries" in report_of(tmp_path / "out", 1)) == (when == "opened")
    rows = columns_of(tmp_path / "out" / "DM-CNN_INCOMPLETE_scores.csv")
    assert rows["file"].count(str(data[1])) == 1
    assert rows["status"].count("file failed") == 1


def test_a_file_without_permission_is_passed_over(
    score: Run, data: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The super user may read everything, so that the system's answer is played."""
    open_path = Path.open

    def refusing(self: Path, *more: Any, **keys: Any) -> Any:
        if self == data[2]:
            raise PermissionError(13, "Permission denied", str(self))
        return open_path(self, *more, **keys)

    monkeypatch.setattr(Path, "open", refusing)
    assert score() == 2
    report = report_of(tmp_path / "out", 2)
    assert report["reason"] == f"{data[2]}: Permission denied: change its permissions, or choose another"
    assert table_of(tmp_path / "out", 1).exists()


def test_all_files_damaged_in_ways_of_their_own_are_all_told(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(data[0])
    data[1].write_bytes(b"")
    data[2].write_bytes(b"nothing of this kind")
    assert score(merged=True) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "3 of 3 files failed, none is scored:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == list(map(str, data))
    assert [report_of(tmp_path / "out", number)["state"] for number in range(3)] == ["failed"] * 3
    assert not list((tmp_path / "out").glob("DM-CNN*"))


def test_a_setting_that_fits_no_file_stops_at_once(
    score: Run,
    data: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With one line, and with everything of an earlier run as it was."""
    assert score() == 0
    before = snapshot(tmp_path / "out")
    monkeypatch.setattr(Dataset, "read", lambda *_: pytest.fail("an event was read"))
    capsys.readouterr()
    assert score(producer="charge") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{data[0]}: ")
    assert "no producer 'charge'" in line
    assert snapshot(tmp_path / "out") == before


def test_a_setting_that_does_not_fit_one_file_passes_over_it(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its table of an earlier run stays, and is called so."""
    assert score() == 0
    images = toy_images(9, 6, SIDE)
    larcv3.write(data[1], [images], producer="other")
    capsys.readouterr()
    assert score(producer="image2d_binary", merged=True) == 2
    lines = capsys.readouterr().err.splitlines()
    assert f"{data[1]}: " in lines[1]
    assert "no producer 'image2d_binary', expected one of 'other'" in lines[1]
    assert lines[1].endswith("(of an earlier run, and not removed: file1_DM-CNN_scores.csv)")
    assert report_of(tmp_path / "out", 1)["earlier"] == ["file1_DM-CNN_scores.csv"]
    assert columns_of(tmp_path / "out" / "DM-CNN_INCOMPLETE_scores.csv")["file"].count(str(data[1])) == 1


@pytest.mark.parametrize("file", ["damaged", "vanished"])
def test_one_file_that_fails_ends_the_command_in_one_line(
    file: str, score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(data[1]) if file == "damaged" else data[1].unlink()
    assert score(input_file=data[1]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(data[1]) in line
    assert not (tmp_path / "out").exists() or not names_in(tmp_path / "out")


@pytest.mark.parametrize("what", ["disk", "network"])
def test_faults_of_output_and_network_stop_at_once(
    what: str,
    score: Run,
    data: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []

    def full(*_: Any) -> None:
        calls.append(1)
        raise OSError(28, "No space left on device")

    def unfit(*_: Any) -> None:
        calls.append(1)
        raise files.InputError("the network takes no such images")

    if what == "disk":
        monkeypatch.setattr(Journal, "append", full)
    else:
        monkeypatch.setattr(Predictor, "logits", unfit)
    assert score() == 2
    assert len(calls) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "No space left on device" if what == "disk" else "the network takes no such images"
    )
    assert not list((tmp_path / "out").glob("*coverage*"))


def test_entries_counted_through_all_files_need_all_of_them(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entry 15 would be another event without the first file; events by their ids are found all the same."""
    damage(data[0])
    assert score(entries="15") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("; entries counts the entries through all files, which must be whole")
    (tmp_path / "list.txt").write_text("15\n")
    assert score(entry_list=tmp_path / "list.txt") == 2
    assert "; entry_list counts the entries through all files" in capsys.readouterr().err
    (tmp_path / "list.txt").write_text("101,1,1002\n")
    assert score(entry_list=tmp_path / "list.txt") == 2
    assert "1 of 3 files failed, the other 2 are finished" in capsys.readouterr().err
    assert columns_of(table_of(tmp_path / "out", 1))["entry_number"] == ["2"]


def test_an_analysis_table_that_cannot_be_read_fails_its_file_alone(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = [tmp_path / f"{number}.csv" for number in range(3)]
    for path in tables:
        path.write_text("run_number,subrun_number,event_number,w\n7,1,1003,1\n")
    tables[1].write_text("run_number,w\n7,1\n")
    assert score(input_csv=list(map(str, tables))) == 2
    line = capsys.readouterr().err.splitlines()[1]
    assert line.startswith(f"  {data[1]}: {tables[1]}")
    assert table_of(tmp_path / "out", 2).exists()


@pytest.mark.slow
def test_the_summary_of_the_robustness_says_that_files_are_missing(
    score: Run, data: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where other files fail the second time."""
    monkeypatch.setattr(robustness, "score_shifts", lambda *_: Figure())
    out, whole = tmp_path / "out", [path.read_bytes() for path in data]
    stem = "DM-CNN_INCOMPLETE_robustness_x"
    for bad, events in ((data[1], 13 + 5), (data[2], 13 + 9)):
        for path, content in zip(data, whole, strict=True):
            path.write_bytes(content)
        damage(bad)
        assert score(robustness=["flip_x"], name="x") == 2
        names = {f"{stem}{end}" for end in (".csv", ".cfg", "_signal_score.png", "_signal_score.pdf")}
        assert {name for name in names_in(out) if name.startswith("DM-CNN")} == names
        assert columns_of(out / f"{stem}.csv")["events"] == [str(events)]
    data[2].write_bytes(whole[2])
    assert score(robustness=["flip_x"], name="x") == 0
    assert columns_of(out / "DM-CNN_robustness_x.csv")["events"] == ["27"]
    assert not list(out.glob("*INCOMPLETE*"))


@pytest.mark.slow
def test_shares_pass_over_a_file_and_their_check_names_it(
    score: Run, data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"merged": True, "batch_size": 4}
    out, whole = tmp_path / "out", data[0].read_bytes()
    assert score(output_dir=tmp_path / "whole", **keys) == 0
    break_entry(data[0], 10)  # in the second of two shares
    assert score(share="0/2", **keys) == 0
    assert score(check_shares=True, **keys) == 2
    assert "share 1/2 is missing" in capsys.readouterr().err
    assert not table_of(out, 1).exists()  # a share that nobody has done is another matter
    assert score(share="1/2", **keys) == 2
    capsys.readouterr()
    assert score(check_shares=True, **keys) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 3 files failed, the other 2 are finished")
    assert "share 1/2 is missing; share 1/2: " in lines[1]
    assert "entry 10: " in lines[1]
    assert not table_of(out).exists()
    for number in (1, 2):
        assert table_of(out, number).read_bytes() == table_of(tmp_path / "whole", number).read_bytes()
    assert columns_of(out / "DM-CNN_INCOMPLETE_scores.csv")["status"].count("file failed") == 1
    data[0].write_bytes(whole)
    for number in range(2):
        assert score(share=f"{number}/2", **keys) == 0
    assert score(check_shares=True, **keys) == 0
    name = "DM-CNN_scores.csv"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list(out.glob("*INCOMPLETE*"))


@pytest.mark.slow
def test_a_farm_passes_over_a_file(
    score: Run,
    data: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its shares end with status 2, and are merged all the same; the shares run here, one after another."""
    keys = {"merged": True, "batch_size": 4}
    assert score(output_dir=tmp_path / "whole", **keys) == 0
    damage(data[1])

    def run_shares(command: str, cfg: str, count: int | None, *_: Any) -> list[str]:
        (tmp_path / "farm.cfg").write_text(cfg)
        words = [str(tmp_path / "farm.cfg")]
        return [
            f"share {number}/{count}: status {status}"
            for number in range(count or 0)
            if (status := infer.main([*words, f"share={number}/{count}"]))
        ]

    monkeypatch.setattr(shares, "run_shares", run_shares)
    assert score(farm="dask", shares=2, **keys) == 2
    assert "warning: share 1/2: status 2" in caplog.text
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2].startswith("1 of 3 files failed")
    assert lines[-1].startswith(f"  {data[1]}: ")
    for number in (0, 2):
        assert (
            table_of(tmp_path / "out", number).read_bytes()
            == table_of(tmp_path / "whole", number).read_bytes()
        )
