"""Inputs of a limit: the workspace in pyhf against closed forms and its covariance, and the ROOT file read back."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyhf
import pytest
import uproot

from dmcnn.evaluation.stack_samples import Variable
from dmcnn.evaluation.systematics import Systematics
from evaluation.score_files import write
from evaluation.stack_files import judge, samples, values

RANDOM = np.random.default_rng(8)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # of pyhf itself


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, list[str]]:
    return samples(tmp_path)


def workspace(result: Any, folder: Path) -> dict[str, Any]:
    """Write the workspace of a result and return its content."""
    result.files["workspace.json"](folder / "workspace.json")
    content: dict[str, Any] = json.loads((folder / "workspace.json").read_text())
    return content


def systematics(paths: dict[str, list[str]], folder: Path) -> Systematics:
    """Write universes of two samples and a variation; return the description of all sources."""
    for name in ("nu", "signal"):
        score = values(paths[name])
        pulls = np.random.default_rng(9).normal(size=(2, 30))
        weights = (
            1 + 0.1 * pulls[0] + 0.2 * pulls[1] * score[:, None] + RANDOM.normal(0, 0.02, (len(score), 30))
        )
        columns = {f"u_{nth}": np.round(weights[:, nth], 6) for nth in range(30)}
        paths[name] = [write(folder / f"{name}_u.csv", score, **columns)]
    varied = write(folder / "v.csv", np.clip(values(paths["nu"]) * 1.03, 0, 1))
    return Systematics(
        universes={"flux": "u_*"},
        variations={"space charge": {"nu": [varied]}},
        normalisation={"POT": {"nu": 0.02, "dirt": 0.02}, "dirt rate": {"dirt": 1.0}},
    )


def gaussian_sigma(content: dict[str, Any]) -> float:
    """Return the standard deviation of mu by the counts of the bins alone."""
    signal, *rest = (np.array(one["data"]) for one in content["channels"][0]["samples"])
    return float(1 / np.sqrt(np.sum(signal**2 / np.sum(rest, axis=0))))


def expected_limit(content: dict[str, Any]) -> float:
    """Return the median expected CLs limit on mu at 95 %, by pyhf."""
    model = pyhf.Workspace(content).model()
    scan = np.linspace(0.5, 4, 15) * gaussian_sigma(content)
    data = pyhf.Workspace(content).data(model)
    _, expected = pyhf.infer.intervals.upper_limits.upper_limit(data, model, scan, level=0.05)
    return float(expected[2])


def counting(folder: Path, background: int, signal: float, **options: Any) -> dict[str, Any]:
    """Return the workspace of one bin with ``background`` and ``signal`` expected events."""
    paths = {
        "nu": [write(folder / "nu.csv", np.full(100 * background, 0.5))],
        "signal": [write(folder / "signal.csv", np.full(10_000, 0.5))],
        "data": [write(folder / "data.csv", np.full(background, 0.5))],
    }
    scale = {"nu": 0.01, "signal": signal / 10_000}
    return workspace(judge(paths, bins=1, scale=scale, **options), folder)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.02])
def test_the_limit_of_one_bin_is_that_of_a_gaussian(share, tmp_path):
    """Median CLs limit with the background known to ``share``: mu s = 1.96 sqrt(b + (share b)^2), with 1 % by MC."""
    options = {"systematics": Systematics(normalisation={"POT": {"nu": share}})} if share else {}
    limit = expected_limit(counting(tmp_path, 2500, 20.0, **options))
    sigma = np.sqrt(2500 * 1.01 + (share * 2500) ** 2) / 20
    assert limit == pytest.approx(NormalDist().inv_cdf(0.975) * sigma, rel=0.03)


@pytest.mark.slow
def test_a_fit_with_every_source_finds_no_signal_and_excludes_less_than_without(paths, tmp_path):
    sources = systematics(paths, tmp_path)
    options = {"bins": 4, "variable": Variable(blind_above=0.5)}
    excluded = []
    for given in (None, sources):
        content = workspace(judge(paths, systematics=given, **options), tmp_path)
        model, space = pyhf.Workspace(content).model(), pyhf.Workspace(content)
        data, at = space.data(model), NormalDist().inv_cdf(0.975) * gaussian_sigma(content)
        assert pyhf.infer.mle.fit(data, model)[model.config.poi_index] < 0.02 * at
        excluded.append(float(pyhf.infer.hypotest(at, data, model, return_expected=True)[1]))
    assert 0.05 < excluded[0] < 0.2  # 0.05 for many events and exact rates
    assert excluded[1] > 1.2 * excluded[0]


def test_the_workspace_is_valid_and_holds_the_data_unless_bins_stay_hidden(paths, tmp_path):
    sources = systematics(paths, tmp_path)
    shown = workspace(judge(paths, systematics=sources), tmp_path)
    pyhf.schema.validate(shown, "workspace.json")
    model = pyhf.Workspace(shown).model()
    assert model.config.poi_name == "mu"
    assert {"POT", "dirt rate", "space charge", "stat", "stat_signal"} <= set(model.config.parameters)
    counts, _ = np.histogram(values(paths["data"]), np.linspace(0, 1, 11))
    assert shown["observations"][0]["data"] == counts.tolist()
    hidden = workspace(judge(paths, variable=Variable(blind_above=0.8), systematics=sources), tmp_path)
    rates = [np.array(one["data"]) for one in hidden["channels"][0]["samples"][1:]]
    assert hidden["observations"][0]["data"] == pytest.approx(np.sum(rates, axis=0))


def test_the_modifiers_have_the_covariance_of_the_stack(paths, tmp_path):
    result = judge(paths, systematics=systematics(paths, tmp_path))
    own = workspace(result, tmp_path)["channels"][0]["samples"][1:]
    shifts: dict[str, Any] = {}
    statistical = np.zeros(10)
    for sample in own:
        rate = np.array(sample["data"])
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                shift = (np.array(modifier["data"]["hi_data"]) - modifier["data"]["lo_data"]) / 2
            elif modifier["type"] == "normsys":
                shift = (modifier["data"]["hi"] - 1) * rate
            else:
                statistical += np.array(modifier["data"]) ** 2
                continue
            shifts[modifier["name"]] = shifts.get(modifier["name"], 0) + shift
    rebuilt = np.diag(statistical) + sum(np.outer(shift, shift) for shift in shifts.values())
    total = np.array(result.numbers["stack"]["covariance"]["total"])[1:-1, 1:-1]
    size = np.sqrt(np.outer(np.diag(total), np.diag(total)))
    assert np.diag(rebuilt) == pytest.approx(np.diag(total), rel=0.02)
    assert np.abs((rebuilt - total) / size).max() < 0.02
    assert 2 <= sum(name.startswith("flux_") for name in shifts) <= 4  # two pulls made 30 universes


def test_a_share_of_the_signal_does_not_dilute_the_errors_of_the_background(paths, tmp_path):
    content = workspace(judge(paths), tmp_path)
    names = [{one["name"] for one in sample["modifiers"]} for sample in content["channels"][0]["samples"]]
    assert names == [{"stat_signal", "mu"}, {"stat"}, {"stat"}, {"stat"}]


def test_each_signal_has_a_workspace_and_mu_may_be_as_large_as_a_limit_needs(paths, tmp_path):
    from dmcnn.evaluation import stack

    points = {"mA 50/MeV": paths["signal"], "mA 100": paths["signal"]}
    result = stack.judge({"nu": paths["nu"]}, [], points, variable=Variable(), scale={"mA 100": 1e-4})
    assert set(result.files) == {"stack.root", "workspace_mA_50_MeV.json", "workspace_mA_100.json"}
    tops = []
    for name in ("workspace_mA_50_MeV.json", "workspace_mA_100.json"):
        result.files[name](tmp_path / name)
        content = json.loads((tmp_path / name).read_text())
        tops.append(content["measurements"][0]["config"]["parameters"][0]["bounds"][0][1])
    assert tops[0] == 10
    assert tops[1] > 1000


def test_the_root_file_has_sums_variances_covariances_and_no_hidden_data(paths, tmp_path):
    result = judge(paths, reach=[0.1, 0.8], systematics=systematics(paths, tmp_path))
    result.files["stack.root"](tmp_path / "a.root")
    numbers = result.numbers["stack"]
    with uproot.open(tmp_path / "a.root") as file:
        nu = file["samples/nu"]
        assert nu.values(flow=True) == pytest.approx(numbers["samples"]["nu"]["values"])
        assert np.sqrt(nu.variances(flow=True)) == pytest.approx(
            numbers["samples"]["nu"]["statistical_per_bin"]
        )
        assert nu.axis().edges() == pytest.approx(np.linspace(0.1, 0.8, 11))
        assert file["data"].values(flow=True).tolist() == numbers["data"]["counts"]
        assert np.allclose(file["covariance/total"].values(), numbers["covariance"]["total"])
        assert np.allclose(file["covariance/space_charge"].values(), numbers["covariance"]["space charge"])
    judge(paths, variable=Variable(blind_above=0.5)).files["stack.root"](tmp_path / "b.root")
    with uproot.open(tmp_path / "b.root") as file:
        assert not [key for key in file.keys() if "data" in key]  # noqa: SIM118 - a folder of uproot
