"""The command with a stack: its files, its page, and settings that contradict each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dmcnn import evaluate
from evaluation.score_files import refuse, run, words
from evaluation.stack_files import SCALE, samples
from pages.test_report import Page


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    paths = {name: files[0] for name, files in samples(tmp_path).items()}
    return {
        "stack": {name: paths[name] for name in ("off", "dirt", "nu")},
        "data": paths["data"],
        "signal": paths["signal"],
        "sample_scale": SCALE,
        "blind_above": 0.8,
        "normalisation": {"POT": {"nu": 0.02, "dirt": 0.02}},
    }


@pytest.mark.slow
def test_the_command_writes_every_file_and_a_page_with_every_figure(keys, tmp_path):
    folder = tmp_path / "out"
    assert evaluate.main(words(**keys, bins=5, output_dir=str(folder))) == 0
    stem = "DM-CNN_evaluation_"
    names = {path.name.removeprefix(stem) for path in folder.iterdir()}
    figures = {"stack", "stack_log", "stack_uncertainties", "stack_correlation"}
    expected = {f"{name}.{kind}" for name in figures for kind in ("png", "pdf")}
    assert expected | {"stack.csv", "stack_totals.csv", "stack.root", "workspace.json"} <= names
    text = (folder / "DM-CNN_evaluation.html").read_text()
    read = Page(text)
    sources = [value for _, name, value in read.attributes if name == "src"]
    assert len(sources) == len(figures)
    assert str(tmp_path) not in text
    numbers = json.loads((folder / "DM-CNN_evaluation.json").read_text())["stack"]
    assert f"{numbers['data']['chi2']:.6g}" in read.of("dd")
    assert f"{numbers['covariance']['total'][2][3]:.6g}" in read.of("td")
    cells = read.of("td")
    assert {"nu.csv", "data.csv", f"{stem}stack.root"} <= set(cells)


@pytest.mark.slow
def test_a_stack_and_a_roc_curve_are_one_evaluation(keys, tmp_path):
    background = keys["stack"]["nu"]
    numbers = run(tmp_path, **keys, background=background)
    assert 0.5 < numbers["auc"] < 1
    assert numbers["stack"]["data"]["hidden_bins"] == 5
    page = (tmp_path / "out" / "DM-CNN_evaluation.html").read_text()
    assert page.count("<figure>") > 5
    (tmp_path / "out" / "DM-CNN_evaluation.html").unlink()
    run(tmp_path, **keys, background=background, report=False)
    assert not (tmp_path / "out" / "DM-CNN_evaluation.html").exists()


def test_data_stay_hidden_until_their_display_is_asked_for(keys, tmp_path, capsys):
    del keys["blind_above"]
    message = refuse(capsys, tmp_path, **keys)
    assert "data needs blind_above: the score above which data stay hidden, such as 0.8, or False" in message
    assert not (tmp_path / "out" / "DM-CNN_evaluation.json").exists()
    numbers = run(tmp_path, **keys, blind_above=False)
    assert None not in numbers["stack"]["data"]["counts"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"stack": None}, "blind_above has no effect without stack"),
        ({"stack": {}}, "stack names no sample"),
        ({"stack": {"nu": "none.csv"}}, "stack: none.csv: no such file"),
        ({"variations": {"v": {"nu": "none.csv"}}}, "variations: none.csv: no such file"),
        ({"bins": 0}, "bins = 0, expected 1 to 1000"),
        ({"bins": [0.0, 0.5, 0.5]}, "must rise from edge to edge"),
        ({"bins": [0.0, 1.0], "range": [0.0, 1.0]}, "bins gives the edges already"),
        ({"range": [1.0, 0.0]}, "range = [1.0, 0.0] must rise"),
        (
            {"normalisation": {"POT": {"nu": -0.1}}},
            "normalisation: 'POT' has -0.1, expected a fraction above 0",
        ),
        ({"blind_above": True}, "blind_above"),
        ({"scores": "nu.csv"}, "scores and stack are two evaluations"),
        ({"sample_scale": {"nuu": 1.0}}, "sample_scale: no sample 'nuu' (did you mean 'nu'?)"),
    ],
)
def test_contradictions_are_one_line_with_status_2(more, message, keys, tmp_path, capsys):
    given = {key: value for key, value in {**keys, **more}.items() if value is not None}
    assert message in refuse(capsys, tmp_path, **given)
