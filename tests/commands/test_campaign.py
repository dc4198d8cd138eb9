"""Occlusion campaigns: events of any selection, one table, plans, interrupts, shares and their check."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from conftest import ROOT
from dmcnn import occlude
from dmcnn._common.journal import Journal
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.figures import save
from dmcnn.occlusion.campaign import PlannedEvent, predicted_seconds

SIDE, EVENTS = 24, 7
CLASSES = ["muon", "pion"]
BEFORE = ROOT / "tests" / "before" / "files" / "finished"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of 24 x 24 pixels, the scores of a table, and an untrained network."""
    folder = tmp_path_factory.mktemp("campaign")
    draw = np.random.default_rng(1)
    (folder / "npy").mkdir()
    for number in range(EVENTS):
        image = np.zeros((SIDE, SIDE), np.float32)
        row, column = draw.integers(2, 12, 2)
        size = 4 + number  # events of different cost
        image[row, column : column + size] = draw.uniform(5, 9, size)
        image[row : row + 6, column] = draw.uniform(1, 9, 6)
        np.save(folder / "npy" / f"{CLASSES[number % 2]}_{number}.npy", image)
    torch.manual_seed(1)
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}, CLASSES, "muon",
        "softmax", {"xdim": SIDE, "ydim": SIDE}, scaling="minmax", label="prefix", loss="cross_entropy",
    )  # fmt: skip
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, folder / "net.ckpt")
    rows = [f"{number},{score}" for number, score in enumerate((0.9, 0.1, 0.52, 0.3, 0.7, 0.45, 0.2))]
    (folder / "scores.csv").write_text("\n".join(["entry_number,signal_score", *rows]) + "\n")
    return folder


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Figures are empty files; the names of those that are written."""
    names: list[str] = []

    def write(_: Figure, path: Path, __: str, metadata: dict[str, Any]) -> None:
        names.append(metadata["Title"])
        path.write_bytes(b"figure")

    monkeypatch.setattr(save, "_print", write)
    return names


@pytest.fixture
def run(inputs: Path, tmp_path: Path, quick_figures: list[str]) -> Callable[..., int]:
    """Run occlude on the images; the words replace those of the test."""

    def run(*words: str, out: str = "out") -> int:
        usual = [f"input_file={inputs / 'npy'}", f"weight_file={inputs / 'net.ckpt'}", "GPUID=cpu", "stride=2",
                 "occlusion_size=1", f"output_dir={tmp_path / out}", "format=png"]  # fmt: skip
        return occlude.main([*usual, *words])

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def no_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "append", lambda *_: pytest.fail("scored again"))


def entries_of(table: Path) -> list[int]:
    return [int(row["entry_number"]) for row in rows_of(table)]


@pytest.mark.slow
def test_a_campaign_leaves_one_row_per_event(run: Callable[..., int], tmp_path: Path, inputs: Path) -> None:
    assert run("-n", "0-3", "stride=1") == 0
    rows = rows_of(tmp_path / "out" / "DM-CNN_occlusion.csv")
    assert [int(row["entry_number"]) for row in rows] == [0, 1, 2, 3]
    for row in rows:
        with np.load(tmp_path / "out" / f"occlusion_test_npy_ENTRY_{row['entry_number']}.npz") as found:
            scores, base = found["scores"], found["base"]
            centres = list(zip(found["rows"].tolist(), found["cols"].tolist(), strict=True))
            windows = len(np.unique(found["logits"], axis=0))
            assert float(row["seconds"]) == found["seconds"] > 0
        image = np.load(row["file"])
        assert row["label"] == Path(row["file"]).name.partition("_")[0]
        assert int(row["active_pixels"]) == np.count_nonzero(image) == int(row["centres"])
        assert 1 < windows <= int(row["windows"]) <= int(row["centres"])
        assert (row["occlusion_size"], row["precision"]) == ("1", "32")
        for i, name in enumerate(CLASSES):
            drops = base[i] - scores[:, i]
            assert float(row[f"base_{name}"]) == base[i]
            assert float(row[f"max_drop_{name}"]) == drops.max()
            assert float(row[f"min_drop_{name}"]) == drops.min()
            assert float(row[f"mean_drop_{name}"]) == pytest.approx(drops.mean(), rel=1e-9)
            assert (int(row[f"row_{name}"]), int(row[f"column_{name}"])) == centres[int(drops.argmax())]
            charge = np.array([image[centre] for centre in centres], np.float64)
            lost = drops.clip(0)
            overlap = sum(min(a, b) for a, b in zip(lost / lost.sum(), charge / charge.sum(), strict=True))
            assert float(row[f"overlap_{name}"]) == pytest.approx(overlap, rel=1e-6)
    assert (tmp_path / "out" / "DM-CNN_occlusion.png").exists()
    assert "# dmcnn" in (tmp_path / "out" / "DM-CNN_occlusion.cfg").read_text()


def test_a_single_event_has_no_table(run: Callable[..., int], tmp_path: Path) -> None:
    """Its jobs of earlier versions run side by side under one name."""
    assert run("-n", "3") == 0
    assert not list((tmp_path / "out").glob("DM-CNN_occlusion*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["top=2", "bottom=1"], [0, 4, 1]),
        (["border=2"], [2, 5]),
        (["border=1", "border_score=0.25", "-n", "4,0"], [4, 0, 3]),
        (["top=9", "per_file=3"], [0, 4, 2]),
        (["disagree=2", "other_score_csv={other}"], [6, 0]),
    ],
)
def test_events_are_selected_as_by_attribute(
    words: list[str], expected: list[int], run: Callable[..., int], tmp_path: Path, inputs: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("entry_number,signal_score\n0,0.4\n1,0.1\n2,0.5\n3,0.3\n4,0.7\n5,0.45\n6,0.99\n")
    asked = [word.format(other=other) for word in words]
    assert run(f"score_csv={inputs / 'scores.csv'}", *asked) == 0
    assert entries_of(tmp_path / "out" / "DM-CNN_occlusion.csv") == expected


@pytest.mark.slow
def test_misclassified_events_by_the_labels_of_a_table(
    run: Callable[..., int], tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The most wrong first: entries 1 and 3 are muons below the cut, 4 is a pion above it."""
    rows = rows_of(inputs / "scores.csv")
    label = ["muon"] * 4 + ["pion"] * 2 + [""]
    lines = [
        f"{row['entry_number']},{row['signal_score']},{word}" for row, word in zip(rows, label, strict=True)
    ]
    table = tmp_path / "labelled.csv"
    table.write_text("\n".join(["entry_number,signal_score,label", *lines]) + "\n")
    assert run(f"score_csv={table}", "wrong=9") == 0
    assert entries_of(tmp_path / "out" / "DM-CNN_occlusion.csv") == [1, 3, 4]
    assert run(f"score_csv={table}", "wrong=2", "border_score=0.25", out="low") == 0
    assert entries_of(tmp_path / "low" / "DM-CNN_occlusion.csv") == [4, 5]
    judged = tmp_path / "DM-CNN_evaluation.json"
    judged.write_text('{"cut": 0.25}')
    assert run(f"score_csv={table}", "wrong=2", f"border_score={judged}", out="json") == 0
    assert entries_of(tmp_path / "json" / "DM-CNN_occlusion.csv") == [4, 5]
    judged.write_text('{"networks": {}}')
    assert run(f"score_csv={table}", "wrong=2", f"border_score={judged}") == 2
    assert 'the JSON has no number "cut"' in capsys.readouterr().err
    assert run(f"score_csv={table}", "wrong=2", "border_score=half") == 2
    assert "expected a number or the JSON of evaluate (No such file" in capsys.readouterr().err
    assert run(f"score_csv={table}", "wrong=1", "signal_label=muons") == 2
    assert "no event has the label 'muons' (signal_label); found 'muon', 'pion'" in capsys.readouterr().err
    assert run(f"score_csv={inputs / 'scores.csv'}", "wrong=1") == 2
    assert "no column 'label'" in capsys.readouterr().err


@pytest.mark.slow
def test_misclassified_events_by_the_network_and_its_label_rule(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-n", "0-6", out="all") == 0
    rows = rows_of(tmp_path / "all" / "DM-CNN_occlusion.csv")
    middle = float(np.mean(sorted(float(row["base_muon"]) for row in rows)[2:4]))
    wrong = [
        (abs(float(row["base_muon"]) - middle), int(row["entry_number"]))
        for row in rows
        if (float(row["base_muon"]) >= middle) != (row["label"] == "muon")
    ]
    assert run("wrong=7", f"border_score={middle}") == 0
    found = entries_of(tmp_path / "out" / "DM-CNN_occlusion.csv")
    assert found[0] == max(wrong)[1]
    assert sorted(found) == sorted(entry for _, entry in wrong)
    capsys.readouterr()


def test_older_words_of_border(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "out" / "occlusion_test_npy_ENTRY_3.npz"
    assert run("-n", "3", "window_border=skip", "occlusion_size=6", "stride=1") == 0
    key = json.loads(str(np.load(path)["key"]))
    assert key["border"] == "skip"
    caplog.clear()
    no_scoring(monkeypatch)
    assert run("-n", "3", "border=skip", "occlusion_size=6", "stride=1") == 0
    assert "border = 'skip': this key is called window_border now" in caplog.messages
    assert run("-n", "3", "border=skip", "window_border=clip") == 2
    assert "the older spelling of window_border" in capsys.readouterr().err
    assert run("-n", "3", "border=skp") == 2
    assert "border must be int or 'clip' or 'skip'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_dry_run_tells_and_writes_nothing(
    run: Callable[..., int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("-n", "0-5", "dry_run=True") == 0
    assert not (tmp_path / "out").exists()
    first, second, third = caplog.messages[-3:]
    caplog.clear()
    assert run("-n", "0-5") == 0
    rows = rows_of(tmp_path / "out" / "DM-CNN_occlusion.csv")
    windows = sum(int(row["windows"]) for row in rows)
    engines = Counter(row["engine"] for row in rows)
    told = ", ".join(f"{name} {n}" for name, n in engines.items())
    assert f"# engines of the scans: {told}\n" in (tmp_path / "out" / "DM-CNN_occlusion.cfg").read_text()
    assert re.fullmatch(
        rf"6 events of \d+ active pixels \(median\), {windows} windows, 0 of them finished", first
    )
    core, wall = map(float, re.findall(r"([\d.e+-]+) (?:core-)?hours", second))
    taken = sum(float(row["seconds"]) for row in rows) / 3600
    assert core > 0
    assert taken / 20 < wall < taken * 20
    megabytes = float(re.match(r"([\d.e+-]+) MB of npz", third)[1])  # type: ignore[index]
    found = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.npz")) / 1e6
    assert megabytes == pytest.approx(found, rel=0.15)
    assert "12 pictures" in third
    assert len(list((tmp_path / "out").glob("occlusion_*.png"))) == 12
    caplog.clear()
    assert run("-n", "0-5", "dry_run=True") == 0
    assert f"{windows} windows, {windows} of them finished" in caplog.text


def test_the_time_of_windows_is_that_of_their_size() -> None:
    events = [PlannedEvent(0, "", 100, (10, 40), (10, 40)), PlannedEvent(1, "", 200, (20, 80), (20, 80))]
    measured = {100: (1.0, 0.5), 300: (3.0, 0.5)}
    assert predicted_seconds(events, measured) == pytest.approx(10 * 1 + 40 * 0.5 + 20 * 2 + 80 * 0.5)


@pytest.mark.slow
def test_an_interrupted_campaign_goes_on(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_figures: list[str]
) -> None:
    asked = ["-n", "0-4", "batch_size=4", "engine=dense"]
    assert run(*asked, out="whole") == 0
    expected = rows_of(tmp_path / "whole" / "DM-CNN_occlusion.csv")
    append, calls = Journal.append, []

    def interrupted(self: Journal, rows: Any) -> None:
        calls.append(self.path.name)
        if len(set(calls)) == 3 and calls.count(self.path.name) == 2:
            raise KeyboardInterrupt
        append(self, rows)

    monkeypatch.setattr(Journal, "append", interrupted)
    assert run(*asked) == 130
    table = tmp_path / "out" / "DM-CNN_occlusion.csv"
    assert not table.exists()
    quick_figures.clear()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npz")}
    assert len(before) == 2
    assert run(*asked) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    drawn = {re.findall(r"ENTRY_(\d)", name)[0] for name in quick_figures if "ENTRY" in name}
    assert drawn == {"2", "3", "4"}, "finished events are not drawn again"
    own = {"seconds": ""}
    assert [row | own for row in rows_of(table)] == [row | own for row in expected]
    quick_figures.clear()
    no_scoring(monkeypatch)
    assert run(*asked, "cmap=magma") == 0
    assert len({name for name in quick_figures if "ENTRY" in name}) == 10, "other looks are drawn"


@pytest.mark.slow
def test_the_local_mean_as_fill(run: Callable[..., int], tmp_path: Path) -> None:
    found = {}
    for fill in ("zero", "local_mean"):
        assert run("-n", "0", f"fill={fill}", f"name={fill}") == 0
        found[fill] = np.load(tmp_path / "out" / f"occlusion_test_npy_ENTRY_0_{fill}.npz")
    assert json.loads(str(found["local_mean"]["key"]))["fill"] == ["local_mean", None]
    assert np.abs(found["zero"]["logits"] - found["local_mean"]["logits"]).max() > 1e-6


@pytest.mark.slow
def test_several_sizes_in_one_pass(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("-n", "0,1", "occlusion_size=[1, 2]") == 0
    rows = rows_of(tmp_path / "out" / "DM-CNN_occlusion.csv")
    assert [(row["entry_number"], row["occlusion_size"]) for row in rows] == [
        ("0", "1"), ("0", "2"), ("1", "1"), ("1", "2"),
    ]  # fmt: skip
    assert run("-n", "0", "occlusion_size=2", "name=alone") == 0
    alone = np.load(tmp_path / "out" / "occlusion_test_npy_ENTRY_0_alone.npz")
    both = np.load(tmp_path / "out" / "occlusion_test_npy_ENTRY_0_k2.npz")
    np.testing.assert_array_equal(both["logits"], alone["logits"])


def share(run: Callable[..., int], *words: str, count: int = 3, which: Any = None) -> None:
    for number in range(count) if which is None else which:
        assert run("-n", "0-6", f"share={number}/{count}", *words) == 0


@pytest.mark.slow
def test_shares_make_the_whole(
    run: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert run("-n", "0-6", out="whole") == 0
    out = tmp_path / "out"
    assert run("-n", "0-6", "check_shares=True") == 2
    assert "no share is finished" in capsys.readouterr().err
    share(run, which=(0, 2))
    parts = [entries_of(out / f"DM-CNN_occlusion_share{number}of3.csv") for number in (0, 2)]
    assert run("-n", "0-6", "check_shares=True") == 2
    missing = sorted(set(range(7)) - set(parts[0]) - set(parts[1]))
    names = ", ".join(f"occlusion_test_npy_ENTRY_{entry}" for entry in missing)
    fault = f"share 1/3 is missing, {len(missing)} of its results: {names}\n"
    assert capsys.readouterr().err.endswith(fault)
    assert not (out / "DM-CNN_occlusion.csv").exists()
    share(run, which=(1,))
    parts.insert(1, entries_of(out / "DM-CNN_occlusion_share1of3.csv"))
    assert sorted(entry for part in parts for entry in part) == list(range(7))
    assert all(parts)
    caplog.clear()
    assert run("-n", "0-6", "check_shares=True") == 0
    assert any(
        re.match("complete: 7 scans of 7 events, each once, from 3 shares", line) for line in caplog.messages
    )
    own = {"seconds": ""}
    merged, whole = (rows_of(tmp_path / folder / "DM-CNN_occlusion.csv") for folder in ("out", "whole"))
    assert [row | own for row in merged] == [row | own for row in whole]
    assert (out / "DM-CNN_occlusion.png").exists()
    assert "complete: 7 scans" in (out / "DM-CNN_occlusion.cfg").read_text()
    (out / "occlusion_test_npy_ENTRY_4.npz").unlink()
    assert run("-n", "0-6", "check_shares=True") == 2
    assert "1 of its results: occlusion_test_npy_ENTRY_4" in capsys.readouterr().err


@pytest.mark.slow
def test_shares_of_another_kind_are_refused(
    run: Callable[..., int], tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share(run)
    out = tmp_path / "out"
    check = ["-n", "0-6", "check_shares=True"]

    def refusal(*words: str) -> str:
        assert run(*check, *words) == 2
        return capsys.readouterr().err

    assert "share0of3.cfg: made with occlusion_size = 1, now 2" in refusal("occlusion_size=2")
    torch.manual_seed(5)
    content = torch.load(inputs / "net.ckpt")
    content["state_dict"] = {name: 2 * values for name, values in content["state_dict"].items()}
    torch.save(content, tmp_path / "other.ckpt")
    assert "share1of3.cfg: made with other weights" in refusal(f"weight_file={tmp_path / 'other.ckpt'}")
    shutil.copytree(inputs / "npy", tmp_path / "npy")
    np.save(tmp_path / "npy" / "muon_0.npy", np.ones((SIDE, SIDE), np.float32))
    assert "share2of3.cfg: made from other input files" in refusal(f"input_file={tmp_path / 'npy'}")
    (out / "DM-CNN_occlusion_share0of4.cfg").write_text("")
    assert "shares of 3 and 4, expected of one number" in refusal()


def test_shares_need_events_that_all_find(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("top=2", "share=0/2") == 2
    assert "may differ by rounding: give entries, or score_csv" in capsys.readouterr().err
    assert run("-n", "0", "share=2/2") == 2
    assert "share = '2/2': expected i/n with 0 <= i < n" in capsys.readouterr().err


@pytest.mark.slow
def test_more_shares_than_events(run: Callable[..., int], tmp_path: Path) -> None:
    share(run, count=9)
    assert run("-n", "0-6", "check_shares=True") == 0
    assert entries_of(tmp_path / "out" / "DM-CNN_occlusion.csv") == list(range(7))


@pytest.mark.slow
def test_shares_of_attribute_make_the_whole(
    tmp_path: Path, inputs: Path, quick_figures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("captum")
    from dmcnn import attribute

    def run(*words: str, out: str = "out") -> int:
        usual = [f"input_file={inputs / 'npy'}", f"weight_file={inputs / 'net.ckpt'}", "GPUID=cpu", "-n", "0-4",
                 f"output_dir={tmp_path / out}", "format=png", "methods=['saliency', 'input_x_gradient']", "steps=4",
                 "n_random=2", "n_noise=1", "redraw=False"]  # fmt: skip
        return attribute.main([*usual, *words])

    tables = [f"DM-CNN_attribution_{what}.csv" for what in ("quality", "quality_summary", "agreement")]
    assert run(out="whole") == 0
    assert run("share=1/2") == 0
    assert entries_of(tmp_path / "out" / "DM-CNN_attribution_share1of2_quality.csv")[::4] == [1, 3]
    assert run("check_shares=True") == 2
    missing = ", ".join(f"attribution_npy_ENTRY_{entry}" for entry in (0, 2, 4))
    assert f"share 0/2 is missing, 3 of its results: {missing}" in capsys.readouterr().err
    assert run("share=0/2") == 0
    assert run("check_shares=True", "steps=5") == 2
    assert "made with steps = 4, now 5" in capsys.readouterr().err
    quick_figures.clear()
    assert run("check_shares=True") == 0
    assert not any("ENTRY" in name for name in quick_figures)
    for table in tables:
        assert (tmp_path / "out" / table).read_text() == (tmp_path / "whole" / table).read_text()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> list[str]:
    """Words of infer for 45 images, one of them empty."""
    folder = tmp_path_factory.mktemp("many") / "npy"
    folder.mkdir()
    draw = np.random.default_rng(3)
    for number in range(45):
        image = draw.uniform(0, 9, (SIDE, SIDE)) * (draw.random((SIDE, SIDE)) < 0.1) * (number != 11)
        np.save(folder / f"{CLASSES[number % 2]}_{number:02d}.npy", image.astype(np.float32))
    return [f"input_file={folder}", f"weight_file={inputs / 'net.ckpt'}", "GPUID=cpu"]


@pytest.mark.slow
@pytest.mark.parametrize("with_csv", [False, True])
def test_shares_of_infer_make_the_whole(
    with_csv: bool,
    many: list[str],
    tmp_path: Path,
    quick_figures: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from dmcnn import infer

    more = []
    if with_csv:
        (tmp_path / "ids.csv").write_text("run_number,subrun_number,event_number,energy\n1,2,3,0.5\n")
        more = [f"input_csv={tmp_path / 'ids.csv'}"]
    name, out = "npy_DM-CNN_scores", tmp_path / "out"
    assert infer.main([*many, *more, f"output_dir={tmp_path / 'whole'}"]) == 0
    words = [*many, *more, f"output_dir={out}"]
    quick_figures.clear()
    for number in (0, 1, 3):
        assert infer.main([*words, f"share={number}/4"]) == 0
    assert not quick_figures
    assert infer.main([*words, "check_shares=True"]) == 2
    assert "npy_DM-CNN_scores_share2of4: share 2/4 is missing" in capsys.readouterr().err
    assert infer.main([*words, "share=2/4"]) == 0
    sizes = [len(rows_of(out / f"{name}_share{number}of4.csv")) for number in range(4)]
    assert sum(sizes) == 45
    assert max(sizes) - min(sizes) <= 8
    assert infer.main([*words, "check_shares=True", "rotation=180"]) == 2
    assert "made with rotation = 0, now 180" in capsys.readouterr().err
    assert infer.main([*words, "check_shares=True"]) == 0
    assert (out / f"{name}.csv").read_bytes() == (tmp_path / "whole" / f"{name}.csv").read_bytes()
    assert quick_figures == 2 * ["npy_DM-CNN_signal_score_distribution"]
    part = out / f"{name}_share1of4.csv"
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:-1]))
    assert infer.main([*words, "check_shares=True"]) == 2
    assert "do not hold every entry" in capsys.readouterr().err


def test_a_share_of_infer_goes_on(many: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dmcnn import infer
    from dmcnn.inference import predictor

    monkeypatch.setattr(predictor, "EVENTS", 8)
    words = [*many, f"output_dir={tmp_path}", "share=1/2"]
    assert infer.main(words) == 0
    (table,) = tmp_path.glob("*.csv")
    expected = table.read_bytes()
    table.unlink()
    append, calls = Journal.append, []

    def interrupted(self: Journal, rows: Any) -> None:
        calls.append(len(rows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        append(self, rows)

    monkeypatch.setattr(Journal, "append", interrupted)
    assert infer.main(words) == 130
    assert infer.main(words) == 0
    assert calls == [8, 8, 8, 5]
    assert table.read_bytes() == expected


@pytest.mark.slow
def test_pages_of_a_campaign(run: Callable[..., int], tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    assert run("-n", "0,3", 'format=["html"]') == 0
    names = {path.name for path in (tmp_path / "out").glob("*.html")}
    assert names == {"DM-CNN_occlusion.html", *(f"occlusion_test_npy_ENTRY_{entry}.html" for entry in (0, 3))}
    text = (tmp_path / "out" / "DM-CNN_occlusion.html").read_text()
    assert "muon, k = 1, under occlusion" in text
    assert "ranked_by" in text


@pytest.fixture
def pixels(tmp_path: Path) -> list[str]:
    """Words for a regression network of an earlier dmcnn and its frames."""
    pytest.importorskip("pyarrow")
    weights = BEFORE / "out" / "DM-CNN_model_pixels_best.ckpt"
    return [f"input_file={BEFORE / 'frames.parquet'}", f"weight_file={weights}", "GPUID=cpu", "occlusion_size=1",
            f"output_dir={tmp_path}"]  # fmt: skip


@pytest.mark.slow
def test_targets_of_a_regression(pixels: list[str], tmp_path: Path, inputs: Path) -> None:
    import dmcnn

    assert occlude.main([*pixels, "-n", "0,1"]) == 0
    net = dmcnn.load(BEFORE / "out" / "DM-CNN_model_pixels_best.ckpt")
    data = net.open(BEFORE / "frames.parquet")
    targets = net.card.targets
    rows = rows_of(tmp_path / "DM-CNN_occlusion.csv")
    table = net(data)
    with np.load(tmp_path / "occlusion_test_frames_ENTRY_0.npz") as found:
        assert found["classes"].tolist() == targets
        image = data[0].images.dense()
        row, column = found["rows"][0], found["cols"][0]
        image[..., max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
        with torch.inference_mode():
            outputs = net.net(torch.from_numpy(image)).double().numpy()
        expected = net.task.values(outputs)[0]
        np.testing.assert_allclose(found["scores"][0], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["maps"][:, row, column], expected, rtol=1e-4, atol=1e-4)
        for i, name in enumerate(targets):
            assert float(rows[0][f"base_{name}"]) == pytest.approx(float(table[name][0]), rel=1e-4, abs=1e-4)
            changes = np.abs(found["base"][i] - found["scores"][:, i])
            assert float(rows[0][f"max_change_{name}"]) == changes.max()
            assert float(rows[0][f"mean_change_{name}"]) == pytest.approx(changes.mean(), rel=1e-9)
    for name in targets:
        assert (tmp_path / f"occlusion_test_frames_ENTRY_0_{name}_map.png").exists()
    occluded = net.occlude(data[0], k=1)
    assert occluded.classes == tuple(targets)
    assert occluded.unit("x-midplane") == "µm"
    title = occluded.plot("x-midplane").axes[0].get_title() + str(occluded.plot("x-midplane").texts)
    assert "score" not in title


@pytest.mark.slow
def test_a_campaign_with_a_tolerance_tells_what_made_its_maps_and_keeps_its_engine(
    tmp_path: Path, quick_figures: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    draw, side = np.random.default_rng(1), 128
    (tmp_path / "npy").mkdir()
    for number in range(2):
        image = (draw.uniform(5, 9, (side, side)) * (draw.random((side, side)) < 0.008)).astype(np.float32)
        np.save(tmp_path / "npy" / f"{CLASSES[number]}_{number}.npy", image)
    torch.manual_seed(1)
    card = Card(
        "mpid", {"num_class": 2, "channels": 1, "height": side, "width": side}, CLASSES, "muon",
        "softmax", {"xdim": side, "ydim": side}, label="prefix", loss="cross_entropy",
    )  # fmt: skip
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, tmp_path / "net.ckpt")
    words = [f"input_file={tmp_path / 'npy'}", f"weight_file={tmp_path / 'net.ckpt'}", "GPUID=cpu", "-n", "0,1",
             f"output_dir={tmp_path}", "format=png", "tolerance=0.3", "occlusion_size=2"]  # fmt: skip
    with monkeypatch.context() as patch:
        append, calls = Journal.append, []

        def interrupted(self: Journal, rows: Any) -> None:
            calls.append(len(rows))
            if len(calls) == 3:
                raise KeyboardInterrupt
            append(self, rows)

        patch.setattr(Journal, "append", interrupted)
        assert occlude.main([*words, "engine=delta"]) == 130
    assert occlude.main([*words, "engine=first_order"]) == 2
    assert "made with engine = delta, now first_order" in capsys.readouterr().err
    assert occlude.main(words) == 0
    assert "engine: delta, as in the work that goes on" in caplog.text
    first, second = rows_of(tmp_path / "DM-CNN_occlusion.csv")
    for number, row in ((0, first), (1, second)):
        with np.load(tmp_path / f"occlusion_test_npy_ENTRY_{number}.npz") as found:
            made_by, exact = found["made_by"], found["exact"]
            assert json.loads(str(found["key"])).get("engine") == row["engine"]
        assert len(made_by) == int(row["centres"])
        np.testing.assert_array_equal(made_by == "sparse", exact)
        assert float(row["exact"]) == exact.mean() < 1
        assert f"others by {'delta' if number == 0 else 'first_order'}" in row["certificate"]
    assert first["engine"] == "delta"
