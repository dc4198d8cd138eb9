"""Commands train and infer for regression: estimates with covariance, constraints, and resumed trainings."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from dmcnn import display, infer, train, tune
from dmcnn._common.errors import InputError
from dmcnn.checkpoints.load import load
from dmcnn.checkpoints.torch_file import read
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.targets import Targets
from dmcnn.engines.dense import to_tensor
from dmcnn.losses import gaussian
from dmcnn.quantisation.quantisers import zero_fraction
from dmcnn.readers import open_images
from dmcnn.settings import TrainSettings, command
from dmcnn.simulation import SAMPLES, defaults
from dmcnn.simulation.smartpixel import LABELS
from dmcnn.tasks import Regression
from dmcnn.writers import smartpixel

pytest.importorskip("pyarrow")
TARGETS = ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("frames")
    for what, (events, seed) in {"train": (1500, 1), "test": (300, 2)}.items():
        # without the magnetic field a network learns within a few steps what these tests ask for
        frames = SAMPLES["smartpixel"](events=events, seed=seed, **defaults("smartpixel", 1))
        smartpixel.write(folder / f"{what}.parquet", frames, columns=LABELS)
    return {what: folder / f"{what}.parquet" for what in ("train", "test")}


@pytest.fixture
def words(files: dict[str, Path], tmp_path: Path) -> list[str]:
    return [
        f"input_train={files['train']}", f"input_test={files['test']}", "name=sp", "slices=[0, 19]", "EPOCHS=4",
        "charge=standardised", "charge_bits=4", "model=smartpixel", f"targets={TARGETS}", "loss=gaussian_nll",
        "weight_limit=1.0", "learning_rate=0.003", "schedule=cosine", "batch_size_train=100", "batch_size_test=300",
        "augment=False", f"weights_directory={tmp_path}", f"output_directory={tmp_path}", "save_every_step=7",
    ]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_learns_and_its_estimates_are_those_of_infer(
    words: list[str], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(words) == 0
    net, card = load(tmp_path / "DM-CNN_model_sp_best.ckpt")
    rows = rows_of(tmp_path / "DM-CNN_training_metrics_sp.csv")
    assert tuple(rows[0]) == tuple(Regression(card, part="validation").metrics)
    losses = [float(row["validation_loss"]) for row in rows]
    assert min(losses) < losses[0] - 0.3
    assert (card.targets, card.target_scales) == (TARGETS, [75.0, 18.75, 8.0, 0.5])
    assert card.environment["precision"] == "32"
    assert {"charge_mean", "charge_std"} <= set(card.reading)  # fitted to the training files
    assert float(rows[-1]["zeros"]) == pytest.approx(zero_fraction(net), abs=0.02)

    asked = [f"input_file={files['test']}", f"weight_file={tmp_path}/DM-CNN_model_sp_best.ckpt"]
    assert infer.main([*asked, f"output_dir={tmp_path}", "batch_size=100"]) == 0
    (path,) = tmp_path.glob("test_DM-CNN_scores*.csv")
    table = rows_of(path)
    assert len(table) == 300
    estimates = np.array([[float(row[name]) for name in TARGETS] for row in table])
    truth = np.array([[float(row[f"true_{name}"]) for name in TARGETS] for row in table])
    sigma = np.array([[float(row[f"sigma_{name}"]) for name in TARGETS] for row in table])
    tested = card.metrics["rms_x-midplane"]
    assert np.sqrt(((estimates - truth)[:, 0] ** 2).mean()) == pytest.approx(tested, rel=1e-5)
    nll = np.array([float(row["nll"]) for row in table])
    assert nll.mean() == pytest.approx(card.metrics["loss"], abs=1e-5)

    # estimates that do not depend on the event are wider
    assert (sigma.mean(axis=0) < truth.std(axis=0))[:2].all()
    # the same numbers with torch, from the covariance in the table
    correlation = np.tile(np.eye(4), (300, 1, 1))
    for i in range(4):
        for j in range(i):
            both = [float(row[f"corr_{TARGETS[j]}_{TARGETS[i]}"]) for row in table]
            correlation[:, i, j] = correlation[:, j, i] = both
    covariance = torch.from_numpy(correlation * sigma[:, :, None] * sigma[:, None, :])
    known = torch.distributions.MultivariateNormal(torch.from_numpy(estimates), covariance)
    expected = -known.log_prob(torch.from_numpy(truth)).numpy() - np.log(card.target_scales).sum()
    np.testing.assert_allclose(nll, expected, rtol=1e-6, atol=1e-6)

    assert display.main([*asked, "--top", "3", f"output_dir={tmp_path}"]) == 2
    assert "a choice of events by score needs a network of classes" in capsys.readouterr().err


@pytest.mark.slow
def test_zeros_as_asked_and_a_stopped_run_goes_on(words: list[str], tmp_path: Path) -> None:
    sparse = [*words, 'constraints=["zeros >= 0.3", "pull_width(x-midplane) <= 3"]', "EPOCHS=6"]
    sparse += ["constraint_rate=90.0", "constraint_damping=30.0", "constraint_warmup=0.5"]

    def run(folder: str, stop_at: int = 0) -> Path:
        places = [f"weights_directory={tmp_path / folder}", f"output_directory={tmp_path / folder}"]
        settings, _ = command.load("train", [*sparse, *places])
        assert isinstance(settings, TrainSettings)

        def watch(rows: object, engine: str) -> None:
            if len(rows) == stop_at:  # type: ignore[arg-type]
                raise InterruptedError

        try:
            train.train(settings, watch)
        except InterruptedError:
            assert stop_at
        return tmp_path / folder

    whole = run("whole")
    parts = run("parts", stop_at=2)
    assert 0 < read(parts / "DM-CNN_model_sp_last.ckpt")["progress"]["step"] < 90
    run("parts")
    tables = [(folder / "DM-CNN_training_metrics_sp.csv").read_text() for folder in (whole, parts)]
    assert tables[0] == tables[1]
    last = [read(folder / "DM-CNN_model_sp_last.ckpt") for folder in (whole, parts)]
    for key, tensor in last[0]["state_dict"].items():
        assert torch.equal(tensor, last[1]["state_dict"][key])
    multipliers = [content["progress"]["constraints"]["multipliers"] for content in last]
    assert torch.equal(*multipliers)
    assert float(multipliers[0].abs().sum()) > 0

    rows = rows_of(whole / "DM-CNN_training_metrics_sp.csv")
    assert float(rows[0]["zeros"]) < 0.25
    rates = [float(row["learning_rate"]) for row in rows]  # constant until the end of the warmup
    assert rates[:3] == [0.003] * 3
    assert rates[3] > rates[4] > rates[5] > 0
    feasible = [row for row in rows if float(row["violation"]) == 0]
    assert feasible, [row["zeros"] for row in rows]
    net, card = load(whole / "DM-CNN_model_sp_best.ckpt")
    assert zero_fraction(net) >= 0.295
    best = min(feasible, key=lambda row: float(row["validation_loss"]))
    assert card.step == int(best["step"])


@pytest.mark.slow
def test_training_ends_when_nothing_gets_better(words: list[str], tmp_path: Path) -> None:
    assert train.main([*words, "learning_rate=1e-12", "schedule=constant", "EPOCHS=9", "patience=2"]) == 0
    rows = rows_of(tmp_path / "DM-CNN_training_metrics_sp.csv")
    best = min(range(len(rows)), key=lambda i: float(rows[i]["validation_loss"]))
    assert len(rows) == best + 3 < 9


@pytest.mark.slow
def test_a_step_is_the_gradient_of_the_likelihood(words: list[str], tmp_path: Path) -> None:
    """One step of Keras' Nadam by its formula, with the gradient of the mean NLL of the only batch of an epoch."""
    one = [
        *words,
        "events_train=[0, 100]",
        "EPOCHS=1",
        "optimizer=nadam",
        "schedule=constant",
        "run_test=False",
    ]
    assert train.main([*one, "learning_rate=0.002"]) == 0
    assert train.main([*one, "learning_rate=1e-12", "name=still"]) == 0
    moved, card = load(tmp_path / "DM-CNN_model_sp_best.ckpt")
    net, _ = load(tmp_path / "DM-CNN_model_still_best.ckpt")
    targets = Targets(tuple(TARGETS), tuple(card.target_scales))
    data = Dataset(
        one[0].removeprefix("input_train="), targets=targets, between=[0, 100], **card.reading
    ).load(progress=False)
    outputs = net(to_tensor(data))
    gaussian.nll(outputs, torch.from_numpy(data.label)).mean().backward()
    for (name, before), after in zip(net.named_parameters(), moved.parameters(), strict=True):
        slope = before.grad
        mu = [0.9 * (1 - 0.5 * 0.96 ** (t * 1.0)) for t in (1, 2)]
        first = mu[1] * 0.1 * slope / (1 - mu[0] * mu[1]) + (1 - mu[0]) * slope / (1 - mu[0])
        expected = before - 0.002 * first / (slope.abs() + 1e-7)
        inside = slope.abs() > 1e-5
        torch.testing.assert_close(
            after[inside], expected[inside].clamp(-1, 1), atol=2e-5, rtol=0, msg=f"{name} moved elsewhere"
        )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("loss=bce", "gaussian_nll"),
        ("augment=True", "not their targets"),
        ('classes=["a", "b"]', "classes is a key of classes"),
        ("target_scales=[1.0, 2.0]", "expected a number above 0 for each"),
        ("target_scales=pitch", "pitch"),
        ("loss=clipped_nll", "relu"),
        ('constraints=["zeroes == 0.5"]', "did you mean 'zeros'"),
        ('targets=["x-midplan"]', "did you mean 'x-midplane'"),
    ],
)  # fmt: skip
def test_one_line_for_what_does_not_fit(
    words: list[str], changed: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert train.main([*words, changed]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.glob("*.ckpt"))


@pytest.mark.slow
def test_targets_that_are_no_numbers_are_left_out_and_counted(
    files: dict[str, Path], words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(files["train"])
    column = table.column("cotBeta").to_numpy().copy()
    column[[3, 8]] = np.nan
    at = table.column_names.index("cotBeta")
    pq.write_table(table.set_column(at, "cotBeta", pa.array(column)), tmp_path / "holes.parquet")
    assert (
        train.main([*words, f"input_train={tmp_path / 'holes.parquet'}", "EPOCHS=1", "run_test=False"]) == 0
    )
    assert "2 of 1500 train events have a target that is no number" in caplog.text
    with pytest.raises(InputError, match="did you mean 'cotAlpha'"):
        open_images(files["train"]).targets(["cotGamma"])


@pytest.mark.slow
def test_a_search_tells_the_price_of_zeros_with_the_spread_of_the_seeds(
    words: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("optuna")
    base = tmp_path / "base.cfg"
    base.write_text("\n".join(_line(word) for word in words if not word.startswith("name=")))
    space = '{"constraints": [["zeros >= 0"], ["zeros == 0.4"]], "seed_number": [1, 2]}'
    asked = [f"base={base}", f"space={space}", "sampler=grid", "pruner=none", "name=price"]
    with caplog.at_level("INFO"):
        assert tune.main([*asked, f"output_dir={tmp_path}"]) == 0
    (folder,) = tmp_path.glob("tune_price*")
    assert (folder / "front.png").exists()
    table = rows_of(folder / "trials.csv")
    assert len(table) == 4
    for text in ("zeros >= 0", "zeros == 0.4"):
        (said,) = [line for line in caplog.messages if line.startswith(f"{text} (2 seeds): ")]
        mine = [row for row in table if text in row["constraints"]]
        losses = np.array([float(row["val_loss"]) for row in mine])
        assert f"NLL {losses.mean():.4f} ± {losses.std(ddof=1):.2g} (" in said
        share = np.mean([float(row["zeros"]) for row in mine])
        assert f"{100 * share:.1f} % of the weights 0" in said
    assert "(+0.0000), rms x-midplane" in next(line for line in caplog.messages if "zeros >= 0 (" in line)


def _line(word: str) -> str:
    """Return a word of the command line as a line of a cfg."""
    key, _, value = word.partition("=")
    return f"{key} = {value if value[0] in '[-0123456789' or value in ('True', 'False') else repr(value)}"


@pytest.mark.slow
def test_a_display_says_what_is_estimated_and_draws_electrons(
    words: list[str], files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train.main([*words, "EPOCHS=1"]) == 0
    weights = tmp_path / "DM-CNN_model_sp_best.ckpt"
    drawn: list[dict[str, Any]] = []

    def seen(image: np.ndarray[Any, Any], *_: object, **how: Any) -> Figure:
        drawn.append({"image": image, **how})
        return Figure()

    monkeypatch.setattr("dmcnn.displays.event.event_display", seen)
    asked = [f"input_file={files['test']}", f"weight_file={weights}", f"output_dir={tmp_path}", "format=png"]
    assert display.main([*asked, "-n", "7"]) == 0
    frames = open_images(files["test"], slices=[0, 19]).read(7, 8)
    np.testing.assert_array_equal([one["image"] for one in drawn], frames.dense()[0])

    assert infer.main([*asked[:3]]) == 0
    (path,) = tmp_path.glob("test_DM-CNN_scores*.csv")
    row = rows_of(path)[7]
    lines = drawn[0]["score"].replace("−", "-").split("\n")
    for name, line in zip(TARGETS, lines, strict=True):
        said = re.fullmatch(rf"{name}: (\S+) ± (\S+?)( µm)? \(true (\S+)\)", line)
        assert said, line
        one = float(row[f"sigma_{name}"])
        for text, column in zip(said.group(1, 2, 4), (name, f"sigma_{name}", f"true_{name}"), strict=True):
            assert float(text) == pytest.approx(float(row[column]), abs=0.06 * one)
    assert drawn[0]["label"].endswith("entry 7")
