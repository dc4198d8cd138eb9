"""Tree of the package with one line for every module, written into docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "python" / "dmcnn"
BEGIN, END = "<!-- tree -->\n", "<!-- end of tree -->"


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def tree(folder: Path = PACKAGE, depth: int = 0) -> list[str]:
    """Return a Markdown list of the modules of a folder, commands before packages."""
    files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    lines = [f"{'  ' * depth}- `{path.name}` {first_line(path)}" for path in files]
    for path in sorted(path.parent for path in folder.glob("*/__init__.py")):
        lines.append(f"{'  ' * depth}- **`{path.name}/`** {first_line(path / '__init__.py')}")
        lines += tree(path, depth + 1)
    return lines


def with_tree(text: str) -> str:
    """Return the page with today's tree in it."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(tree()) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    page = DOCS / "architecture.md"
    page.write_text(with_tree(page.read_text(encoding="utf-8")), encoding="utf-8")
