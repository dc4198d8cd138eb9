"""The shape of the house: shipped cfg files, import rules that the linter cannot see, light imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from dmcnn.command import load
from dmcnn.settings import COMMANDS, Settings
from dmcnn.settings.train import ARCHITECTURE

PACKAGE = ROOT / "python" / "dmcnn"
CFGS = {
    "training_config.cfg": ("train", []),
    "inference_config_binary.cfg": ("infer", []),
    "print_image_config.cfg": ("display", ["-n", "0"]),
    "occlusion_config.cfg": ("occlude", ["-n", "0"]),
}
MAY_USE_CORE = {
    "cropping.py",
    "images.py",
    "scoring.py",
    "voxels.py",
    "occlusion/scan.py",
    "readers/clusters.py",
    "readers/larcv2.py",
    "readers/larcv3.py",
    "readers/npy.py",
    "readers/tensors.py",
    "readers/uproot_voxels.py",
}


def test_every_shipped_cfg_is_known() -> None:
    assert {path.name for path in (ROOT / "cfg").iterdir()} == set(CFGS)


@pytest.mark.parametrize("name", CFGS)
def test_shipped_cfg_files_load_without_a_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, more = CFGS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "DM-CNN_model_dark_trident_best.ckpt").touch()
    _, warnings = load(command, [str(ROOT / "cfg" / name), *more])
    assert warnings == []


def names_read(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_dead_settings(command: str) -> None:
    """Every declared key is read by its command, or by the settings' own methods that the command calls."""
    read = names_read(PACKAGE / f"{command}.py")
    passed_on = set()
    if {"reading", "network"} & read:
        passed_on = set(COMMANDS["infer"].model_fields) & set(_reading_keys())
    if "model_dump" in read:
        passed_on = set(COMMANDS[command].model_fields)
    if "network" in read:
        passed_on |= {"GPUID", "precision", "batch_size"}
    if "tag" in read:
        passed_on |= {"name"}
    if "architecture" in read:
        passed_on |= set(ARCHITECTURE)
    if "part" in read:
        passed_on |= {
            f"{kind}_{part}" for kind in ("input", "events") for part in ("train", "validation", "test")
        }
    own = set().union(*map(names_read, (PACKAGE / "settings").glob("*.py")))
    for key in COMMANDS[command].model_fields:
        assert key in read | passed_on | (own & {"classes", "signal", "num_class"}), (
            f"{command}: nothing reads {key}"
        )


def _reading_keys() -> list[str]:
    from dmcnn.settings import Reading

    return [key for key in Reading.model_fields if key not in ("name", "GPUID")]


def test_every_setting_has_a_description() -> None:
    for cls in COMMANDS.values():
        assert issubclass(cls, Settings)
        for key, field in cls.model_fields.items():
            assert field.description, key


def test_the_core_is_used_by_few() -> None:
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "dmcnn":
                users |= {path for alias in node.names if alias.name == "_core"}
    assert {str(path.relative_to(PACKAGE)) for path in users} == MAY_USE_CORE


def test_importing_the_package_is_light() -> None:
    code = "import dmcnn, sys; assert not {'torch', 'numpy', 'matplotlib', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
