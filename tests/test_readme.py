"""Every block of the README runs as it stands; only the samples are made smaller, to finish in seconds."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT
from examples import Block, blocks, execute

README = (ROOT / "README.md").read_text()
BLOCKS = blocks(README)
INSTALL = "pip install -c constraints.txt ."


def smaller(text: str) -> str:
    """Samples of a dozen events instead of hundreds, and of LArIAT one event explained instead of three."""
    for many, few in (("train?events=1500", "train?events=8"), ("test?events=400", "test?events=6"),
                      ("test-400-1", "test-6-1"), ("lariat/train?events=2400", "lariat/train?events=60"),
                      ("test?events=120", "test?events=6"), ("test-120-1", "test-6-1"),
                      ("train?events=20000", "train?events=24"), ("test?events=5000", "test?events=6"),
                      ("train?events=40000", "train?events=600"), ("test?events=10000", "test?events=300"),
                      ("test-5000-1", "test-6-1"), ("-n 0,1,2\n", "-n 1\n")):  # fmt: skip
        text = text.replace(many, few)
    return re.sub("EPOCHS = .*", "EPOCHS = 1", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory as a user has it: the cfg folder, and nothing installed anew."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "cfg").mkdir()
    for cfg in (ROOT / "cfg").glob("*.cfg"):
        (folder / "cfg" / cfg.name).write_text(smaller(cfg.read_text()))
    return folder


def run(block: Block, folder: Path) -> str:
    """Run a block with smaller samples and nothing installed anew, and return what it prints."""
    text = smaller(block.text).removeprefix(f"{INSTALL} && ")
    return execute(block._replace(text=text), folder, DMCNN_CACHE=str(folder / "cache"))


def block(start: str) -> Block:
    """The block that begins with ``start``."""
    (found,) = [block for block in BLOCKS if block.text.startswith(start)]
    return found


def test_every_block_is_known() -> None:
    starts = (INSTALL, "python -m dmcnn.infer cfg", "python -m dmcnn.train input", "python -m dmcnn.simulate",
              "python -m dmcnn.attribute input", "python -m dmcnn.train cfg/lariat",
              "python -m dmcnn.train cfg/calorimeter", "python -m dmcnn.train cfg/smartpixel", "python -m dmcnn.tune",
               "import dmcnn\n", "import torch\n", "import hls4ml\n",
              'pip install -c constraints.txt ".[test]" && pytest -n auto --dist worksteal')  # fmt: skip
    assert len(BLOCKS) == len(starts)
    for start in starts:
        block(start)


@pytest.mark.slow
def test_the_sample_blocks(folder: Path) -> None:
    printed = run(block(INSTALL), folder)
    assert re.search(r"test: 6 events: accuracy 0\.\d+, loss .*AUC 0\.\d+ ", printed)
    assert "baseline without a network" in printed
    run(block("python -m dmcnn.infer cfg"), folder)
    outputs = {path.name for path in (folder / "outputs").iterdir()}
    assert "dark-trident-test-6-1-2_DM-CNN_scores_dark_trident.csv" in outputs
    assert "DM-CNN_evaluation.json" in outputs
    assert sum(name.endswith(".png") and "_ENTRY_" in name for name in outputs) == 3
    assert "(1, 512, 512)" in run(block("import dmcnn\n"), folder)
    assert {"event.png", "saliency.png", "occlusion.png"} <= {path.name for path in folder.iterdir()}
    run(block("import torch\n"), folder)
    assert (folder / "mine.ckpt").exists()
    run(block("python -m dmcnn.simulate"), folder)
    assert (folder / "my_sample.h5").exists()


@pytest.fixture(scope="module")
def of_real_files(shared_data: Path, folder: Path) -> Path:
    """The folder after the block on real files, on whose network the block on attribution goes on."""
    for name in ("electron.root", "proton.root"):
        shutil.copy(shared_data / "larcv" / name, folder)
    run(block("python -m dmcnn.train input"), folder)
    return folder


@pytest.mark.slow
def test_the_block_on_real_files(of_real_files: Path) -> None:
    outputs = {path.name for path in (of_real_files / "outputs").iterdir()}
    assert {
        "electron_DM-CNN_scores_e_p.csv",
        "proton_DM-CNN_scores_e_p.csv",
        "electron_ENTRY_6.png",
    } <= outputs
    assert {
        "occlusion_test_electron_ENTRY_3.npz",
        "occlusion_test_electron_ENTRY_3_Electron_map.png",
    } <= outputs


@pytest.mark.slow
def test_the_block_on_attribution(of_real_files: Path) -> None:
    run(block("python -m dmcnn.attribute input"), of_real_files)
    outputs = {path.name for path in (of_real_files / "outputs").iterdir()}
    for entry in (3, 6):
        ends = (".npz", ".html", "_overview.png", "_overview.pdf", "_removal.png")
        assert {f"attribution_electron_ENTRY_{entry}{end}" for end in ends} <= outputs
    assert {"DM-CNN_attribution.html", "DM-CNN_attribution_quality.csv"} <= outputs


@pytest.mark.slow
def test_the_lariat_block(folder: Path) -> None:
    printed = run(block("python -m dmcnn.train cfg/lariat"), folder)
    assert "pion_zero:" in printed
    outputs = {path.name for path in (folder / "outputs").iterdir()}
    assert {"DM-CNN_evaluation_lariat.json", "DM-CNN_evaluation_lariat_classes.png"} <= outputs
    assert sum(name.endswith("_lariat_overview.png") for name in outputs) == 1


@pytest.mark.slow
def test_the_calorimeter_block(folder: Path) -> None:
    printed = run(block("python -m dmcnn.train cfg/calorimeter"), folder)
    assert "cnn3d: 714882 parameters" in printed
    outputs = {path.name for path in (folder / "outputs").iterdir()}
    assert "DM-CNN_evaluation_calorimeter.json" in outputs
    assert "DM-CNN_display_calorimeter_distributions.png" in outputs
    for entry in (0, 1):
        ends = ("energy_time.png", "space_time.pdf", "frames.png", "frames.gif")
        assert {f"calorimeter-test-6-1-1_ENTRY_{entry}_calorimeter_{end}" for end in ends} <= outputs


@pytest.mark.slow
def test_the_smartpixel_blocks(folder: Path) -> None:
    printed = run(block("python -m dmcnn.train cfg/smartpixel"), folder)
    assert "smartpixel: 2029 parameters" in printed
    outputs = {path.name for path in (folder / "outputs").iterdir()}
    assert {"DM-CNN_evaluation_smartpixel_pulls.png", "DM-CNN_evaluation_smartpixel_targets.csv"} <= outputs
    assert sum(name.endswith("_ENTRY_0_smartpixel_channel1.png") for name in outputs) == 1
    printed = run(block("python -m dmcnn.tune"), folder)
    assert printed.count("of the weights 0, NLL") == 4
    assert (folder / "outputs" / "tune_smartpixel_sparsity" / "front.png").exists()


def test_ci_runs_the_readmes_test_command() -> None:
    test = block('pip install -c constraints.txt ".[test]"').text.strip()
    assert f"README_TEST = '{test}'" in (ROOT / "noxfile.py").read_text()
    assert "bin/nox -s tests || status=$?\n" in (ROOT / ".ci" / "run").read_text()
