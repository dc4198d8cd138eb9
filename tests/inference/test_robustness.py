"""Shifts of scores under variations of the images: by the command, in any batches, shares and after interrupts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from dmcnn.figures import robustness
from dmcnn.figures.text import Figure
from dmcnn.images.variations import Variation
from dmcnn.inference import robustness as of_scoring
from dmcnn.metrics.classification import auc, auc_interval
from dmcnn.metrics.intervals import wilson
from dmcnn.tables import table
from inference.test_scoring import columns_of, place, run, stop, table_of

__all__ = ["place", "run", "stop"]

WORDS = ["rotate180", "charge*0.7", "dropout 0.3", "noise 5", "dead_wires 8"]
AUCS = ("auc", "auc_varied")
NAMES = ["rotate180", "charge_0.7", "dropout_0.3", "noise_5", "dead_wires_8"]


def floats(columns: dict[str, list[str]], name: str) -> Any:
    return np.array(columns[name], float)


@pytest.mark.slow
def test_scores_and_shifts_are_those_of_the_varied_images(run: Callable[..., int], tmp_path: Path) -> None:
    """A turn is that of the key rotation; the table of the scores is that without variations."""
    assert run(["a", "c"], robustness=WORDS) == 0
    assert run(["a", "c"], rotation=180, output_dir=tmp_path / "turned") == 0
    assert run(["a", "c"], output_dir=tmp_path / "plain") == 0
    assert table_of(tmp_path).read_bytes() == table_of(tmp_path / "plain").read_bytes()
    rows = columns_of(tmp_path / "file0_DM-CNN_robustness.csv")
    turned, plain = (columns_of(table_of(tmp_path / name)) for name in ("turned", "plain"))
    for end in "ac":
        assert rows[f"signal_score_{end}"] == plain[f"signal_score_{end}"]
        assert rows[f"signal_score_rotate180_{end}"] == turned[f"signal_score_{end}"]
        for name in NAMES:
            first, varied = floats(rows, f"signal_score_{end}"), floats(rows, f"signal_score_{name}_{end}")
            np.testing.assert_array_equal(floats(rows, f"signal_score_shift_{name}_{end}"), varied - first)
            assert (varied != first).any()
            changed = (varied >= 0.5) != (first >= 0.5)
            np.testing.assert_array_equal(floats(rows, f"signal_score_changed_{name}_{end}"), changed)
    assert rows["label"] == plain["label"]


@pytest.mark.slow
def test_the_summary_is_over_all_files(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(robustness, "score_shifts", lambda *words: drawn.append(words) or Figure())
    assert run(["a", "c"], robustness=WORDS, cut=0.52) == 0
    files = [columns_of(tmp_path / f"file{number}_DM-CNN_robustness.csv") for number in (0, 1)]
    summary = columns_of(tmp_path / "DM-CNN_robustness.csv")
    assert summary["network"] == ["a"] * 5 + ["c"] * 5
    assert summary["variation"] == NAMES * 2
    row = 5 + 2
    first, varied, is_signal = (
        np.concatenate([floats(one, f"{name}_c") for one in files])
        for name in ("signal_score", "signal_score_dropout_0.3", "is_signal")
    )
    assert int(summary["events"][row]) == 22
    assert float(summary["mean_shift"][row]) == pytest.approx((varied - first).mean())
    assert float(summary["rms_shift"][row]) == pytest.approx(((varied - first) ** 2).mean() ** 0.5)
    changed = wilson(((varied >= 0.52) != (first >= 0.52)).sum(), 22)
    for name, value in (
        ("changed", changed.value),
        ("changed_low", changed.low),
        ("changed_high", changed.high),
    ):
        assert float(summary[name][row]) == pytest.approx(float(value))
    areas = [auc(labels=is_signal == 1, scores=one) for one in (first, varied)]
    assert float(summary["auc"][row]) == pytest.approx(areas[0])
    assert float(summary["auc_varied"][row]) == pytest.approx(areas[1])
    change = float(summary["auc_change"][row])
    assert change == pytest.approx(areas[1] - areas[0])
    assert float(summary["auc_change_low"][row]) <= change <= float(summary["auc_change_high"][row])
    for name, scores in zip(AUCS, (first, varied), strict=True):
        interval = auc_interval(labels=is_signal == 1, scores=scores)
        limits = [float(summary[f"{name}_{end}"][row]) for end in ("low", "high")]
        assert limits == pytest.approx([float(interval.low), float(interval.high)])
    ((shifts, name, unit, areas),) = drawn
    assert (list(shifts), name, unit) == (WORDS, "signal score", "")
    np.testing.assert_array_equal(shifts["dropout 0.3"]["c"], varied - first)
    numbers = [[float(summary[f"{name}{end}"][row]) for end in ("", "_low", "_high")] for name in AUCS]
    assert areas["dropout 0.3"]["c"] == numbers
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"DM-CNN_robustness_signal_score.{suffix}").exists()


def test_each_target_of_a_regression_has_a_figure() -> None:
    """With its unit, and with no AUC; events without an estimate are left out."""
    columns = {name: ["1.0", "2.0", ""] for name in ("x-midplane", "cotAlpha")}
    columns |= {f"{name}_flip_x": ["1.5", "1.0", "3.0"] for name in ("x-midplane", "cotAlpha")}
    columns |= {f"{name}_shift_flip_x": ["0.5", "-1.0", ""] for name in ("x-midplane", "cotAlpha")}
    tables, vary = [table.Table.from_columns(columns)] * 2, [Variation.parse("flip_x")]
    found = of_scoring.figures(tables, of_scoring.summary(tables, vary), vary)
    labels = {name: figure.axes[0].get_xlabel() for name, figure in found.items()}
    assert labels == {"x-midplane": "Shift of x-midplane [µm]", "cotAlpha": "Shift of cotAlpha"}
    for figure in found.values():
        (axes,) = figure.axes
        assert [text.get_text().split()[:2] for text in axes.texts] == [["rms", "0.79"]]
        drawn = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
        assert drawn[-1].get_data().values.sum() == 4


@pytest.mark.slow
def test_random_variations_do_not_depend_on_batches_shares_or_interrupts(
    run: Callable[..., int], tmp_path: Path, stop: Callable[[int], Any]
) -> None:
    keys = {"robustness": WORDS, "batch_size": 4}
    files = ["file0_DM-CNN_robustness.csv", "file1_DM-CNN_robustness.csv", "DM-CNN_robustness.csv"]
    assert run(["a", "c"], output_dir=tmp_path / "whole", **keys) == 0
    assert run(["a", "c"], output_dir=tmp_path / "one", **{**keys, "batch_size": 3}) == 0
    for name in files[:2]:
        whole, one = (table.read(tmp_path / folder / name) for folder in ("whole", "one"))
        for column in [name for name in whole.columns if name.startswith("signal_score")]:
            np.testing.assert_allclose(whole.numbers(column), one.numbers(column), atol=1e-4)
    for number in range(2):
        assert run(["a", "c"], share=f"{number}/2", **keys) == 0
    assert run(["a", "c"], check_shares=True, **keys) == 0
    stop(5)
    assert run(["a", "c"], output_dir=tmp_path / "again", **keys) == 130
    assert run(["a", "c"], output_dir=tmp_path / "again", **keys) == 0
    for name in files:
        for folder in (tmp_path, tmp_path / "again"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert run(["a", "c"], output_dir=tmp_path / "again", **{**keys, "seed_number": 2}) == 0
    again = table.read(tmp_path / "again" / files[0])
    whole = table.read(tmp_path / "whole" / files[0])
    assert again.column("signal_score_noise_5_a") != whole.column("signal_score_noise_5_a")
    assert again.column("signal_score_rotate180_a") == whole.column("signal_score_rotate180_a")


def test_a_word_that_is_no_variation_is_told(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("a", robustness=["rotate90", "dropouts 0.1"]) == 2
    fault = capsys.readouterr().err
    assert fault.count("\n") == 1
    assert "'dropouts 0.1' (did you mean 'dropout 0.05'?), expected one like rotate90" in fault
