"""Gain of ResNet34 with GroupNorm over MPID on the built-in sample: ``python benchmarks/resnet34.py [key=value …]``.

Both are trained with seeds 1, 2, 3 as in their cfg files, and the best weights score the same test events. Written as
JSON are the AUC of every training with its 95 % interval, the difference of every seed (events are paired, DeLong),
and the mean difference with Student's interval over the seeds. That interval holds the spread of the trainings, not
that of the test events, which are the same in all.

Keys are those of ``train``, of both networks (``EPOCHS=4``, ``input_train='sample://dark-trident/train?events=6000'``),
or seeds=5 and folder=outputs/resnet34. What is trained is not trained again: the same command goes on.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from dmcnn import infer, train
from dmcnn.metrics.classification import auc_interval
from dmcnn.metrics.paired import auc_covariance, compare_aucs
from dmcnn.settings.cfg import read_cfg
from dmcnn.tables import table

CFG = Path(__file__).parents[1] / "cfg"
CFGS = {"mpid": CFG / "training_config.cfg", "resnet34_gn": CFG / "training_resnet34.cfg"}


def test_scores(
    name: str, seed: int, folder: Path, words: list[str]
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Train a network, or take the trained one; return the (n,) true classes and signal scores of the test events."""
    tag, begin = f"{name}_{seed}", time.monotonic()
    places = [f"weights_directory={folder}", f"output_directory={folder}"]
    own = [f"seed_number={seed}", f"name={tag}", *places]
    if train.main([str(CFGS[name]), *words, *own]) != 0:
        sys.exit(f"{tag}: the training failed")
    sys.stdout.write(f"{tag}: {time.monotonic() - begin:.0f} s of training\n")
    given = dict(word.split("=", 1) for word in words)
    stated = {entry.key: entry.value for entry in read_cfg(CFGS[name])[0]}
    files = given.get("input_test", stated["input_test"])
    asked = {
        "input_file": files, "weight_file": folder / f"DM-CNN_model_{tag}_best.ckpt", "output_dir": folder / tag,
        "GPUID": given.get("GPUID", ""), "engine": given.get("engine", "auto"),
    }  # fmt: skip
    if infer.main([f"{key}={value}" for key, value in asked.items() if value != ""]) != 0:
        sys.exit(f"{tag}: scoring failed")
    (path,) = (folder / tag).glob("*_DM-CNN_scores*.csv")
    rows = table.read(path)
    return np.array(rows.column("label")), np.array(rows.column("signal_score"), np.float64)


def gain(seeds: int, folder: Path, words: list[str]) -> dict[str, object]:
    """Return the AUCs of all trainings, the differences by seed, and the mean difference with its interval."""
    result: dict[str, object] = {"auc": {}, "difference": []}
    means = []
    for seed in range(1, seeds + 1):
        scores = {}
        for name in CFGS:
            label, scores[name] = test_scores(name, seed, folder, words)
            area = auc_interval(labels=label == "signal", scores=scores[name])
            result["auc"][f"{name}_{seed}"] = [float(area.value), float(area.low), float(area.high)]  # type: ignore[index]
        is_signal = label == "signal"
        both = np.stack([scores["resnet34_gn"], scores["mpid"]])
        difference = compare_aucs(*auc_covariance(both[:, is_signal], both[:, ~is_signal]), 0, 1)
        means.append(float(difference.difference.value))
        ends = float(difference.difference.low), float(difference.difference.high)
        result["difference"].append([means[-1], *ends, difference.p_value])  # type: ignore[attr-defined]
    if seeds > 1:
        half = student.ppf(0.975, seeds - 1) * np.std(means, ddof=1) / np.sqrt(seeds)
        result["mean_difference"] = [float(np.mean(means) + side * half) for side in (0, -1, 1)]
    return result


def main(argv: list[str]) -> None:
    """Train, score, compare and print."""
    own = {"seeds": "3", "folder": "outputs/resnet34"}
    given = dict(word.split("=", 1) for word in argv)
    seeds, folder = (given.pop(key, default) for key, default in own.items())
    result = gain(int(seeds), Path(folder), [f"{key}={value}" for key, value in given.items()])
    path = Path(folder) / "gain.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(path.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
