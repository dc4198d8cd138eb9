"""The tune command: the best cfg trains the best network again, and no kill costs or adds a trial."""

from __future__ import annotations

import csv
import math
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import torch
from matplotlib.figure import Figure

from dmcnn import train, tune
from dmcnn.checkpoints.torch_file import read
from dmcnn.figures.save import save_figure
from dmcnn.models import MODELS
from dmcnn.settings.cfg import literal
from dmcnn.settings.command import load
from dmcnn.tuning.results import COLUMNS

BASE = """
input_train = "sample://calorimeter/train?events=32"
validation_fraction = 0.25
test_fraction = 0.25
label = "y"
classes = ["photon", "electron"]
signal = "electron"
loss = "cross_entropy"
model = "cnn3d"
filters_2 = 2
dense_1 = 4
learning_rate = 0.001
EPOCHS = 2
batch_size_train = 16
augment = False
crop = 8
GPUID = "cpu"
precision = "32"
save_every_step = 200
"""
SIZES = ("filters_2", "dense_1", "crop")
SPACE = '{"filters_1": [2, 4], "crop": [8, 12]}'


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """More would wait for each other in networks as small as these; of the figures, those of the search matter."""

    def save(figure: Figure, stem: Path, **_: str) -> list[Path]:
        return save_figure(figure, stem, ("png",)) if stem.parent.name == "tune" else []

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("dmcnn.figures.save.save_figure", save)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A cfg of train for a tiny network."""
    path = tmp_path / "base.cfg"
    path.write_text(BASE)
    return path


def words(cfg: Path, space: str = SPACE, **more: object) -> list[str]:
    given = {"base": cfg, "space": space, "sampler": "grid", "output_dir": cfg.parent / "out", **more}
    return [f"{key}={value}" for key, value in given.items()]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read(path)["state_dict"]
    return state


@pytest.mark.slow
def test_the_best_of_the_grid_is_known_and_trained_again(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(words(base, fraction_limit=0.5, pruner="none")) == 0
    out = tmp_path / "out" / "tune"
    rows = rows_of(out / "trials.csv")
    assert list(rows[0]) == [*COLUMNS, "filters_1", "crop", "val_auc", "state", "trial"]
    assert sorted(row["trial"] for row in rows) == ["0", "1"]
    assert len({(row["filters_1"], row["crop"]) for row in rows}) == 2
    assert [float(row["val_loss"]) for row in rows] == sorted(float(row["val_loss"]) for row in rows)
    for row in rows:
        metrics = rows_of(out / f"trial_{row['trial']}" / "DM-CNN_training_metrics.csv")
        best = min(metrics, key=lambda line: float(line["validation_loss"]))
        for ours, theirs in (
            ("loss", "train_loss"),
            ("val_loss", "validation_loss"),
            ("val_accuracy", "validation_accu"),
        ):
            assert row[ours] == best[theirs]
        assert row["round_epochs"] == "2"
    for name in ("history", "importance"):
        assert (out / f"{name}.png").stat().st_size > 1000
    network = out / f"trial_{rows[0]['trial']}" / "DM-CNN_model_best.ckpt"
    assert list(out.rglob("*.ckpt")) == [network]
    assert (
        train.main([str(out / "best.cfg"), f"weights_directory={tmp_path}", f"output_directory={tmp_path}"])
        == 0
    )
    (again,) = tmp_path.glob("*_best.ckpt")
    assert again.name == f"DM-CNN_model_tune_trial_{rows[0]['trial']}_best.ckpt"
    old, new = weights_of(network), weights_of(again)
    assert all(torch.equal(old[key], new[key]) for key in old)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    base.write_text(BASE.replace("EPOCHS = 2", "EPOCHS = 3"))
    assert tune.main(words(base, trials=4)) == 2
    assert "study 'tune' was made with EPOCHS = 2, now 3: choose another name" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_search_begun_without_validation_events_goes_on_so(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Trials of one search are compared by events of one kind."""
    base.write_text(BASE.replace("validation_fraction = 0.25", "validation_fraction = 0"))
    assert tune.main(words(base, trials=1, pruner="none")) == 0
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'out' / 'tune' / 'trials.db'}")
    study = optuna.load_study(study_name="tune", storage=storage)
    about = study.user_attrs["about"]
    study.set_user_attr("about", {key: text for key, text in about.items() if key != "validation_fraction"})
    base.write_text(BASE.replace("validation_fraction = 0.25\n", ""))
    caplog.clear()
    assert tune.main(words(base, trials=2, pruner="none")) == 0
    assert "the test events select the best trial and are biased" in caplog.text
    (row, *_) = rows_of(tmp_path / "out" / "tune" / "trial_1" / "DM-CNN_training_metrics.csv")
    assert "test_loss" in row
    assert "validation_fraction = 0.0" in (tmp_path / "out" / "tune" / "best.cfg").read_text()
    assert tune.main(words(base, trials=1, pruner="none", name="new")) == 0
    (row, *_) = rows_of(tmp_path / "out" / "tune_new" / "trial_0" / "DM-CNN_training_metrics.csv")
    assert "validation_loss" in row


@pytest.mark.slow
def test_it_works_for_every_model(base: Path, train_words: list[str], tmp_path: Path) -> None:
    base.write_text("\n".join(line for line in BASE.splitlines() if not line.startswith(SIZES)))
    names = sorted(set(MODELS) - {"mpid"})  # which takes 128 x 128 pixels and more
    assert tune.main(words(base, f'{{"model": {names!r}, "EPOCHS": [1]}}', pruner="none")) == 0
    toy = tmp_path / "toy.cfg"
    toy.write_text(load("train", train_words)[0].text("toy"))
    assert tune.main(words(toy, '{"model": ["mpid"], "EPOCHS": [1]}', name="toy")) == 0
    for name, count in (("tune", len(names)), ("tune_toy", 1)):
        rows = rows_of(tmp_path / "out" / name / "trials.csv")
        assert [row["state"] for row in rows] == ["complete"] * count
        assert all(math.isfinite(float(row["val_loss"])) for row in rows)


def in_turn(work: Callable[..., None], arguments: tuple[object, ...], count: int, _: Path) -> None:
    """Workers one after the other, in this process, which has imported torch: given what would be sent to others."""
    for number in range(count):
        task, sent = pickle.loads(pickle.dumps((work, arguments)))
        task(*sent, number)


@pytest.mark.slow
def test_a_killed_trial_goes_on_and_is_counted_once(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed with one worker, ended by two: the networks are those of trainings that nothing disturbed."""
    monkeypatch.setattr("dmcnn.tuning.workers.run_workers", in_turn)
    caplog.set_level("INFO", "dmcnn")
    given = words(base, '{"filters_1": [2, 3]}', name="x", pruner="none", keep_checkpoints=True)
    base.write_text(base.read_text().replace("EPOCHS = 2", "EPOCHS = 6"))
    out = tmp_path / "out" / "tune_x"
    last = out / "trial_0" / "DM-CNN_model_last.ckpt"
    run = subprocess.Popen(
        [sys.executable, "-m", "dmcnn.tune", *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not last.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    step = read(last)["progress"]["step"]
    assert 0 < step < 6, f"killed too late to test anything: after step {step}"
    base.write_text(
        base.read_text().replace("save_every_step = 200", "")
    )  # what changes no result may change
    assert tune.main([*given, "workers=2"]) == 0
    rows = rows_of(out / "trials.csv")
    assert sorted((row["trial"], row["state"], row["round_epochs"]) for row in rows) == [
        ("0", "complete", "6"),
        ("1", "complete", "6"),
    ]
    assert f"{last}: resuming after step {step}" in caplog.text
    assert "trial 0 goes on: filters_1 = " in caplog.text
    for row in rows:
        more = (
            f"filters_1={row['filters_1']}",
            f"weights_directory={tmp_path}",
            f"output_directory={tmp_path}",
        )
        assert train.main([str(base), *more, f"name={row['trial']}"]) == 0
        kept = out / f"trial_{row['trial']}"
        one = weights_of(kept / "DM-CNN_model_last.ckpt")
        two = weights_of(tmp_path / f"DM-CNN_model_{row['trial']}_last.ckpt")
        assert all(torch.equal(one[key], two[key]) for key in one)
        metrics = rows_of(tmp_path / f"DM-CNN_training_metrics_{row['trial']}.csv")
        assert rows_of(kept / "DM-CNN_training_metrics.csv") == metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"space": '{"filter_1": [2]}'}, "space: 'filter_1' cannot be searched (did you mean 'filters_1'?)"),
        ({"space": '{"filters_1": []}'}, "space: 'filters_1': an empty list"),
        ({"space": '{"filters_1": ["two", 2]}'}, "space: filters_1 must be int, got str"),
        ({"space": '{"filters_1": {"low": 1.5, "high": 4, "step": 1}}'}, "space: filters_1 must be int, got float"),
        ({"space": '{"drop_out": {"low": 0.5, "high": 1.5, "step": 0.5}}'}, "space: drop_out = 1.5: should be less"),
        ({"space": '{"learning_rate": {"low": 1, "hihg": 2}}'}, "unknown 'hihg' (did you mean 'high'?)"),
        ({"space": '{"model": ["cnn3d", "cnn3"]}'}, "did you mean 'cnn3d'"),
        ({"space": '{"model": ["calorimeter_resnet"]}'}, "model calorimeter_resnet takes no filters_2"),
        ({"space": '{"adc_lo": [1, 50], "adc_hi": [30, 60]}'}, "adc_lo = 50 is not below adc_hi = 30"),
        ({"space": '{"crop": {"low": 1, "high": 1e999, "step": 1}}'}, "expected numbers for low, high and step"),
        ({"space": '{"crop": {"low": 8, "high": 16, "step": 9}}'}, "step = 9, expected one that gives 2 to 1000"),
        ({"space": '{"crop": {"low": 8, "high": 16, "log": true}}'}, "space must be dict, got str"),
        ({"space": "{}"}, "space is empty"),
        ({"space": '{"name": ["a"]}'}, "space: 'name' cannot be searched"),
        ({"sampler": "tpe"}, "trials is missing"),
        ({"sampler": "best"}, "sampler = 'best' must be"),
        ({"trials": 2, "fraction_limit": 0.1}, "both give the number of trials"),
        ({"space": '{"learning_rate": {"low": 0.1, "high": 1}}'}, "needs choices or a step for learning_rate"),
        ({"base": "nosuch.cfg"}, "base: nosuch.cfg: no such file"),
        ({"storage": "nonsense"}, "storage ?:"),
    ],
)  # fmt: skip
def test_faults_are_told_before_any_trial(
    base: Path, more: dict[str, object], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(words(base, **more)) == 2  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert text in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("trial*"))


@pytest.mark.slow
def test_faults_of_the_base_and_of_the_data_are_one_line(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base.write_text(BASE.replace("EPOCHS = 2", "EPOCHS = 0.5\nlearning_rat = 1"))
    assert tune.main(words(base)) == 2
    error = capsys.readouterr().err
    assert f"{base}:13: EPOCHS must be int, got float" in error
    assert len(error.splitlines()) == 2
    base.write_text(BASE.replace('signal = "electron"', "").replace("events=32", "events=32&seed=7x"))
    assert tune.main(words(base, objective="val_auc")) == 2
    assert "needs a signal class" in capsys.readouterr().err
    assert tune.main(words(base)) == 2
    error = capsys.readouterr().err
    assert "seed = '7x', expected a whole number" in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("find_rate = True", "find_rate = True trains nothing"),
        ("ranks = 2", "a trial is one process; workers = n of tune runs n trials"),
        ("folds = 2", "a trial is one training, with the same validation events as all others"),
    ],
)
def test_a_base_that_is_no_single_training_is_refused(
    base: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base.write_text(
        BASE.replace("validation_fraction = 0.25\n", "" if "folds" in text else "\n") + text + "\n"
    )
    assert tune.main(words(base)) == 2
    assert capsys.readouterr().err == f"{base}: {text} cannot be searched: {reason}\n"


OPTIMISATION = """{
    "optimizer": ["adamw"], "weight_decay": {"low": 0.001, "high": 0.1, "log": True}, "warmup": [0.2],
    "accumulate": [2], "gradient_limit": {"low": 1, "high": 5}, "ema": [0.9], "schedule": ["step"],
    "schedule_epochs": [1, [1, 2]], "schedule_factor": {"low": 0.1, "high": 0.5}, "patience": [2],
}"""
LOSSES = """{
    "loss": ["focal"], "focal_gamma": {"low": 0, "high": 3}, "focal_alpha": [0.25, None],
    "class_weights": ["balanced", {"electron": 2.0}], "event_weight": [{"*train*": 2.0}], "augment_shift": [0.1],
    "augment_rot90": [True], "augment_mask": {"low": 0, "high": 0.2}, "seed": [True],
}"""


@pytest.mark.slow
@pytest.mark.parametrize(("space", "warned"), [(OPTIMISATION, False), (LOSSES, True)])
def test_keys_of_optimisation_loss_and_augmentation_are_searched(
    base: Path, space: str, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    space = " ".join(space.split())
    assert tune.main(words(base, space, sampler="random", trials=2, pruner="none")) == 0
    rows = rows_of(tmp_path / "out" / "tune" / "trials.csv")
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert len({tuple(row[key] for key in literal(space)) for row in rows}) == 2
    assert ("have another loss, and objective = 'val_loss'" in caplog.text) == warned
    best, _ = load("train", [str(tmp_path / "out" / "tune" / "best.cfg")])
    assert best.name == f"tune_trial_{rows[0]['trial']}"


def test_optuna_comes_with_an_extra(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune.main(words(base)) == 2
    assert capsys.readouterr().err == "optuna is not installed; it comes with: pip install 'dmcnn[tune]'\n"
