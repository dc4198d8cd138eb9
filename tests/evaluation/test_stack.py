"""Data against a stack: sums against NumPy, blinding that nothing escapes, totals, weights, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dmcnn._common import extras
from dmcnn._common.errors import InputError
from dmcnn.evaluation.stack_samples import Variable
from dmcnn.evaluation.systematics import Systematics
from dmcnn.figures.save import save_figure
from evaluation.score_files import write
from evaluation.stack_files import EDGES, SCALE, judge, samples, scores, values


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, list[str]]:
    return samples(tmp_path)


def test_sums_and_errors_are_those_of_numpy_and_the_last_bin_holds_its_edge(paths, tmp_path):
    paths["nu"] = [write(tmp_path / "nu.csv", [*scores(3, 398, 0.4), 1.0, 1.0])]
    numbers = judge(paths).numbers["stack"]
    for name in ("off", "dirt", "nu"):
        counts, _ = np.histogram(values(paths[name]), EDGES)
        found = numbers["samples"][name]
        assert found["values"] == pytest.approx([0, *(counts * SCALE[name]), 0])
        assert found["statistical_per_bin"] == pytest.approx([0, *(np.sqrt(counts) * SCALE[name]), 0])
        assert found["total"] == pytest.approx(len(values(paths[name])) * SCALE[name])
        assert found["statistical"] == pytest.approx(np.sqrt(len(values(paths[name]))) * SCALE[name])
    counts, _ = np.histogram(values(paths["data"]), EDGES)
    assert numbers["data"]["counts"] == [0, *counts, 0]
    assert "expectation" not in json.dumps(numbers)


def test_what_lies_outside_of_the_range_has_bins_of_its_own(paths):
    numbers = judge(paths, bins=4, reach=[0.2, 0.6]).numbers["stack"]
    nu = values(paths["nu"])
    found = numbers["samples"]["nu"]["values"]
    assert found[0] == pytest.approx((nu < 0.2).sum() * SCALE["nu"])
    assert found[-1] == pytest.approx((nu > 0.6).sum() * SCALE["nu"])
    assert sum(found) == pytest.approx(len(nu) * SCALE["nu"])
    assert numbers["bin_low"] == pytest.approx([None, 0.2, 0.3, 0.4, 0.5, 0.6], abs=1e-12)


def test_a_score_of_one_overflows_on_the_logit_axis(paths, tmp_path):
    paths["nu"] = [write(tmp_path / "nu.csv", [0.0, 0.5, 1.0, 1.0])]
    numbers = judge(paths, variable=Variable("logit"), reach=[-5, 5]).numbers["stack"]
    assert numbers["samples"]["nu"]["values"] == pytest.approx([0.25, 0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["score", "logit", "n_pixels"])
def test_nothing_depends_on_data_above_the_cut(name, paths, tmp_path):
    """Data that differ in hidden events only give the same bytes in every number, line, table, figure and file."""
    shown = scores(13, 120, 0.3)
    shown = shown[shown < 0.6]
    results = []
    for nth, hidden in enumerate(([0.7, 0.75, 0.9], [0.99, 0.99, 0.61])):
        paths["data"] = [write(tmp_path / "data.csv", [*shown, *hidden])]
        reach = [-3, 3] if name == "logit" else None
        result = judge(paths, name == "score", variable=Variable(name, blind_above=0.6), reach=reach)
        folder = tmp_path / str(nth)
        for ending, writer in result.files.items():
            writer(folder / ending)
        for ending, figure in result.figures.items():
            save_figure(figure, folder / ending, ["png"])
        for ending in result.tables:
            (folder / f"{ending}.txt").write_text(str(result.tables[ending].rows))
        (folder / "numbers.json").write_text(json.dumps([result.numbers, result.lines]))
        results.append(result)
    files = [sorted(path.name for path in (tmp_path / str(nth)).iterdir()) for nth in (0, 1)]
    assert files[0] == files[1]
    for file in files[0]:
        if not file.endswith(".root"):  # holds the time of its writing
            assert (tmp_path / "0" / file).read_bytes() == (tmp_path / "1" / file).read_bytes(), file
    data = results[0].numbers["stack"]["data"]
    assert (None in data["counts"]) == (name != "n_pixels")
    observed = sum(filter(None, data["counts"]))
    assert 0 < observed <= len(shown)
    assert data["observed_in_shown_bins"] == observed


def test_only_bins_below_the_cut_are_shown_and_enter_chi2(paths):
    numbers = judge(paths, variable=Variable(blind_above=0.75)).numbers["stack"]
    data = numbers["data"]
    assert [count is None for count in data["counts"]] == [False] * 8 + [
        True
    ] * 4  # 0.7 to 0.8 reaches above the cut
    assert data["ndf"] == 7
    assert data["hidden_bins"] == 4
    assert data["expected_in_shown_bins"] == pytest.approx(sum(numbers["expected"]["values"][:8]))
    assert numbers["observations_of_workspaces"] == "expectation"


def test_a_cut_at_an_edge_leaves_the_bin_below_it(paths):
    for cut, shown in ((0.3, 4), (0.6, 7), (0.7, 8)):  # 3 * 0.1 is above 0.3 in floating point
        counts = judge(paths, variable=Variable(blind_above=cut)).numbers["stack"]["data"]["counts"]
        assert sum(count is not None for count in counts) == shown


def test_events_of_another_variable_are_selected_alike_in_data_and_simulation(paths):
    numbers = judge(paths, variable=Variable("n_pixels", blind_above=0.5)).numbers["stack"]
    assert numbers["samples"]["nu"]["total"] == pytest.approx(
        (values(paths["nu"]) <= 0.5).sum() * SCALE["nu"]
    )
    assert sum(numbers["data"]["counts"]) == (values(paths["data"]) <= 0.5).sum()


def test_event_weights_multiply_the_scale_and_bad_ones_become_one_only_if_asked(paths, tmp_path):
    score = [0.05, 0.15, 0.15, 0.25]
    paths["nu"] = [write(tmp_path / "nu.csv", score, weight=[2.0, 0.5, "nan", 100.0])]
    with pytest.raises(InputError, match=r"nu\.csv:4: weight is 'nan', expected a finite number"):
        judge(paths, event_weight="weight")
    result = judge(paths, event_weight="weight", clean_above=50)
    assert result.numbers["stack"]["samples"]["nu"]["values"][:4] == pytest.approx([0, 0.5, 0.375, 0.25])
    assert any("2 of 4 values of 'weight' set to 1" in line for line in result.lines)
    assert any("off.csv: no column 'weight', every event counts 1" in line for line in result.lines)
    with pytest.raises(InputError, match="no column 'wieght'"):
        judge(paths, event_weight="wieght")


def test_tables_hold_every_bin_and_every_total(paths):
    result = judge(paths)
    rows, totals = result.tables["stack"], result.tables["stack_totals"]
    assert rows.columns == (
        "bin_low", "bin_high", "off", "dirt", "nu", "signal", "expected", "statistical", "systematic", "data",
    )  # fmt: skip
    assert len(rows.column("data")) == 12
    assert rows.column("bin_low")[:2] == ["", "0"]
    assert sum(map(int, rows.column("data"))) == len(values(paths["data"]))
    assert totals.column("sample") == [
        "off", "dirt", "nu", "expected", "signal", "expected in shown bins", "data in shown bins",
    ]  # fmt: skip


def test_without_data_and_signal_there_are_neither(paths):
    del paths["data"], paths["signal"]
    result = judge(paths)
    assert "data" not in result.numbers["stack"]
    assert list(result.files) == ["stack.root"]
    assert "data" not in result.tables["stack"].columns


def test_data_in_bins_without_prediction_are_reported(paths):
    paths = {"off": paths["off"], "data": paths["signal"]}
    result = judge(paths, bins=20)
    assert result.numbers["stack"]["data"]["events_without_prediction"] > 0
    assert any("lie in bins without any prediction" in line for line in result.lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": {"nuu": 1}}, r"sample_scale: no sample 'nuu' \(did you mean 'nu'\?\)"),
        ({"systematics": Systematics(normalisation={"POT": {"mu": 0.1}})}, "normalisation: no sample 'mu'"),
        ({"systematics": Systematics(normalisation={"total": {"nu": 0.1}})}, "'total' cannot name a source"),
        ({"variable": Variable("n_pixel")}, r"no column 'n_pixel' \(did you mean 'n_pixels'\?\)"),
        ({"variable": Variable(score_column="score")}, "no column 'score'"),
    ],
)
def test_what_is_unknown_is_refused_with_the_nearest_choice(options, message, paths):
    with pytest.raises(InputError, match=message):
        judge(paths, **options)


def test_names_with_a_meaning_and_names_given_twice_are_refused(paths):
    with pytest.raises(InputError, match="'expected' cannot be the name of a sample"):
        judge(paths | {"expected": paths["nu"]})
    with pytest.raises(InputError, match="logit"):
        judge(paths | {"nu": [write(Path(paths["nu"][0]), [0.5, 1.5])]}, variable=Variable("logit"))


def test_a_missing_library_is_named_with_what_installs_it(paths, monkeypatch):
    def missing(name: str):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(
        InputError, match=r"mplhep is not installed; it comes with: pip install 'dmcnn\[analysis\]'"
    ):
        judge(paths)
