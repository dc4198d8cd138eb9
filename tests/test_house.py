"""The shape of the house: shipped cfg files, import rules that the linter cannot see, light imports."""

from __future__ import annotations

import ast
import graphlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import dmcnn
from conftest import ROOT
from dmcnn.images.scaling import SCALINGS
from dmcnn.losses import LIKELIHOODS, classification
from dmcnn.occlusion.fills import FILLS
from dmcnn.occlusion.windows import BORDERS
from dmcnn.settings import COMMANDS, Reading, Settings, optimisation, recipe
from dmcnn.settings.command import load
from dmcnn.settings.help import choices
from dmcnn.settings.recipe import ARCHITECTURE
from dmcnn.training.optimiser import OPTIMIZERS, SCHEDULES

PACKAGE = ROOT / "python" / "dmcnn"
CFGS = {
    "training_config.cfg": ("train", []),
    "inference_config_binary.cfg": ("infer", []),
    "print_image_config.cfg": ("display", ["-n", "0"]),
    "occlusion_config.cfg": ("occlude", ["-n", "0"]),
    "attribution_config.cfg": ("attribute", ["-n", "0"]),
    "lariat_training.cfg": ("train", []),
    "lariat_inference.cfg": ("infer", []),
    "lariat_attribution.cfg": ("attribute", ["-n", "0"]),
    "calorimeter_training.cfg": ("train", []),
    "calorimeter_tuning.cfg": ("tune", []),
    "calorimeter_resnet.cfg": ("train", []),
    "training_resnet34.cfg": ("train", []),
    "calorimeter_inference.cfg": ("infer", []),
    "calorimeter_display.cfg": ("display", ["-n", "0"]),
    "smartpixel_training.cfg": ("train", []),
    "smartpixel_sparsity.cfg": ("tune", []),
    "smartpixel_inference.cfg": ("infer", []),
    "smartpixel_display.cfg": ("display", ["-n", "0"]),
    "smartpixel_evaluation.cfg": ("evaluate", []),
}
MAY_USE_CORE = {
    "engines/dense.py",
    "engines/normalise.py",
    "engines/places.py",
    "engines/rows.py",
    "engines/variants.py",
    "images/augment.py",
    "images/crop.py",
    "images/frames.py",
    "images/sparse.py",
    "occlusion/engines.py",
    "occlusion/windows.py",
    "quantisation/fixedpoint.py",
    "readers/calorimeter/cells.py",
    "readers/larcv2/clusters.py",
    "readers/larcv2/reader.py",
    "readers/larcv2/tensors.py",
    "readers/larcv2/uproot_voxels.py",
    "readers/larcv3/reader.py",
    "readers/npy.py",
}


def test_every_shipped_cfg_is_known() -> None:
    assert {path.name for path in (ROOT / "cfg").iterdir()} == set(CFGS)


@pytest.mark.parametrize("name", CFGS)
def test_shipped_cfg_files_load_without_a_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, more = CFGS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cfg").symlink_to(ROOT / "cfg")
    (tmp_path / "outputs").mkdir()
    for sample in ("dark_trident", "lariat", "calorimeter", "smartpixel"):
        (tmp_path / "outputs" / f"DM-CNN_model_{sample}_best.ckpt").touch()
    (tmp_path / "outputs" / "smartpixel-test_DM-CNN_scores_smartpixel.csv").touch()
    _, warnings = load(command, [str(ROOT / "cfg" / name), *more])
    assert warnings == []


def names_read(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


def keys_behind(cls: type[Settings], member: str) -> set[str]:
    """The keys that a method or property of a settings class reads, by name or as text."""
    found = getattr(cls, member, None)
    function = found.fget if isinstance(found, property) else found
    if member in cls.model_fields or not inspect.isfunction(function) or member == "conflicts":
        return set()
    tree = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
    words = {node.attr if isinstance(node, ast.Attribute) else node.value for node in tree
             if isinstance(node, ast.Attribute | ast.Constant)}  # fmt: skip
    return {word for word in words if isinstance(word, str)}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_dead_settings(command: str) -> None:
    """Every declared key is read by its command, or by what the command calls of its settings."""
    cls, read = COMMANDS[command], names_read(PACKAGE / f"{command}.py")
    for _ in range(3):
        read |= set().union(*(keys_behind(cls, member) for member in read))
    if "reading" in read:
        read |= set(Reading.model_fields)
    if "architecture" in read:
        read |= set(ARCHITECTURE)
    if "model_dump" in names_read(PACKAGE / f"{command}.py"):
        read = set(cls.model_fields)
    if command == "train":
        read.add("num_class")  # a second word on the number of classes, compared with their names
        read.add("resnet_pretrained")  # True is refused
    dead = set(cls.model_fields) - read
    assert not dead, f"{command}: nothing reads {dead}"


def test_names_of_the_settings_are_those_of_the_library() -> None:
    """The settings list names, since a cfg is checked before torch is imported."""
    assert set(recipe.LOSSES) == {*classification.LOSSES, *LIKELIHOODS}
    assert classification.ACTIVATION.keys() == classification.LOSSES.keys()
    assert set(recipe.REGRESSION) == set(LIKELIHOODS)
    assert set(optimisation.OPTIMIZERS) == OPTIMIZERS.keys()
    train, occlude = COMMANDS["train"].model_fields, COMMANDS["occlude"].model_fields
    assert set(choices(train["schedule"])) == SCHEDULES.keys()
    assert set(choices(train["scaling"])) == SCALINGS.keys()
    assert set(choices(occlude["fill"])) == FILLS.keys()
    assert set(choices(occlude["window_border"])) == set(BORDERS)


def test_every_setting_has_a_description() -> None:
    for cls in COMMANDS.values():
        assert issubclass(cls, Settings)
        for key, field in cls.model_fields.items():
            assert field.description, key


@pytest.mark.slow
def test_the_core_is_used_by_few() -> None:
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "dmcnn":
                users |= {path for alias in node.names if alias.name == "_core"}
    assert {str(path.relative_to(PACKAGE)) for path in users} == MAY_USE_CORE


@pytest.mark.slow
def test_no_files_import_each_other_in_a_circle() -> None:
    """Not for types either: files that know each other are one room with a wall in it."""
    trees = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text()
        )
        for path in PACKAGE.rglob("*.py")
    }
    del trees["dmcnn"]  # the face, which hands names on when they are asked for
    imports: dict[str, set[str]] = {}
    for name, tree in trees.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        late = {node for function in functions for node in ast.walk(function)}
        used = {
            place if (place := f"{node.module}.{one.name}") in trees else str(node.module)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node not in late
            for one in node.names
        }
        imports[name] = (used & trees.keys()) - {name}
    graphlib.TopologicalSorter(imports).prepare()


VERBS = {
    "adapt", "add", "animate", "append", "apply", "assign", "average", "check", "choose", "clamp", "clip", "close",
    "combine", "compare", "compute", "concatenate", "connect", "convert", "convolve", "copy", "count",
    "create", "crop", "declare", "decode", "decompress", "describe", "discard", "draw", "drop", "end",
    "enlarge", "enter", "estimate", "evaluate", "explain", "fit", "free", "generate", "import",
    "initialise", "insert", "integrate", "join", "leave", "let", "limit", "list", "load", "lock", "log", "make",
    "map", "maximise", "measure", "merge", "move", "normalise", "note", "open", "pad", "parse", "place",
    "predict", "raise", "read", "reduce", "remove", "renew", "replace", "restore", "return", "rotate", "round",
    "run", "save", "scale", "scan", "score", "search", "seed", "select", "send", "set", "share", "show",
    "simulate", "store", "sum", "suspend", "take", "trace", "track", "train", "turn", "update", "warn",
    "wrap", "write", "yield",
}  # fmt: skip
"""First words of the docstrings of functions."""


def definitions(kind: type[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Yield (place, definition) of every function or class of the package, nested ones too."""
    return ((place, node) for place, node in all_definitions() if isinstance(node, kind))


@cache
def all_definitions() -> list[tuple[str, ast.stmt]]:
    """Return (place, definition) of all functions and classes of the package; each file is parsed once."""
    return [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    ]


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    faults = []
    for place, function in definitions(ast.FunctionDef):
        text = ast.get_docstring(function)
        decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
        if (
            text
            and not decorators & {"property", "cached_property"}
            and text.split()[0].strip(",:").lower() not in VERBS
        ):
            faults.append(f"{place} {function.name}: {text.splitlines()[0]}")
    assert not faults


def test_no_public_class_name_stands_twice() -> None:
    places: dict[str, list[str]] = {}
    for place, cls in definitions(ast.ClassDef):
        if not cls.name.startswith("_"):
            places.setdefault(cls.name, []).append(place)
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_bases_of_classes_take_a_type_in_every_python() -> None:
    """``logging.StreamHandler[TextIO]`` is a class in Python 3.11, and a TypeError in 3.10."""
    bases = [base for _, cls in definitions(ast.ClassDef) for base in cls.bases]
    typed = {ast.unparse(base.value) for base in bases if isinstance(base, ast.Subscript)}
    assert typed <= {"Protocol", "Generic", "Dataset"}


def test_files_are_named_by_what_is_in_them() -> None:
    generic = {
        "utils",
        "util",
        "helpers",
        "helper",
        "misc",
        "common",
        "core",
        "tools",
        "manager",
        "handler",
        "lib",
    }
    assert not [path for path in PACKAGE.rglob("*.py") if set(path.stem.split("_")) & generic]


def test_no_public_name_is_a_command() -> None:
    """Importing a command must not replace a name of the public face."""
    public = {name: getattr(dmcnn, name) for name in [*dmcnn.__all__, "open"]}
    for command in COMMANDS:
        import_module(f"dmcnn.{command}")
    assert {name: getattr(dmcnn, name) for name in public} == public


def test_importing_the_package_is_light() -> None:
    code = "import dmcnn, sys; assert not {'torch', 'numpy', 'matplotlib', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
