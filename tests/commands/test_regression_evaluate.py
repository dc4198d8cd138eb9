"""evaluate on tables of regression: several networks and seeds, weights, tables of other kinds."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmcnn import evaluate
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.load import load
from dmcnn.evaluation.regression import comparison, naming, predictions, quantities
from dmcnn.evaluation.regression.networks import Network, common_likelihood, open_networks
from dmcnn.figures import save
from dmcnn.models.smartpixel import SmartPixel
from dmcnn.quantisation.quantisers import zero_fraction

TARGETS = ("x-midplane", "cotBeta")
SCALES = np.array([75.0, 0.5])
RHO = 0.6
EVENTS = 900


def events(seed: int, width: float = 1.0, honest: float = 1.0) -> dict[str, np.ndarray]:
    """Correlated residuals of (8, 0.05) ``width``, whose uncertainties are too small by ``honest``."""
    truth_random, random = np.random.default_rng(0), np.random.default_rng(seed)
    truth = truth_random.uniform(-1, 1, (EVENTS, 2)) * SCALES
    size = truth_random.integers(2, 20, EVENTS)
    sigma = np.array([8, 0.05]) * width * (0.5 + size[:, None] / 10)
    z = random.normal(0, 1, (EVENTS, 2))
    z[:, 1] = RHO * z[:, 0] + np.sqrt(1 - RHO**2) * z[:, 1]
    return {"truth": truth, "size": size, "sigma": sigma, "mean": truth + honest * sigma * z}


def likelihood(found: dict[str, np.ndarray]) -> np.ndarray:
    """-log p of the scaled truth, from the textbook formula."""
    r, s = (found["mean"] - found["truth"]) / SCALES, found["sigma"] / SCALES
    a, b = (r / s).T
    chi2 = (a * a + b * b - 2 * RHO * a * b) / (1 - RHO**2)
    return chi2 / 2 + np.log(2 * np.pi * s[:, 0] * s[:, 1] * np.sqrt(1 - RHO**2))


def write(path: Path, found: dict[str, np.ndarray], without: tuple[str, ...] = (), rho: float = RHO) -> Path:
    """A table as infer writes it; row 0 has no image, row 1 no truth."""
    a, b = TARGETS
    columns: dict[str, Any] = {"entry_number": range(EVENTS), "cluster_size": found["size"]}
    for j, name in enumerate(TARGETS):
        columns |= {name: found["mean"][:, j], f"sigma_{name}": found["sigma"][:, j]}
    columns |= {f"corr_{a}_{b}": np.full(EVENTS, rho)}
    columns |= {f"true_{name}": found["truth"][:, j] for j, name in enumerate(TARGETS)}
    columns["nll"] = likelihood(found)
    columns = {name: list(map(str, values)) for name, values in columns.items() if name not in without}
    for name, values in columns.items():
        if name in TARGETS or name.startswith(("sigma", "corr", "nll")):
            values[0] = ""
        if name.startswith(("true", "nll")):
            values[1] = ""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def checkpoint(path: Path, seed: int) -> Path:
    """An untrained network of four targets, all of whose kernels below a third are zero."""
    torch.manual_seed(seed)
    net = SmartPixel()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(parameter.abs() > 1 / 3)
    card = Card(
        model="smartpixel", arguments={}, classes=[], signal=None, activation="softmax", reading={},
        targets=["x-midplane", "y-midplane", "cotAlpha", "cotBeta"], target_scales=[75, 18.75, 8, 0.5],
    )  # fmt: skip
    state = {f"net.{name}": value for name, value in net.state_dict().items()}
    torch.save({KEY: card.as_dict(), "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of an honest network, and one of a wider network with too small uncertainties."""
    folder = tmp_path_factory.mktemp("regression")
    for seed in (1, 2):
        write(folder / f"dense_{seed}.csv", events(seed))
    write(folder / "sparse.csv", events(3, 1.5, 1.25))
    checkpoint(folder / "sparse.ckpt", 3)
    return folder


@pytest.fixture(scope="module")
def judged(folder: Path) -> Path:
    """What evaluate leaves, without its figures, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(save, "save_figure", lambda *_, **options: [])
        assert evaluate.main(judge_words(folder, "out")) == 0
    return folder / "out"


def judge_words(folder: Path, out: str) -> list[str]:
    return [
        f"scores={{'dense': '{folder}/dense_*.csv', 'sparse, 75 %': '{folder}/sparse.csv'}}",
        f"weights={{'sparse, 75 %': '{folder}/sparse.ckpt'}}",
        f"output_dir={folder / out}",
        "profile_bins=5",
        "name=r",
    ]


def numbers(judged: Path) -> dict[str, Any]:
    return json.loads((judged / "DM-CNN_evaluation_r.json").read_text())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_number_of_a_target_by_hand(judged: Path) -> None:
    found = numbers(judged)
    assert (found["targets"], found["units"]) == (list(TARGETS), ["µm", ""])
    for seed in (1, 2):
        known = {name: values[2:] for name, values in events(seed).items()}
        residual = (known["mean"] - known["truth"])[:, 0]
        pull = residual / known["sigma"][:, 0]
        of = found["networks"]["dense"]["each_seed"][seed - 1]["x-midplane"]
        low, high = np.quantile(residual, [0.158655254, 0.841344746])
        expected = {
            "bias": residual.mean(),
            "rms": residual.std(ddof=1),
            "half_width": (high - low) / 2,
            "pull_rms": pull.std(ddof=1),
            "uncertainty": np.sqrt((known["sigma"][:, 0] ** 2).mean()),
            "coverage_1": (abs(pull) <= 1).mean(),
            "coverage_2": (abs(pull) <= 2).mean(),
            "chi2_mean": (pull**2).mean(),
        }
        for what, value in expected.items():
            assert of[what][0] == pytest.approx(value, rel=1e-6), what
        assert of["bias"][1] == pytest.approx(residual.std(ddof=1) / np.sqrt(len(residual)))
        assert of["pull_width"][0] == pytest.approx(1, abs=4 * of["pull_width"][1])
        assert abs(of["pull_mean"][0]) < 4 * of["pull_mean"][1]


def test_numbers_of_all_targets_together(judged: Path) -> None:
    found = numbers(judged)
    known = events(3, 1.5, 1.25)
    nll = likelihood(known)[2:]
    (of,) = found["networks"]["sparse, 75 %"]["each_seed"]
    assert of["all"]["nll"][0] == pytest.approx(nll.mean())
    assert of["all"]["nll_unscaled"][0] == pytest.approx(nll.mean() + np.log(SCALES).sum())
    a, b = ((known["mean"] - known["truth"]) / known["sigma"])[2:].T
    chi2 = (a * a + b * b - 2 * RHO * a * b) / (1 - RHO**2)
    assert of["all"]["chi2_mean"][0] == pytest.approx(chi2.mean())
    assert of["all"]["coverage_1"][0] == (chi2 <= 1).mean()
    pair = found["networks"]["sparse, 75 %"]["pairs"]["x-midplane, cotBeta"]
    assert pair["coverage_2"][0] == (chi2 <= 4).mean()
    assert found["expected_coverage_of_1_and_2_sigma"]["pair"] == pytest.approx([0.39347, 0.86466], abs=1e-5)
    assert of["x-midplane"]["pull_width"][0] == pytest.approx(1.25, abs=0.15)
    matrices = found["networks"]["sparse, 75 %"]["correlation"]
    assert matrices["estimated"][0][1] == pytest.approx(RHO)
    assert matrices["observed"][0][1] == pytest.approx(RHO, abs=0.1)
    assert matrices["whitened"][0][1] == pytest.approx(0, abs=0.1)
    curve = found["networks"]["sparse, 75 %"]["calibration"]
    assert curve["x-midplane"][68] == pytest.approx((abs(a) <= 0.99446).mean(), abs=1e-3)


def test_seeds_are_averaged_and_spread(judged: Path) -> None:
    dense = numbers(judged)["networks"]["dense"]
    assert (dense["seeds"], dense["events"]) == (2, 2 * (EVENTS - 2))
    for of in ("x-midplane", "all"):
        for what, mean in dense["mean"][of].items():
            pair = np.array([seed[of][what] for seed in dense["each_seed"]], float)
            assert mean["value"] == pytest.approx(pair[:, 0].mean())
            assert mean["spread"] == pytest.approx(pair[:, 0].std(ddof=1))
            assert mean["error"] == (None if np.isnan(pair[0, 1]) else pytest.approx(pair[:, 1].mean()))
    assert numbers(judged)["networks"]["sparse, 75 %"]["mean"]["all"]["nll"]["spread"] is None


def test_the_table_has_a_row_per_network_and_target(judged: Path) -> None:
    rows, found = rows_of(judged / "DM-CNN_evaluation_r_targets.csv"), numbers(judged)
    expected = [(network, target) for network in found["networks"] for target in (*TARGETS, "all")]
    assert [(row["network"], row["target"]) for row in rows] == expected
    for row in rows:
        for what, mean in found["networks"][row["network"]]["mean"][row["target"]].items():
            for end, column in (("value", what), ("error", f"{what}_error"), ("spread", f"{what}_spread")):
                if column in row:
                    assert row[column] == ("" if mean[end] is None else repr(mean[end]))
    assert rows[0]["unit"] == "µm"
    assert rows[0]["nll"] == ""
    assert set(quantities.MEANING) <= set(rows[0])


def test_rows_that_cannot_be_judged_are_counted(judged: Path) -> None:
    for file in numbers(judged)["files"]:
        counts = {"rows": EVENTS, "without_estimate": 1, "without_truth": 1, "used": EVENTS - 2}
        assert {name: file[name] for name in counts} == counts
        assert file["not_positive_definite"] == 0


def test_profiles_in_bins_of_truth_and_cluster_size(judged: Path) -> None:
    found = numbers(judged)["networks"]["sparse, 75 %"]["profiles"]
    assert list(found) == ["True x-midplane [µm]", "True cotBeta", "Cluster size [pixels]"]
    profile = found["Cluster size [pixels]"]["x-midplane"]["residual"]
    known = {name: values[2:] for name, values in events(3, 1.5, 1.25).items()}
    residual = (known["mean"] - known["truth"])[:, 0]
    here = (known["size"] > profile["low"][0]) & (known["size"] < profile["high"][0])
    assert profile["count"][0] == here.sum()
    assert profile["bias"][0] == pytest.approx(residual[here].mean())
    assert sum(profile["count"]) == EVENTS - 2
    assert profile["width"][-1] > 1.5 * profile["width"][0]


def test_zeros_of_the_weights(judged: Path, folder: Path) -> None:
    rows = rows_of(judged / "DM-CNN_evaluation_r_weights.csv")
    expected = zero_fraction(load(folder / "sparse.ckpt")[0])
    assert numbers(judged)["networks"]["sparse, 75 %"]["zeros"] == pytest.approx([expected])
    assert numbers(judged)["networks"]["dense"]["zeros"] == []
    *tensors, total = rows
    assert (total["tensor"], total["weights"]) == ("all", "2029")
    assert float(total["share"]) == pytest.approx(expected)
    assert sum(int(row["zeros"]) for row in tensors) == int(total["zeros"])
    by_name = {row["tensor"]: row for row in tensors}
    assert (by_name["dense_1.weight"]["shape"], by_name["dense_1.weight"]["step"]) == ("16x90", "0.0078125")
    shares = {row["network"]: row["zeros"] for row in rows_of(judged / "DM-CNN_evaluation_r_targets.csv")}
    assert shares["dense"] == ""
    assert float(shares["sparse, 75 %"]) == pytest.approx(expected)


@pytest.mark.slow
def test_figures_of_everything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PNG alone: PDF takes as long again, and has its own tests."""
    monkeypatch.setattr(save, "save_figure", partial(save.save_figure, formats=["png"]))
    assert evaluate.main(judge_words(folder, "figures")) == 0
    kinds = ("residuals", "residuals_log", "pulls", "pulls_log", "calibration", "chi2", "correlation", "comparison",
             "profile_x-midplane", "profile_cotBeta", "profile_cluster_size", "weights_sparse__75__",
             "zeros_sparse__75__")  # fmt: skip
    for kind in kinds:
        assert (folder / "figures" / f"DM-CNN_evaluation_r_{kind}.png").stat().st_size > 5000
    assert len(list((folder / "figures").glob("*.png"))) == len(kinds)
    assert "profile_bins = 5" in (folder / "figures" / "DM-CNN_evaluation_r.cfg").read_text()


@pytest.mark.slow
def test_one_training_is_compared_with_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "save_figure", partial(save.save_figure, formats=["png"]))
    assert evaluate.main([f"scores={folder}/sparse.csv", f"output_dir={tmp_path}", "profile_bins=5"]) == 0
    assert list(tmp_path.glob("*_pulls.png"))
    assert not list(tmp_path.glob("*comparison*"))


@pytest.mark.slow
def test_weights_of_a_network_of_ones_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_net.py").write_text(
        "from torch import nn\n\n\ndef net(num_class, channels, height, width):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, num_class))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(save, "save_figure", lambda *_, **options: [])
    sizes = {"num_class": 2, "channels": 1, "height": 3, "width": 4}
    card = Card("own_net:net", sizes, [], None, "none", {}, targets=["x"], target_scales=[1.0])
    state = {"1.weight": torch.tensor([[0.0] * 4 + [1.0] * 8] * 2), "1.bias": torch.ones(2)}
    torch.save({KEY: card.as_dict(), "state_dict": state}, "own.ckpt")
    words = [f"scores={folder}/sparse.csv", "weights=own.ckpt", "output_dir=out", "profile_bins=5"]
    assert evaluate.main(words) == 2
    assert capsys.readouterr().err == (
        "own.ckpt: its network is 'own_net:net': model = 'own_net:net' imports it\n"
    )
    assert evaluate.main([*words, "model=own_net:net"]) == 0
    total = rows_of(tmp_path / "out" / "DM-CNN_evaluation_weights.csv")[-1]
    assert (total["weights"], total["zeros"]) == ("26", "8")


def test_what_zeros_cost_has_a_point_per_training(folder: Path) -> None:
    paths = {
        "dense": [[str(folder / f"dense_{seed}.csv")] for seed in (1, 2)],
        "other": [[str(folder / "sparse.csv")]],
    }
    networks = open_networks(paths, {"dense": [0.1, 0.2]}, 2.0)
    nll, x, _ = comparison.front(networks, "nll").axes
    seeds = [network["all"]["nll"].value for network in networks["dense"].per_seed]
    np.testing.assert_allclose(nll.lines[1].get_xydata(), [[10, seeds[0]], [20, seeds[1]]])
    assert x.get_ylabel() == "x-midplane: 68 % half width [µm]"


def test_covariances_that_are_none(folder: Path, tmp_path: Path) -> None:
    read = predictions.read([str(write(tmp_path / "a.csv", events(1), rho=1.0))])
    assert read.files[0]["not_positive_definite"] == EVENTS - 2
    assert np.isnan(read.chi2).all()
    assert np.isfinite(read.pull).all()
    network = Network.from_seeds([read], [], 2.0)
    assert np.isnan(network.combined["all"]["chi2_mean"].value)
    assert np.isfinite(network.combined["x-midplane"]["pull_width"].value)
    diagonal = predictions.read(
        [str(write(tmp_path / "b.csv", events(1), without=(f"corr_{TARGETS[0]}_{TARGETS[1]}",)))]
    )
    np.testing.assert_allclose(diagonal.chi2, (diagonal.pull**2).sum(axis=1))


def test_parts_of_a_sample_are_one_seed(folder: Path) -> None:
    one, two, three = (str(folder / name) for name in ("dense_1.csv", "dense_2.csv", "sparse.csv"))
    assert naming.networks([one, two], None) == {"dense_1": [[one]], "dense_2": [[two]]}
    assert naming.networks([one, two, three], ["a", "b", "a"]) == {"a": [[one], [three]], "b": [[two]]}
    grouped = {"a": [[one, two], three], "b": f"{folder}/dense_*.csv"}
    assert naming.networks(grouped, None) == {"a": [[one, two], [three]], "b": [[one], [two]]}
    joined = predictions.read([one, two])
    assert len(joined.truth) == 2 * (EVENTS - 2)
    assert naming.short_names(["x/a_DM-CNN_scores_t1.csv", "x/a_DM-CNN_scores_t2.csv"]) == ["t1", "t2"]
    assert naming.short_names(["x/a_DM-CNN_scores.csv", "x/b_DM-CNN_scores.csv"]) == ["a", "b"]
    assert naming.short_names(["x/a.csv", "y/a.csv"]) == ["x/a.csv", "y/a.csv"]
    assert naming.weights([one, two, three], {"a": [[one], [three]], "b": [[two]]}, ["a", "b", "a"]) == {
        "a": [one, three],
        "b": [two],
    }


def test_networks_that_scale_differently_are_compared_in_units(folder: Path, tmp_path: Path) -> None:
    same = [predictions.read([str(folder / name)]) for name in ("dense_1.csv", "sparse.csv")]
    assert (
        common_likelihood({str(i): Network.from_seeds([one], [], 2.0) for i, one in enumerate(same)}) == "nll"
    )
    shifted = events(4)
    path = write(tmp_path / "other.csv", shifted)
    rows = [row.rsplit(",", 1) for row in path.read_text().splitlines()]
    path.write_text(
        "\n".join([",".join(rows[0]), *(f"{a},{float(b) + 1 if b else ''}" for a, b in rows[1:])]) + "\n"
    )
    other = predictions.read([str(path)])
    networks = {"a": Network.from_seeds([same[0]], [], 2.0), "b": Network.from_seeds([other], [], 2.0)}
    assert common_likelihood(networks) == "nll_unscaled"
    without = predictions.read([str(write(tmp_path / "none.csv", shifted, without=("nll",)))])
    assert common_likelihood({"a": Network.from_seeds([without], [], 2.0)}) == "nll_unscaled"
    half = predictions.join([same[0], without])  # a mean of the first part would be that of other events
    assert common_likelihood({"a": Network.from_seeds([half], [], 2.0)}) == "nll_unscaled"


def test_faults(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = folder / "dense_1.csv"
    scores = tmp_path / "scores.csv"
    scores.write_text("signal_score,label\n0.5,signal\n")
    other = tmp_path / "other.csv"
    other.write_text(good.read_text().replace("cotBeta", "cotGamma"))
    untrue = write(tmp_path / "untrue.csv", events(1), without=("true_cotBeta",))
    wrong = tmp_path / "wrong.csv"
    lines = good.read_text().splitlines()
    wrong.write_text("\n".join([*lines[:4], lines[4].replace(",", ",x", 1), *lines[5:]]) + "\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("\n".join(lines[:3]) + "\n")
    for words, text in [
        ([f"scores=['{good}','{scores}']"], f"{scores}: no column sigma_<target>, expected a table of infer for"),
        ([f"scores=['{good}','{other}']"],
         f"{other}: estimates x-midplane, cotGamma; expected x-midplane, cotBeta as in the first table"),
        ([f"scores=['{untrue}']"], f"{untrue}: no column 'true_cotBeta' (did you mean 'cotBeta'?)"),
        ([f"scores={wrong}"], f"{wrong}:5: cluster_size is 'x"),
        ([f"scores={empty}"], f"no event with estimate and truth in {empty}"),
        ([f"scores={scores}", "names=['a']"], f"{scores}: no column sigma_<target>; names, weights"),
        ([f"scores={good}", "names=['a', 'b']"], "2 names for 1 score files: give one each, in order"),
        ([f"scores={{'a': '{good}'}}", "names=['a']"], "already names the networks"),
        ([f"scores={{'a': '{good}x'}}"], "dense_1.csvx: no such file (did you mean 'dense_1.csv'?)"),
        (["scores={}"], "scores names no network"),
        ([f"scores={{'a': '{good}'}}", f"weights={folder}/sparse.ckpt"], "must both be lists, or both be {network"),
        ([f"scores={{'a': '{good}'}}", f"weights={{'b': '{folder}/sparse.ckpt'}}"], "scores has no network 'b'"),
        ([f"scores={{'a': '{good}'}}", f"weights={{'a': '{folder}/sparse*'}}"], "2 files for 1 seeds of 'a'"),
        ([f"scores={good}", f"weights={good}"], f"{good}: not a weight file"),
        ([f"scores={good}", "weights=no.ckpt"], "weights: no.ckpt: no such file"),
    ]:  # fmt: skip
        assert evaluate.main([*words, f"output_dir={tmp_path}"]) == 2, text
        said = capsys.readouterr().err
        assert text in said
        assert said.count("\n") == 1, said


def simple(path: Path, targets: int, mean: float = 1.0, sigma: float = 1.0, rows: int = 40) -> Path:
    """Write a table of independent targets with residuals of order ``mean``."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {"entry_number": range(rows)}
    for name in (f"t{j}" for j in range(targets)):
        truth = random.normal(0, 1, rows)
        columns |= {
            name: mean * random.normal(0, 1, rows),
            f"sigma_{name}": [sigma] * rows,
            f"true_{name}": truth,
        }
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_panels_do_not_grow_with_the_square_of_the_targets(tmp_path: Path) -> None:
    """Twelve targets took minutes without a line: 13 figures of 36 panels."""
    panels = {}
    for targets in (4, 8, 16):
        result = comparison.judge({"a": [[str(simple(tmp_path / "t.csv", targets))]]})
        panels[targets] = sum(
            len(f.axes) for name, f in result.figures.items() if name.startswith("profile_")
        )
        assert len(result.numbers["networks"]["a"]["profiles"]) == targets
        assert result.lines[-1].endswith("against that of all") == (targets > 4)
    assert panels == {4: 48, 8: 24, 16: 48}


def test_profiles_of_few_events_have_few_bins(tmp_path: Path) -> None:
    """Of 45 events in 12 bins, no bin had enough for a width: every panel was empty."""
    result = comparison.judge({"a": [[str(simple(tmp_path / "t.csv", 1, rows=45))]]})
    profile = result.numbers["networks"]["a"]["profiles"]["True t0"]["t0"]["residual"]
    assert len(profile["count"]) == 2
    assert None not in profile["width"]


@pytest.mark.parametrize(("mean", "sigma"), [(1e155, 1.0), (1e80, 1.0), (1.0, 1e-300)])
def test_numbers_beyond_float32_are_no_estimates(
    mean: float, sigma: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They ended in an OverflowError, or in a JSON that cannot hold infinity."""
    path = simple(tmp_path / "t.csv", 1, mean, sigma)
    assert evaluate.main([f"scores={path}", f"output_dir={tmp_path / 'o'}"]) == 2
    assert capsys.readouterr().err == f"no event with estimate and truth in {path}\n"


@pytest.mark.slow
def test_the_largest_numbers_of_float32_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A diverged network: what overflows is null, and no warning is shown."""
    monkeypatch.setattr(save, "save_figure", partial(save.save_figure, formats=["png"]))
    path = simple(tmp_path / "t.csv", 2, 1e37, 1e-37)
    assert evaluate.main([f"scores={path}", f"output_dir={tmp_path}"]) == 0
    numbers = json.loads((tmp_path / "DM-CNN_evaluation.json").read_text())
    assert numbers["networks"]["t"]["mean"]["t0"]["rms"]["value"] == pytest.approx(1e37, rel=0.5)
