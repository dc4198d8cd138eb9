"""Recipes of docs/farms.md, as they stand there, with processes of this machine in the place of a farm."""

from __future__ import annotations

import csv
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import ROOT
from dmcnn.checkpoints.card import KEY, Card
from examples import blocks

PAGE = (ROOT / "docs" / "farms.md").read_text()
SIDE, EVENTS = 24, 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the shipped cfg for five tiny images, and programs that a farm has."""
    torch.manual_seed(1)
    draw = np.random.default_rng(1)
    (tmp_path / "npy").mkdir()
    for number in range(EVENTS):
        image = draw.uniform(1, 9, (SIDE, SIDE)) * (draw.random((SIDE, SIDE)) < 0.03)
        np.save(
            tmp_path / "npy" / f"{'muon' if number % 2 else 'pion'}_{number}.npy", image.astype(np.float32)
        )
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": SIDE, "width": SIDE}, ["muon", "pion"], "muon",
        "softmax", {"xdim": SIDE, "ydim": SIDE}, scaling="minmax", label="prefix", loss="cross_entropy",
    )  # fmt: skip
    torch.save({KEY: card.as_dict(), "state_dict": card.build().state_dict()}, tmp_path / "net.ckpt")
    (tmp_path / "cfg").mkdir()
    text = (ROOT / "cfg" / "occlusion_config.cfg").read_text()
    text = re.sub('input_file = ".*"', 'input_file = "npy"', text)
    text = re.sub(
        'weight_file = ".*"', 'weight_file = "net.ckpt"\nGPUID = "cpu"\nformat = []\nstride = 4', text
    )
    (tmp_path / "cfg" / "occlusion_config.cfg").write_text(text)
    (tmp_path / "bin").mkdir()
    for name, script in {
        "dmcnn": f'exec "{sys.executable}" -m dmcnn "$@"',
        "srun": 'exec "$@"',
        "scontrol": 'echo "$@" > requeued',
    }.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def recipe(begin: str) -> str:
    """The block that begins so, for the events and three shares."""
    (text,) = [block.text for block in blocks(PAGE) if block.text.startswith(begin)]
    text = text.replace("0-159", f"0-{EVENTS - 1}").replace("0-99", "0-2").replace("seq 0 7", "seq 0 2")
    return re.sub(r"/(100|8)\b", "/3", text).replace("queue 100", "queue 3").replace("-P 8", "-P 2")


def run(words: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **more, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def assert_whole(folder: Path) -> None:
    """The check of the page merges what the recipe left."""
    done = run(
        ["bash", "-ec", recipe("dmcnn occlude cfg/occlusion_config.cfg entries=0-159 check_shares")], folder
    )
    assert done.returncode == 0, done.stderr
    assert f"complete: {EVENTS} scans of {EVENTS} events, each once, from 3 shares" in done.stdout
    with (folder / "outputs" / "DM-CNN_occlusion.csv").open(newline="") as file:
        assert [row["entry_number"] for row in csv.DictReader(file)] == list(map(str, range(EVENTS)))


@pytest.mark.slow
def test_the_campaign_in_one_command(folder: Path) -> None:
    done = run(
        ["bash", "-ec", recipe("dmcnn occlude cfg/occlusion_config.cfg entries=0-159 dry_run")], folder
    )
    assert done.returncode == 0, done.stderr
    assert "core-hours" in done.stdout
    assert (folder / "outputs" / "DM-CNN_occlusion.csv").exists()


@pytest.mark.slow
def test_htcondor(folder: Path) -> None:
    lines = [line.partition("=") for line in recipe("# farm.sub").splitlines() if "=" in line]
    words = {key.strip(): value.strip() for key, _, value in lines}
    (count,) = re.findall(r"^queue (\d+)$", recipe("# farm.sub"), re.MULTILINE)
    environment = dict(word.split("=") for word in words["environment"].strip('"').split())
    program = str(folder / "bin" / Path(words["executable"]).name)
    for process in range(int(count)):
        arguments = shlex.split(words["arguments"].replace("$(Process)", str(process)))
        done = run([program, *arguments], folder, **environment)
        assert done.returncode == 0, done.stderr
    assert_whole(folder)


@pytest.mark.slow
def test_slurm(folder: Path) -> None:
    script = recipe("#!/bin/bash\n#SBATCH --array")
    (folder / "farm.sh").write_text(script)
    (last,) = re.findall(r"--array=0-(\d+)", script)
    for task in range(int(last) + 1):
        done = run(["bash", "farm.sh"], folder, SLURM_ARRAY_TASK_ID=str(task), SLURM_JOB_ID="7")
        assert done.returncode == 0, done.stderr
    assert not (folder / "requeued").exists()
    assert_whole(folder)
    (folder / "bin" / "srun").write_text("#!/bin/bash\nexit 75\n")
    run(["bash", "farm.sh"], folder, SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="7")
    assert (folder / "requeued").read_text() == "requeue 7\n"


@pytest.mark.slow
def test_one_machine(folder: Path) -> None:
    done = run(["bash", "-ec", recipe("seq")], folder)
    assert done.returncode == 0, done.stderr
    assert_whole(folder)


@pytest.mark.slow
def test_dask(folder: Path) -> None:
    pytest.importorskip("distributed")
    text = recipe("dmcnn occlude cfg/occlusion_config.cfg entries=0-159 farm=dask").strip()
    done = run(["bash", "-ec", f"{text} shares=3"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"complete: {EVENTS} scans of {EVENTS} events, each once, from 3 shares" in done.stdout
    assert_whole(folder)
    assert not list(folder.glob(".farm*"))
    (folder / "npy" / "muon_1.npy").write_bytes(b"no image")
    done = run(["bash", "-ec", f"{text} shares=2 name=other"], folder)
    assert done.returncode == 2
    assert re.search(r"^share 0/2: status 2: .*muon_1.npy", done.stderr, re.MULTILINE)


@pytest.mark.slow
def test_a_farm_that_runs_already_and_none(folder: Path) -> None:
    distributed = pytest.importorskip("distributed")
    words = ["dmcnn", "infer", "input_file=npy", "weight_file=net.ckpt", "shares=2"]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tcp://127.0.0.1:")
        done = run([*words, f"farm={address}"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"complete: {EVENTS} entries of npy" in done.stdout
    done = run([*words, f"farm={address}", "name=other"], folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"farm = {address!r}: no scheduler is there" in done.stderr
