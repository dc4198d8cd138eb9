"""Command attribute: selection of events, maps, tables, figures and pages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn import attribute
from dmcnn.checkpoints.load import load
from dmcnn.datasets.dataset import Dataset
from dmcnn.engines.dense import logits, to_tensor
from dmcnn.tasks import Classification

METHODS = "methods=['saliency','integrated_gradients','grad_cam']"


@pytest.fixture
def weights(toy_weights: Path) -> Path:
    return toy_weights


@pytest.fixture
def base(weights: Path, toy_files: dict[str, Path], tmp_path: Path) -> list[str]:
    """Return the words that all calls share."""
    return [f"input_file={toy_files['test']}", f"weight_file={weights}", f"output_dir={tmp_path}", "GPUID=cpu",
            "n_random=2", "steps=4", "n_noise=1", METHODS, "name=x"]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_maps_tables_and_pages(
    base: list[str], weights: Path, toy_files: dict[str, Path], tmp_path: Path
) -> None:
    assert attribute.main([*base, "-n", "1,4", "format=['png','html']", "target=signal", "each=True"]) == 0
    with np.load(tmp_path / "attribution_toy_test_ENTRY_4_x.npz") as found:
        maps = found["map_integrated_gradients"]
        about = json.loads(str(found["about"]))
    assert maps.shape == (1, 128, 128)
    net, card = load(weights)
    event = Dataset(str(toy_files["test"]), adc_lo=10, adc_hi=500).read(4, 5)
    # in float64, as the nodes of faint images are: float32 is off by a thousandth of the gap
    image = to_tensor(event).double()
    gap = float((net.double()(image) - net(0 * image))[0, 0].detach())
    assert about["classes"] == card.classes
    rows = rows_of(tmp_path / "DM-CNN_attribution_x_quality.csv")
    assert [row["method"] for row in rows] == [
        "saliency", "integrated_gradients", "grad_cam", "random", "charge"] * 2  # fmt: skip
    assert {row["entry_number"] for row in rows} == {"1", "4"}
    assert {row["target"] for row in rows} == {"0"}
    integrated = rows[6]
    error = abs(maps.sum(dtype=np.float64) - gap) / abs(gap)
    assert float(integrated["completeness_error_lower_better"]) == pytest.approx(error, rel=1e-3)
    assert 0 < float(integrated["halving_change_lower_better"]) < 2
    assert {row["halving_change_lower_better"] for row in rows if row["method"] == "saliency"} == {""}
    summary = rows_of(tmp_path / "DM-CNN_attribution_x_quality_summary.csv")
    assert {row["better"] for row in summary} == {"lower", "higher"}
    assert {row["n"] for row in summary if row["measure"] == "enrichment"} == {"2"}
    names = {path.name for path in tmp_path.iterdir()}
    for stem in ("attribution_toy_test_ENTRY_1_x", "attribution_toy_test_ENTRY_4_x"):
        ends = (".npz", ".html", "_overview.png", "_removal.png", "_saliency.png", "_grad_cam.png")
        assert {stem + end for end in ends} <= names
    assert {
        "DM-CNN_attribution_x.html",
        "DM-CNN_attribution_x_quality.png",
        "DM-CNN_attribution_x.cfg",
    } <= names
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_the_same_work_is_not_done_twice(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*base, "-n", "2", "format=png", "judge=False"]
    assert attribute.main(words) == 0
    path = tmp_path / "attribution_toy_test_ENTRY_2_x.npz"
    before = path.read_bytes()

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("dmcnn.attribution.report.explain", never)
    assert attribute.main(words) == 0
    assert path.read_bytes() == before
    assert attribute.main([*words, "output=score"]) == 1
    assert "made again" in capsys.readouterr().err


@pytest.mark.slow
def test_events_by_score_and_disagreement(
    base: list[str],
    weights: Path,
    toy_files: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = tmp_path / "other.csv"
    other.write_text(
        "entry_number,signal_score\n" + "".join(f"{i},{0.5 + (i == 7) * 9}\n" for i in range(11))
    )
    caplog.set_level("INFO")
    words = [*base, "top=1", "bottom=1", "border=1", "disagree=1", f"other_score_csv={other}", "judge=False"]
    assert attribute.main([*words, "format=png"]) == 0
    net, card = load(weights)
    event = Dataset(str(toy_files["test"]), adc_lo=10, adc_hi=500).read()
    import torch

    found = Classification(card).scores(logits(net, event, device=torch.device("cpu")))[:, 0]
    expected = {int(found.argmax()), int(found.argmin()), int(np.abs(found - 0.5).argmin()), 7}
    done = {int(path.stem.split("_")[4]) for path in tmp_path.glob("attribution_*.npz")}
    assert done == expected
    assert "most disagreement, number 1" in caplog.text


def test_list_layers(base: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert attribute.main([*base, "--list-layers"]) == 0
    printed = caplog.text
    assert "features.0" in printed
    assert "64x64" in printed
    assert printed.count("default") == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no events selected"),
        (["-n", "99"], "no entry 99"),
        (["-n", "1", "methods=salience"], "did you mean 'saliency'?"),
        (["-n", "1", "layer=31x31"], "did you mean"),
        (["-n", "1", "methods=saliency", "percentile=90"], "none of saliency takes it"),
        (["-n", "1", "target=sgnal"], "did you mean 'signal'?"),
        (["-n", "1", "disagree=2"], "disagree and other_weight_file or other_score_csv go together"),
        (["-n", "1", "signed_cmap=seismc"], "did you mean 'seismic'?"),
        (["-n", "1", "format=gif"], "'png' or 'pdf' or 'html'"),
    ],
)
def test_faults(base: list[str], words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert attribute.main([*base, *words]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_engines_give_the_same_maps_and_keep_their_own(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, maps = tmp_path / "attribution_toy_test_ENTRY_4_x.npz", {}
    words = [*base, "-n", "4", "format=png", "judge=False"]
    for engine in ("dense", "sparse"):
        assert attribute.main([*words, f"engine={engine}"]) == 0
        with np.load(path) as found:
            maps[engine] = {name: found[name] for name in found.files if name.startswith("map_")}
            assert ("sparse" in str(found["key"])) == (engine == "sparse")
        cfg = (tmp_path / "DM-CNN_attribution_x.cfg").read_text()
        assert f"# engine: {engine}, as asked for\n" in cfg
    assert maps["dense"].keys() == maps["sparse"].keys() >= {"map_saliency", "map_grad_cam"}
    for name, values in maps["dense"].items():
        assert np.linalg.norm(maps["sparse"][name] - values) <= 0.02 * np.linalg.norm(values), name
    assert not np.array_equal(maps["sparse"]["map_grad_cam"], maps["dense"]["map_grad_cam"])
    np.testing.assert_array_equal(maps["sparse"]["map_saliency"], maps["dense"]["map_saliency"])
    monkeypatch.setattr("dmcnn.attribution.report.explain", None)  # what is stored is not made again
    assert attribute.main([*words, "engine=auto"]) == 0
