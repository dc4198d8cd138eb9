"""The public face: its names, how lightly it is imported, and that no command takes a name from it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dmcnn
from conftest import ROOT
from dmcnn.settings import COMMANDS

PUBLIC = {"InputError", "SparseImages", "load", "open", "save", "sparse"}


def test_names() -> None:
    assert set(dir(dmcnn)) == PUBLIC | {"__version__"}
    assert set(dmcnn.__all__) == PUBLIC - {"open"}
    scope: dict[str, object] = {}
    exec("from dmcnn import *", scope)
    assert PUBLIC - {"open"} <= scope.keys()
    assert "open" not in scope
    with pytest.raises(AttributeError, match="module 'dmcnn' has no attribute 'lod'"):
        dmcnn.lod  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.slow
def test_no_command_takes_a_name() -> None:
    """Importing ``dmcnn.occlude`` makes it an attribute of dmcnn: no public name may be replaced so."""
    code = (
        "import dmcnn, importlib\n"
        f"before = {{name: getattr(dmcnn, name) for name in {sorted(PUBLIC)}}}\n"
        f"for command in {list(COMMANDS)}: importlib.import_module(f'dmcnn.{{command}}')\n"
        "assert all(getattr(dmcnn, name) is thing for name, thing in before.items())\n"
        "assert dmcnn.open is not open\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("use", "absent"),
    [("dir(dmcnn)", "numpy"), ("dmcnn.InputError", "numpy"), ("dmcnn.SparseImages", "torch"), ("dmcnn.open", "torch"),
     ("dmcnn.open", "matplotlib")],
)  # fmt: skip
def test_names_import_what_they_need_alone(use: str, absent: str) -> None:
    code = f"import dmcnn, sys; {use}; assert {absent!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


MYPY = f"""[mypy]
mypy_path = {ROOT / "python"}
follow_imports = silent
untyped_calls_exclude = torch
"""
SCRIPT = Path(__file__).with_name("user_script.py")


@pytest.mark.slow
def test_a_users_script_is_typed(tmp_path: Path) -> None:
    """What mypy makes of the face: no fault, and no value of it is Any."""
    lines = {
        "net": "Predictor", "data": "Dataset", "event": "Event", "data[:2]": "Dataset", "table": "ResultTable",
        "saliency": "AttributionMap", "occluded": "OcclusionMap",
    }  # fmt: skip
    reveal = "".join(f"    reveal_type({what})\n" for what in lines)
    text = SCRIPT.read_text().replace("    optimizer =", f"{reveal}    optimizer =")
    (tmp_path / "revealed.py").write_text(text)
    (tmp_path / "mypy.ini").write_text(MYPY)
    words = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "revealed.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.findall(r'Revealed type is "[\w.]*\.(\w+)"', done.stdout) == list(lines.values()), done.stdout


@pytest.mark.slow
def test_pyright_agrees(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    shutil.copy(SCRIPT, tmp_path)
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from dmcnn.metrics.classification import auc\n\nauc([1, 0], [0.5, 0.2])\n")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT / "python")]}))
    words = [sys.executable, "-m", "pyright", "--outputjson"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    faults = [
        found for found in json.loads(done.stdout)["generalDiagnostics"] if found["severity"] == "error"
    ]
    assert [Path(fault["file"]) for fault in faults] == [wrong] * 2, faults


def test_every_name_is_in_the_readme() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
    for name in ("load", "open", "save", "sparse"):
        assert f"dmcnn.{name}(" in code
    for name in PUBLIC:
        assert f"dmcnn.{name}" in (ROOT / "README.md").read_text()
