"""Several processes train as one: their parts of a batch, and a training of two that is killed and goes on as one."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn import train
from dmcnn._common.errors import InputError
from dmcnn._common.process import has_ended
from dmcnn._common.process import name as process_name
from dmcnn.images.sparse import SparseImages
from dmcnn.training.batches import Batches
from dmcnn.training.local_ranks import _faults
from dmcnn.training.ranks import ENDED, Ranks, _backend, connect, gpuid

AUGMENTATION: dict[str, Any] = {
    "augment": True, "shift": (5, 5), "rotation": 20.0, "noise": 2.0, "mask": 0.1, "scaling": "minmax",
}  # fmt: skip


def labelled(events: int) -> SparseImages:
    images = toy_images(events, 4, side=64)
    return type(images)(**{**vars(images), "label": (np.arange(events) % 2).astype(np.int64)})


@pytest.mark.parametrize("count", [2, 3, 8])
def test_parts_of_all_ranks_are_the_batch_of_one_process(count: int) -> None:
    images = labelled(11)
    whole = Batches(images, 5, epochs=2, seed=3, **AUGMENTATION)
    ranks = [Ranks(number, count) for number in range(count)]
    parts = [Batches(images, 5, epochs=2, seed=3, ranks=rank, **AUGMENTATION) for rank in ranks]
    assert {part.total for part in parts} == {whole.total}
    for step in range(whole.total):
        pixels, labels = whole.batch(step)
        own = [part.batch(step) for part in parts]
        assert all(torch.equal(labels, other) for _, other in own)
        rows = [rank.rows(len(labels)) for rank in ranks]
        assert all(len(each) >= 1 for each, _ in own)  # also where a rank has no row
        given = [each[: row.stop - row.start] for (each, _), row in zip(own, rows, strict=True)]
        assert torch.equal(torch.cat(given), pixels)


@pytest.mark.parametrize("count", [2, 5])
def test_ranks_share_every_part_of_a_step(count: int) -> None:
    images = labelled(11)
    pixels, _ = Batches(images, 8, epochs=1, seed=3, **AUGMENTATION).batch(0)
    ranks = [Ranks(number, count) for number in range(count)]
    own = [
        Batches(images, 8, epochs=1, seed=3, ranks=rank, part=3, **AUGMENTATION).batch(0)[0] for rank in ranks
    ]
    at = [0] * count
    for start in (0, 3, 6):
        stop, found = min(start + 3, 8), []
        for number, rank in enumerate(ranks):
            part, rows = list(rank.parts(8, 3))[start // 3]
            assert part == slice(start, stop)
            share = rank.rows(stop - start)
            found.append(own[number][at[number] : at[number] + share.stop - share.start])
            at[number] += rows.stop - rows.start
        assert torch.equal(torch.cat(found), pixels[start:stop])
    assert at == [len(each) for each in own]


@dataclass(frozen=True)
class Pair(Ranks):
    """First of two ranks, to whose sums the other adds what a test says."""

    other: torch.Tensor | None = None

    def _sum_(self, tensor: torch.Tensor) -> None:
        assert self.other is not None
        tensor += self.other


def test_mean_of_the_gradients_is_that_of_the_loss_of_the_whole_batch() -> None:
    """Of a loss that is no mean over events, with a penalty on the weights, on parts of different sizes."""
    random = torch.Generator().manual_seed(1)
    images, net = torch.randn(5, 3, generator=random), torch.nn.Linear(3, 2)

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        return outputs.square().mean().sqrt() + net.weight.square().sum()

    loss(net(images)).backward()
    expected = [weight.grad.clone() for weight in net.parameters() if weight.grad is not None]
    outputs = net(images).detach()
    gradients = []
    for number, rows in enumerate((slice(0, 2), slice(2, 5))):
        net.zero_grad()
        rest = outputs.clone()
        rest[rows] = 0
        ranks = Pair(number, 2, rest)
        assert ranks.rows(5) == rows
        whole = ranks.gather(net(images[rows]), 5)
        torch.testing.assert_close(whole, outputs)
        loss(whole).backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in net.parameters()]))  # type: ignore[union-attr]
    Pair(1, 2, gradients[0]).join_gradients(net, 5)
    for weight, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


@pytest.mark.parametrize(
    ("variables", "message"),
    [({"WORLD_SIZE": "2"}, "RANK is not set"), ({"WORLD_SIZE": "two"}, "expected a whole number")],
)
def test_variables_that_start_no_rank(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message), connect():
        pass


@pytest.mark.parametrize(
    ("gpus", "asked", "backend", "own"),
    [(0, "", "gloo", ""), (1, "", "gloo", "0"), (2, "", "cpu:gloo,cuda:nccl", "1"), (2, "0", "gloo", "0")],
)
def test_every_rank_has_a_gpu_of_its_own_if_there_are_enough(
    gpus: int, asked: str, backend: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert (_backend(asked), gpuid(asked)) == (backend, own)
    assert chosen == ([1] if "nccl" in backend else [])


def start(words: list[str], count: int) -> list[subprocess.Popen[str]]:
    """Start the ranks of a training as torchrun does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "dmcnn.train", *words],
            env={
                **os.environ,
                **{k: str(v) for k, v in common.items()},
                "RANK": str(n),
                "LOCAL_RANK": str(n),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]


def rows(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open() as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_ranks_train_as_one_and_a_killed_one_ends_the_other(
    train_words: list[str], tmp_path: Path
) -> None:
    plain = ["drop_out=0", "optimizer=sgd", "learning_rate=0.002", "batch_size_train=3", "accumulate=2",
             "class_weights={'signal': 3.0}", "ema=0.5", "batch_size_test=2", "validation_fraction=0.4",
             "save_every_step=1"]  # fmt: skip
    alone, shared = (
        [*train_words, *plain, f"weights_directory={tmp_path / one}", f"output_directory={tmp_path / one}"]
        for one in ("alone", "shared")
    )
    assert train.main([*alone, "EPOCHS=4"]) == 0
    table = "DM-CNN_training_metrics_toy.csv"
    ranks = start([*shared, "EPOCHS=1000"], 2)
    limit = time.monotonic() + 60
    while len(rows(tmp_path / "shared" / table)) < 1 and time.monotonic() < limit:
        time.sleep(0.02)
    ranks[1].send_signal(signal.SIGKILL)
    out, fault = ranks[0].communicate(timeout=60)
    silent, _ = ranks[1].communicate()
    assert ranks[0].returncode == 2
    (line,) = fault.strip().splitlines()
    assert line.startswith("another process of this training has ended")
    assert "training events" in out
    assert silent == ""
    expected = rows(tmp_path / "alone" / table)
    done = len(rows(tmp_path / "shared" / table))
    assert 1 <= done < len(expected) == 4
    assert train.main([*shared, "EPOCHS=4"]) == 0  # with another number of ranks
    found = rows(tmp_path / "shared" / table)
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    for nth, (row, other) in enumerate(zip(found, expected, strict=True)):
        # the rounding of two ranks, 1e-8, grows with every step: MPID divides by widths of nearly empty channels
        assert row == pytest.approx(other, rel=1e-4 if nth else 1e-6)


@pytest.mark.slow
def test_two_killed_ranks_go_on_as_without_a_break(train_words: list[str], tmp_path: Path) -> None:
    """Bit for bit, random numbers of dropout and augmentation included."""
    more = [
        "batch_size_train=3",
        "validation_fraction=0.4",
        "augment=True",
        "save_every_step=1",
        "ranks=2",
        "EPOCHS=3",
    ]
    whole, broken = (
        [*train_words, *more, f"weights_directory={tmp_path / one}", f"output_directory={tmp_path / one}"]
        for one in ("whole", "broken")
    )
    assert train.main(whole) == 0
    table = "DM-CNN_training_metrics_toy.csv"
    ranks = start([word for word in broken if word != "ranks=2"], 2)
    limit = time.monotonic() + 60
    while len(rows(tmp_path / "broken" / table)) < 1 and time.monotonic() < limit:
        time.sleep(0.02)
    for rank in ranks:
        rank.kill()
        rank.communicate()
    assert 1 <= len(rows(tmp_path / "broken" / table)) < 3
    assert train.main(broken) == 0
    for name in (table, "DM-CNN_training_test_scores_toy.csv"):
        assert (tmp_path / "broken" / name).read_text() == (tmp_path / "whole" / name).read_text()


@pytest.mark.slow
def test_the_command_starts_the_other_ranks_itself(
    train_words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a network of the user's own, which fails on the second rank in the second training."""
    (tmp_path / "own.py").write_text(
        "import os\nfrom torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self, num_class, channels, height, width):\n"
        "        super().__init__()\n        self.out = nn.Linear(channels * height * width, num_class)\n"
        "    def forward(self, images):\n"
        "        if os.environ.get('FAIL') and os.environ.get('RANK') == '1' and len(images) != 2:\n"
        "            raise RuntimeError('out of memory')\n"
        "        return self.out(images.flatten(1) / 1000)\n"
    )
    monkeypatch.chdir(tmp_path)
    words = [*train_words, "model=own:Net", "ranks=2", "EPOCHS=1"]
    assert train.main(words) == 0
    assert not {"WORLD_SIZE", "RANK", "MASTER_PORT"} & set(os.environ)
    assert len(rows(tmp_path / "out" / "DM-CNN_training_metrics_toy.csv")) == 1
    capsys.readouterr()
    monkeypatch.setenv("FAIL", "1")
    assert train.main([*words, "name=other"]) == 2
    assert "rank 1 of this training: not enough memory" in capsys.readouterr().err
    assert train.main([*words, "name=more", "input_test=nowhere.h5"]) == 2


RANK_THAT_WAITS = """
import multiprocessing, time
from functools import partial
from dmcnn.training.local_ranks import local_ranks
with local_ranks(partial(time.sleep, 600), 2):
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(600)
"""


def test_ranks_end_with_the_first_also_before_they_are_connected() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RANK_THAT_WAITS], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        number = int(first.stdout.readline())
        other = process_name(number)
        assert not has_ended(other)
        first.kill()
    deadline = time.monotonic() + 60
    try:
        while not has_ended(other):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        if not has_ended(other):
            os.kill(number, signal.SIGKILL)


def test_the_fault_of_a_lost_rank_is_its_own(tmp_path: Path) -> None:
    class Ended:
        def __init__(self, exitcode: int | None) -> None:
            self.exitcode, (self.sentinel, end) = exitcode, os.pipe()
            os.close(end)

    logs = [tmp_path / name for name in "ab"]
    logs[0].write_text(f"{ENDED} or cannot be reached; goes on\n")
    for code, text, expected in (
        (2, "x.root: no such file\n", ["rank 2 of this training: x.root: no such file"]),
        (-9, "", ["rank 2 of this training was ended by SIGKILL"]),
        (2, logs[0].read_text(), []),
    ):
        logs[1].write_text(text)
        processes: Any = [Ended(2), Ended(code)]
        assert list(_faults(processes, logs)) == expected
        for process in processes:
            os.close(process.sentinel)


def test_ranks_that_do_not_fit(
    train_words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert train.main([*train_words, "ranks=2"]) == 2
    assert "ranks = 2, but 3 processes were started" in capsys.readouterr().err
