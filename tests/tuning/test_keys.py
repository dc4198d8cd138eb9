"""Every key of train in a search: drawn, the same for all trials, or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dmcnn._common.errors import InputError
from dmcnn.settings import TrainSettings
from dmcnn.settings.command import load
from dmcnn.tuning.space import normalise, samples, storable

BASE: dict[str, Any] = {
    "input_train": "sample://calorimeter/train?events=32", "test_fraction": 0.25, "validation_fraction": 0.25,
    "label": "y", "classes": ["photon", "electron"], "signal": "electron", "loss": "cross_entropy", "model": "cnn3d",
    "learning_rate": 0.001, "EPOCHS": 2,
}  # fmt: skip
TARGETS: dict[str, Any] = {
    "label": None, "classes": None, "signal": None, "loss": "gaussian_nll", "targets": ["x-midplane"],
    "augment": False,
}  # fmt: skip
CONSTRAINED = {**TARGETS, "constraints": ["zeros >= 0.5"]}
REAL, WHOLE = {"low": 0.1, "high": 0.5}, {"low": 1, "high": 4, "step": 1}

SEARCHED: dict[str, tuple[Any, dict[str, Any]]] = {
    "adc_lo": ({"low": 1, "high": 10}, {"adc_hi": 500.0}),
    "adc_hi": ([100.0, 500.0], {}),
    "xdim": (WHOLE, {"ydim": 8}),
    "ydim": (WHOLE, {"xdim": 8}),
    "roi": (["most_charge", "centroid"], {}),
    "rows_per_pixel": (WHOLE, {}),
    "row_merge": (["sum", "mean", "max"], {}),
    "bad_pixels": (["zero", "stop"], {}),
    "producer": (["wire", "other"], {}),
    "plane": ([2, [0, 1, 2]], {}),
    "image_index": ([0, [0, 1]], {}),
    "particles": (["segment", "mc"], {}),
    "vertex_csv": ([["base.cfg"]], {}),
    "vertex_columns": ([["x", "y", "z"]], {}),
    "vertex_projection": ([{0: [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 2.0]]}], {}),
    "tick_order": (["ascending", "descending"], {}),
    "product": (["image2d", "sparse2d"], {}),
    "view": (["frames", "energy_time"], {}),
    "crop": (WHOLE, {}),
    "energy_min": (REAL, {}),
    "time_lo": (REAL, {}),
    "time_hi": (REAL, {}),
    "time_edges": ([[0.0, 1.0, 2.0], [0.0, 2.0, 3.0]], {}),
    "cumulative": ([True, False], {}),
    "slices": ([[0, 1], [0]], {}),
    "window": ([[13, 21]], {}),
    "charge": (["electrons", "standardised"], {}),
    "charge_mean": (REAL, {}),
    "charge_std": ({"low": 1, "high": 3}, {}),
    "charge_high": ({"low": 1, "high": 3}, {}),
    "charge_low": ([0.1, 0.2], {}),
    "charge_percentile": ([95.0, 99.0], {}),
    "charge_clip": ([[0.0, 1.0]], {}),
    "charge_bits": ([4, 6], {}),
    "charge_noise": (REAL, {}),
    "charge_seed": (WHOLE, {}),
    "charge_thresholds": ([[400.0, 1600.0, 2400.0]], {}),
    "contained": (REAL, {}),
    "reader": (["own:Reader"], {}),
    "reader_options": ([{"a": 1}], {"reader": "own:Reader"}),
    "GPUID": (["cpu", ""], {}),
    "learning_rate": ({"low": 1e-4, "high": 0.1, "log": True}, {}),
    "EPOCHS": (WHOLE, {}),
    "optimizer": (["adam", "adamw", "sgd", "nadam"], {}),
    "momentum": (REAL, {"optimizer": "sgd"}),
    "nesterov": ([True, False], {"optimizer": "sgd", "momentum": 0.9}),
    "weight_decay": ({"low": 1e-4, "high": 0.1, "log": True}, {"optimizer": "adamw"}),
    "schedule": (["constant", "cosine"], {}),
    "schedule_start": (REAL, {"schedule": "cosine"}),
    "schedule_factor": (REAL, {"schedule": "step", "schedule_epochs": 2}),
    "schedule_epochs": ([2, [1, 3]], {"schedule": "step"}),
    "schedule_patience": (WHOLE, {"schedule": "plateau"}),
    "warmup": (REAL, {}),
    "accumulate": (WHOLE, {}),
    "weight_limit": ([1.0, None], {}),
    "gradient_limit": ({"low": 1, "high": 5}, {}),
    "l1_weights": (REAL, {}),
    "l2_weights": (REAL, {}),
    "l2_activity": (REAL, {}),
    "ema": ([None, 0.99], {}),
    "patience": (WHOLE, {}),
    "compile": ([True, False], {}),
    "start_weights": (["a.ckpt", "b.ckpt"], {}),
    "freeze": ([["conv*"], ["conv1"]], {}),
    "norm": (["batch", "group"], {"model": "calorimeter_resnet"}),
    "resnet_norm": (["bn", "gn"], {"model": "resnet18"}),
    "gn_groups": ([4, 8], {"model": "resnet18", "resnet_norm": "gn"}),
    "model": (["cnn3d", "calorimeter_resnet"], {}),
    "model_arguments": ([{"depth": 2}, {"depth": 3}], {}),
    "drop_out": (REAL, {}),
    "filters_1": (WHOLE, {}),
    "filters_2": (WHOLE, {}),
    "kernel_1": (WHOLE, {}),
    "kernel_2": (WHOLE, {}),
    "pool": (WHOLE, {}),
    "dense_1": (WHOLE, {}),
    "dense_2": (WHOLE, {}),
    "activation": (["relu", "elu"], {}),
    "resnet_pretrained": ([False], {}),
    "l2": (REAL, {}),
    "bits_1": ([0, 5], {}),
    "bits_2": (WHOLE, {}),
    "loss": (["bce", "cross_entropy", "focal"], {}),
    "focal_gamma": (REAL, {"loss": "focal"}),
    "focal_alpha": (REAL, {"loss": "focal"}),
    "label_smoothing": (REAL, {}),
    "class_weights": (["balanced", [1.0, 2.0], {"electron": 3.0}], {}),
    "event_weight": ([{"*train*": 2.0}, None], {}),
    "event_weight_csv": ([["base.cfg"]], {"event_weight": "w"}),
    "target_scales": (["fixed", "percentile", [2.0]], TARGETS),
    "pitch": ([[50.0, 12.5]], {**TARGETS, "target_scales": "pitch"}),
    "diagonal": (["softplus", "relu"], TARGETS),
    "covariance": (["full", "diagonal"], TARGETS),
    "constraints": ([["zeros >= 0.5"], ["zeros >= 0.7"]], TARGETS),
    "constraint_rate": (REAL, CONSTRAINED),
    "constraint_damping": (REAL, CONSTRAINED),
    "constraint_warmup": (REAL, CONSTRAINED),
    "input_train": ([BASE["input_train"], "sample://calorimeter/train?events=16"], {}),
    "events_train": ([[0, 16], [0, 32]], {}),
    "scaling": (["none", "minmax"], {}),
    "augment": ([True, False], {}),
    "augment_shift": (REAL, {}),
    "augment_rotation": ({"low": 1, "high": 10}, {}),
    "augment_rot90": ([True, False], {"augment": False}),
    "augment_charge": (REAL, {}),
    "augment_dead_wires": (REAL, {}),
    "augment_noise": (REAL, {}),
    "augment_mask": (REAL, {}),
    "batch_size_train": (WHOLE, {}),
    "batch_size_test": (WHOLE, {}),
    "test_every_step": (WHOLE, {}),
    "save_every_step": (WHOLE, {}),
    "seed": ([True, False], {}),
    "seed_number": (WHOLE, {}),
    "cache": (["memory"], {}),
    "precision": (["32", "bf16", "fp16"], {}),
}
"""Key -> values that a search draws, and other keys of the base without which they contradict it."""

REFUSED = {
    "name", "engine", "find_rate", "folds", "fold", "ranks", "tensorboard", "run_test", "save_weights", "resume",
    "weights_directory", "output_directory", "input_test", "input_validation", "test_fraction", "validation_fraction",
    "events_validation", "events_test", "test_events_nums", "num_class", "classes", "signal", "label", "targets",
}  # fmt: skip
"""Keys that no search draws."""


def test_no_key_falls_through() -> None:
    assert set(TrainSettings.model_fields) == set(SEARCHED) | REFUSED
    assert not set(SEARCHED) & REFUSED


@pytest.mark.parametrize("key", SEARCHED)
def test_every_value_reaches_the_training(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value passes through the text that a trial is given, and Optuna tells it from all others."""
    monkeypatch.chdir(tmp_path)
    Path("base.cfg").write_text("")
    choice, others = SEARCHED[key]
    search, _ = load("tune", ["base=base.cfg", "trials=2", f"space={ {key: choice}!r}"])
    drawn = list(samples(normalise(search.model_dump()["space"])))
    assert len({storable(values[key]) for values in drawn}) == len(drawn)
    for values in drawn:
        given = {**BASE, **others, **values}
        words = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        trial, _ = load("train", words)
        assert getattr(trial, key) == values[key] or values[key] is None
        assert isinstance(values[key], float) >= isinstance(getattr(trial, key), float)


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_a_refusal_names_the_reason(key: str, tmp_path: Path) -> None:
    (tmp_path / "base.cfg").write_text("")
    with pytest.raises(InputError) as caught:
        load("tune", [f"base={tmp_path / 'base.cfg'}", "trials=2", f"space={ {key: [1, 2]}!r}"])
    (line,) = caught.value.faults
    assert f"space: {key!r} cannot be searched: {TrainSettings.untunable(key)}" in line
    assert len(TrainSettings.untunable(key)) > 10
