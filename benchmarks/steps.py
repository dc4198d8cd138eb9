"""Timing of training steps: overhead of the loop over the arithmetic of a very small network."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import numpy as np
import torch
from timing import Timing, paired
from torch import nn

from dmcnn.checkpoints.card import Card
from dmcnn.images.sparse import sparse
from dmcnn.losses.classification import cross_entropy
from dmcnn.tasks import Classification
from dmcnn.training.batches import Batches
from dmcnn.training.loop import Progress, fit
from dmcnn.training.optimiser import Recipe

STEPS, BATCH, SIDE = 1000, 4, 8


def overhead(rounds: int = 5) -> list[Timing]:
    """Time 1000 steps on batches of 4 images of 8 x 8, and the same arithmetic in a bare loop of torch.

    The difference of the two times is 1000 times the overhead of a step: batches, seeds, sums and the bar. Where a
    bare step takes 0.33 ms, the target is an overhead of 1 ms.
    """
    dense = np.random.default_rng(1).uniform(1, 2, (100 * BATCH, 1, SIDE, SIDE)).astype(np.float32)
    images = replace(sparse(dense), label=np.arange(len(dense)) % 2)
    batches = Batches(images, BATCH, epochs=STEPS // 100, seed=1, augment=True)
    recipe, cpu = Recipe(0.001, gradient_limit=1.0), torch.device("cpu")
    task = Classification(Card("tiny", {}, ["a", "b"], None, "softmax", {}), cross_entropy)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2))

    def ours() -> None:
        """Train with the loop of dmcnn."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            fit(
                net, batches, task=task, recipe=recipe, seed=1, device=cpu, precision="32",
                progress=Progress(), after_step=lambda _: False,
            )  # fmt: skip

    def bare() -> None:
        """Train with a bare loop of torch."""
        pixels, labels = batches.batch(0)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
        for _ in range(STEPS):
            loss = cross_entropy(net(pixels), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()

    return [
        paired(
            f"training, {STEPS} steps of a very small network",
            "bare loop of torch",
            ours,
            bare,
            rounds=rounds,
            target=0.25,
        )
    ]
