"""Systematic uncertainties against brute force: universes, detector variations by id, normalisation, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.evaluation.systematics import Systematics
from dmcnn.tables import batches, parquet
from evaluation.score_files import write
from evaluation.stack_files import EDGES, SCALE, judge, samples, scores, values

RANDOM = np.random.default_rng(7)
COUNT = 12


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, list[str]]:
    return samples(tmp_path)


def weights(count: int) -> dict[str, np.ndarray]:
    """Weights of the universes, in columns whose names do not sort as their numbers."""
    return {f"flux_{nth}": np.round(RANDOM.normal(1, 0.2, count), 6) for nth in range(1, COUNT + 1)}


def universe_files(folder: Path, counts: dict[str, int]) -> tuple[dict[str, dict], dict[str, list[str]]]:
    """Write the weights of samples in another order than their scores, as CSV and parquet."""
    columns, files = {}, {}
    for name, count in counts.items():
        columns[name], order = weights(count), RANDOM.permutation(count)
        table = {"run_number": np.full(count, 7), "subrun_number": np.ones(count, int), "event_number": order}
        table |= {column: value[order] for column, value in columns[name].items()}
        files[name] = [str(folder / f"{name}_weights.{'csv' if name == 'nu' else 'parquet'}")]
        if name == "nu":
            rows = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
            Path(files[name][0]).write_text("\n".join([",".join(table), *rows]) + "\n")
        else:
            parquet.write(files[name][0], table)
    return columns, files


def brute(score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sums of weights in the bins, event by event, with one empty bin at either end."""
    sums = np.zeros(len(EDGES) + 1)
    for value, each in zip(score, weight, strict=True):
        sums[np.searchsorted(EDGES, min(value, 1 - 1e-12), "right")] += each
    return sums


@pytest.mark.parametrize("block", [batches.BLOCK, 3000])
def test_universes_are_a_covariance_with_all_correlations_of_bins_and_samples(
    block, paths, tmp_path, monkeypatch
):
    monkeypatch.setattr(batches, "BLOCK", block)
    monkeypatch.setattr(batches, "VALUES", block // 8)
    monkeypatch.setattr(batches, "COLUMNS", 5)
    columns, files = universe_files(tmp_path, {"nu": 400, "dirt": 200})
    systematics = Systematics(universes={"flux": {"nu": "flux_*", "dirt": "flux_*"}}, universe_files=files)
    result = judge(paths, systematics=systematics)
    expected = np.zeros((12, 12))
    for nth in range(1, COUNT + 1):
        shift = np.zeros(12)
        for name in ("nu", "dirt"):
            weight = columns[name][f"flux_{nth}"]
            shift += SCALE[name] * brute(values(paths[name]), weight - 1)
        expected += np.outer(shift, shift) / COUNT
    numbers = result.numbers["stack"]
    assert np.allclose(numbers["covariance"]["flux"], expected, rtol=1e-9, atol=1e-12)
    total = np.array(numbers["covariance"]["total"])
    assert np.allclose(total, expected + numbers["covariance"]["statistical"])
    prediction = np.array(numbers["expected"]["values"])
    assert numbers["fractional_covariance"][3][4] == pytest.approx(
        total[3, 4] / prediction[3] / prediction[4]
    )
    assert numbers["correlation"][3][4] == pytest.approx(total[3, 4] / np.sqrt(total[3, 3] * total[4, 4]))
    assert numbers["expected"]["systematic"] == pytest.approx(np.sqrt(expected.sum()))
    assert numbers["sources"]["flux"]["samples"]["nu"] == {"rows": 400, "events": 400, "matched": 400}


def test_weights_in_the_score_tables_act_on_all_samples_that_have_them(paths, tmp_path):
    columns = weights(400)
    paths["nu"] = [write(tmp_path / "nu.csv", values(paths["nu"]), **columns)]
    result = judge(paths, systematics=Systematics(universes={"flux": "flux_*"}))
    shifts = [SCALE["nu"] * brute(values(paths["nu"]), weight - 1) for weight in columns.values()]
    expected = np.mean([np.outer(shift, shift) for shift in shifts], axis=0)
    assert np.allclose(result.numbers["stack"]["covariance"]["flux"], expected, atol=1e-12)
    assert list(result.numbers["stack"]["sources"]["flux"]["samples"]) == ["nu"]


def test_bad_weights_become_one_only_if_asked_and_are_counted(paths, tmp_path):
    columns = {"w_1": np.ones(400), "w_2": np.full(400, 1.5)}
    columns["w_1"][:5] = [np.nan, np.inf, -1, 0, 51]
    paths["nu"] = [write(tmp_path / "nu.csv", values(paths["nu"]), **columns)]
    universes = {"w": "w_*"}
    with pytest.raises(
        InputError, match=r"nu\.csv: 'w': a universe weight is empty, NaN or infinite; clean_weights"
    ):
        judge(paths, systematics=Systematics(universes=universes))
    result = judge(paths, systematics=Systematics(universes=universes, clean_above=50))
    half = SCALE["nu"] * brute(values(paths["nu"]), np.full(400, 0.5))
    assert np.allclose(result.numbers["stack"]["covariance"]["w"], np.outer(half, half) / 2)
    assert result.numbers["stack"]["sources"]["w"]["samples"]["nu"]["cleaned"] == 5
    assert any("5 cleaned, 800 values" in line for line in result.lines)


def test_events_without_universe_weights_are_counted_and_refused_if_many(paths, tmp_path):
    _, files = universe_files(tmp_path, {"dirt": 200})
    systematics = Systematics(universes={"flux": {"dirt": "flux_*"}}, universe_files=files)
    paths["dirt"] = [write(tmp_path / "more.csv", scores(2, 210, 0.2))]
    result = judge(paths, systematics=systematics)
    counts = result.numbers["stack"]["sources"]["flux"]["samples"]["dirt"]
    assert counts == {"rows": 200, "events": 210, "matched": 200}
    paths["dirt"] = [write(tmp_path / "most.csv", scores(2, 300, 0.2))]
    with pytest.raises(
        InputError, match=r"200 of 300 events of 'dirt' have universe weights, 66\.7 % of the weight"
    ):
        judge(paths, systematics=systematics)


@pytest.mark.parametrize(
    ("universes", "message"),
    [
        ({"flux": "flx_*"}, "none in any sample"),
        ({"flux": {"nu": "w_1"}}, r"found \{'nu': 1\}, expected at least 2"),
    ],
)
def test_a_pattern_that_fits_too_few_columns_is_refused(universes, message, paths, tmp_path):
    paths["nu"] = [write(tmp_path / "nu.csv", values(paths["nu"]), w_1=np.ones(400), w_2=np.ones(400))]
    with pytest.raises(InputError, match=message):
        judge(paths, systematics=Systematics(universes=universes))


def test_samples_with_different_universes_are_refused(paths, tmp_path):
    for name, count in (("nu", 2), ("dirt", 3)):
        extra = {f"w_{nth}": np.ones(len(values(paths[name]))) for nth in range(count)}
        paths[name] = [write(tmp_path / f"{name}.csv", values(paths[name]), **extra)]
    with pytest.raises(InputError, match="samples have different columns"):
        judge(paths, systematics=Systematics(universes={"w": "w_*"}))


def test_a_variation_is_matched_by_id_and_scaled_to_the_whole_sample(paths, tmp_path):
    nu = values(paths["nu"])
    kept = RANDOM.permutation(400)[:320]
    shifted = np.clip(nu + 0.07, 0, 1)
    score, events = [*shifted[kept], 0.5], [*kept, 9999]
    varied = {"nu": [write(tmp_path / "varied.csv", score, events)]}
    result = judge(paths, True, systematics=Systematics(variations={"recombination": varied}))
    shift = SCALE["nu"] * 400 / 320 * (brute(shifted[kept], np.ones(320)) - brute(nu[kept], np.ones(320)))
    numbers = result.numbers["stack"]
    assert np.allclose(numbers["covariance"]["recombination"], np.outer(shift, shift))
    counts = numbers["sources"]["recombination"]["samples"]["nu"]
    assert counts == {"events": 321, "matched": 320, "unmatched": 1, "unmatched_of_sample": 80}
    assert "stack_variations" in result.figures


def test_the_order_of_the_rows_of_a_variation_does_not_matter(paths, tmp_path):
    shifted = np.clip(values(paths["nu"]) + 0.07, 0, 1)
    matrices = []
    for nth, order in enumerate((np.arange(400), RANDOM.permutation(400))):
        varied = {"nu": [write(tmp_path / f"v{nth}.csv", shifted[order], order)]}
        result = judge(paths, systematics=Systematics(variations={"v": varied}))
        matrices.append(result.numbers["stack"]["covariance"]["v"])
    assert np.allclose(*matrices)


def test_a_variation_of_other_events_needs_their_central_value(paths, tmp_path):
    score = scores(20, 100, 0.4)
    events = np.arange(5000, 5100)
    central = {"nu": [write(tmp_path / "cv.csv", score, events)]}
    varied = {"nu": [write(tmp_path / "v.csv", np.clip(score + 0.1, 0, 1), events)]}
    with pytest.raises(InputError, match="is one of 'nu' by run, subrun and event; central_value names"):
        judge(paths, systematics=Systematics(variations={"v": varied}))
    result = judge(paths, systematics=Systematics(variations={"v": varied}, central_value=central))
    scale = 400 * SCALE["nu"] / 100
    shift = scale * (brute(np.clip(score + 0.1, 0, 1), np.ones(100)) - brute(score, np.ones(100)))
    assert np.allclose(result.numbers["stack"]["covariance"]["v"], np.outer(shift, shift))


def test_a_normalisation_moves_its_samples_together(paths):
    shares = {"POT": {"nu": 0.02, "dirt": 0.02}, "dirt rate": {"dirt": 0.5}}
    numbers = judge(paths, systematics=Systematics(normalisation=shares)).numbers["stack"]
    nu, dirt = (np.array(numbers["samples"][name]["values"]) for name in ("nu", "dirt"))
    assert np.allclose(numbers["covariance"]["POT"], np.outer(0.02 * (nu + dirt), 0.02 * (nu + dirt)))
    assert numbers["samples"]["dirt"]["systematic"] == pytest.approx(dirt.sum() * np.hypot(0.5, 0.02))
    assert numbers["sources"]["dirt rate"]["uncertainty_of_total"] == pytest.approx(dirt.sum() * 0.5)
    assert numbers["samples"]["off"]["systematic"] == 0
