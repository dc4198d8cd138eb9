"""Pages of docs/: every block runs, and what they change in the package works."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

import dmcnn
from conftest import ROOT
from dmcnn import _core
from examples import Block, blocks, edit, execute

PAGES = {page.stem: blocks(page.read_text()) for page in sorted((ROOT / "docs").glob("*.md"))}
TRIED = [name for name, page in PAGES.items() if any(block.kind != "text" for block in page)]


@pytest.mark.parametrize("name", TRIED)
def test_blocks_are_of_known_kinds(name: str) -> None:
    for block in PAGES[name]:
        assert block.kind in {"python", "bash", "diff", "ini", "toml", "text"}
        assert block.file or block.kind in {"python", "bash", "text"}
        if block.kind == "python":
            ast.parse(block.text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project that may be changed, and that is imported instead of the installed package."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(dmcnn.__file__).parent, tmp_path / "python" / "dmcnn", ignore=ignored)
    shutil.copy(_core.__file__, tmp_path / "python" / "dmcnn")
    for name in ("tests", "cfg", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    where = execute(Block("python", "import dmcnn; print(dmcnn.__file__)"), tmp_path, **environment(tmp_path))
    if not Path(where.strip()).is_relative_to(tmp_path):
        pytest.skip("an editable installation cannot be replaced by a copy")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that make the copy the package, and keep simulated samples for all pages."""
    return {"PYTHONPATH": str(folder / "python"), "DMCNN_CACHE": str(folder.parent / "samples")}


def install(pyproject: str, folder: Path) -> None:
    """Make the entry points of a user's package known in a folder, as its installation does."""
    project = pytest.importorskip("tomllib").loads(pyproject)["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(groups))


def steps(page: list[Block]) -> Iterator[Block]:
    """Yield the blocks of a page, cells of one notebook after another as one block."""
    is_cell = lambda block: block.kind == "python" and block.file is None  # noqa: E731
    for cells, group in groupby(page, is_cell):
        if cells:
            yield Block("python", "\n".join(block.text for block in group))
        else:
            yield from group


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_a_page_does_what_it_says(name: str, checkout: Path) -> None:
    for block in steps(PAGES[name]):
        if block.kind == "diff":
            edit(block.text, checkout)
        elif block.file is not None:
            path = checkout / block.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text.partition("\n")[2])
            if block.kind == "toml":
                install(block.text, checkout)
        elif block.kind in ("python", "bash"):
            execute(block, checkout, **environment(checkout))
