"""Model card of a training: errors of its numbers, and what it publishes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from conftest import toy_images
from dmcnn._common.environment import facts, git_commit, without_folders
from dmcnn.checkpoints.card import Card
from dmcnn.reports.model_card import markdown
from dmcnn.tasks import task_of
from dmcnn.training.model_card import standard_errors, write_card


def test_jackknife_gives_the_binomial_error_and_that_of_a_mean() -> None:
    card = Card("mpid", {"num_class": 2}, ["signal", "background"], "signal", "sigmoid", {})
    images = toy_images(400, 3, side=64)
    label = (np.arange(400) % 2).astype(np.int64)
    random = np.random.default_rng(5)
    logit = random.normal(1.0, 1.0, 400) * (1 - 2 * label)
    outputs = np.stack([logit, -logit], axis=1)
    images = type(images)(**{**vars(images), "label": label})
    errors = standard_errors(task_of(card), nn.Identity(), outputs, images)
    share = float((logit * (1 - 2 * label) >= 0).mean())
    assert errors["accuracy"] == pytest.approx((share * (1 - share) / 400) ** 0.5, rel=0.4)
    loss = np.log1p(np.exp(-logit * (1 - 2 * label)))  # of either logit
    assert errors["loss"] == pytest.approx(loss.std() / 20, rel=0.4)
    assert "events" not in errors


def test_paths_lose_their_folders_and_nothing_else() -> None:
    text = (
        "a = '/home/me/x.root'\nb = [\"~/y.h5\", 'rel/z.h5', 'sample://lariat/train?events=3']\n"
        "c = 'C:\\\\d\\\\w.h5'"
    )
    assert without_folders(text) == (
        "a = 'x.root'\nb = [\"y.h5\", 'rel/z.h5', 'sample://lariat/train?events=3']\nc = 'w.h5'"
    )


def test_environment_names_the_commit_and_changes(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *who, "-C", str(tmp_path), *words], check=True, capture_output=True,
                              text=True).stdout.strip()  # fmt: skip

    assert git_commit(tmp_path) == ""
    git("init")
    (tmp_path / "analysis.py").write_text("1\n")
    git("add", ".")
    git("commit", "-m", "first")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "analysis.py").write_text("2\n")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD") + "+changes"
    assert {"system", "cpu"} <= facts().keys()


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    card = {
        "name": "a|b", "remarks": ["too good"], "reading": {}, "environment": {}, "settings": {}, "files": [],
        "model": {"name": "mpid", "parameters": 3, "trainable": 2, "arguments": {}, "outputs": ["x"],
                  "task": "regression", "activation": "none", "signal": None, "scaling": "none"},
        "training": {"loss": "gaussian_nll", "seed": 1, "steps": 4, "steps_per_epoch": 2},
        "samples": {"test": {"role": "judge", "events": 2, "content": "rms of x 1 | 2"}},
        "metrics": {"loss": {"value": 0.5, "error": float("nan")}, "auc": {"value": float("nan")}},
    }  # fmt: skip
    write_card(tmp_path / "card", card)
    stored = json.loads((tmp_path / "card.json").read_text(), parse_constant=pytest.fail)
    assert stored["metrics"] == {"loss": {"value": 0.5, "error": None}, "auc": {"value": None}}
    text = (tmp_path / "card.md").read_text()
    assert "| loss | 0.5 |  |  |" in text
    assert "1 \\| 2" in text
    assert markdown(stored) + "\n" == text
