"""Blocks of documentation pages, executed as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """A block of a page."""

    kind: str
    """Language of the block, such as ``python``."""
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is the content of: its first line is a comment with the path."""
        name = re.match(r"# ([\w/]+\.\w+)\n", self.text)
        return None if name is None else name[1]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in order."""
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)]


def execute(block: Block, folder: Path, **environment: str) -> str:
    """Run a block of Python or bash in a folder and return what it prints; no status but 0 is accepted."""
    python = f'alias python="{sys.executable}"; shopt -s expand_aliases\n'
    words = (
        [sys.executable, "-c", block.text] if block.kind == "python" else ["bash", "-ec", python + block.text]
    )
    env = {**os.environ, **environment}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, f"{block.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def edit(changes: str, folder: Path) -> None:
    """Make the changes of a ``diff`` block: a path in a comment, then lines of context, to remove and to add.

    A line ``@@`` parts two changes of one file. What is changed must occur exactly once.
    """
    path = folder
    for part in re.split(r"^(?:@@|(?=# ))", changes, flags=re.MULTILINE):
        lines = part.strip("\n").split("\n")
        if lines[0].startswith("# "):
            path = folder / lines.pop(0).removeprefix("# ")
        if not any(lines):
            continue
        text = path.read_text()
        old, new = ("\n".join(line[1:] for line in lines if line[:1] not in skip) for skip in ("+", "-"))
        assert text.count(old) == 1, f"{path}: {text.count(old)} times\n{old}"
        path.write_text(text.replace(old, new))
