"""Documentation pages that say what the package says: its tree, its layers, its files, its public names."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import dmcnn
from conftest import ROOT

DOCS = ROOT / "docs"
PACKAGE = ROOT / "python" / "dmcnn"


def module(path: Path) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_tree_is_that_of_the_package() -> None:
    text = (DOCS / "architecture.md").read_text()
    assert module(DOCS / "tree.py").with_tree(text) == text, "python docs/tree.py writes it anew"


def test_the_layers_are_those_that_are_checked() -> None:
    tomllib = pytest.importorskip("tomllib")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert len(rows) <= 11
    assert "\n".join(rows) in (DOCS / "architecture.md").read_text()


def test_every_file_that_a_page_names_exists() -> None:
    inside = [f"/{path.relative_to(PACKAGE)}" for path in PACKAGE.rglob("*")]
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for name in re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)`", text):
            ending = f"/{name.rstrip('/')}"
            known = any(path.endswith(ending) for path in inside)
            assert known or (ROOT / name).exists() or (DOCS / name).exists(), f"{page.name}: {name}"


def test_every_kernel_is_where_the_page_says() -> None:
    (listed,) = re.findall(r"^set\(KERNELS ([\w\s]+)\)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)
    lists = [(ROOT / "cpp" / "bindings" / name).read_text() for name in ("bind.hpp", "module.cpp")]
    tests = {
        name: "\n".join(path.read_text() for path in (ROOT / "tests").glob(name.format("*")))
        for name in ("kernels/test_{}.py", "reference/{}.py")
    }
    for verb in listed.split():
        files = ("include/dmcnn/{}.hpp", "src/*/{}.cpp", "bindings/bind_{}.cpp", "tests/test_{}.cpp")
        for file in files:
            assert len(list((ROOT / "cpp").glob(file.format(verb)))) == 1, file.format(verb)
        assert all(f"bind_{verb}(" in text for text in lists), verb
        for name, text in tests.items():
            assert (ROOT / "tests" / name.format(verb)).exists() or f"_core.{verb}" in text, name.format(verb)


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            other = page if not name else (page.parent / name)
            assert other.exists(), f"{page.name}: {target}"
            if anchor:
                text = other.read_text().lower()
                headings = {
                    re.sub(r"[^\w -]", "", h).strip().replace(" ", "-")
                    for h in re.findall(r"^#+ (.*)$", text, re.M)
                }
                assert anchor in headings or f'id="{anchor}"' in text, f"{page.name}: {target}"


def test_the_glossary_is_in_order() -> None:
    words = re.findall(
        r"^\| (?:<a [^>]*></a>)?([a-z -]+?) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE
    )
    words.remove("word")
    assert words == sorted(words)
    assert len(words) == len(set(words)) > 35


def test_every_public_name_is_documented_with_an_example() -> None:
    pages = "\n".join(page.read_text() for page in [*DOCS.rglob("*.md"), ROOT / "README.md"])
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", pages, re.DOTALL))
    for name in dmcnn.__all__:
        assert re.search(rf"\b{name}\b", blocks), f"no example of dmcnn.{name}"
