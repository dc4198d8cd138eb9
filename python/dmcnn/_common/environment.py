"""Environment of a result: processor, system, and git commit of the working directory; it names no machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path, PurePath

QUOTED = re.compile(r"""(?<=["'])(?:~|/|[A-Za-z]:[\\/])[^"'\n]*(?=["'])""")
"""Absolute path in quotes, as cfg and JSON texts hold them."""

FOLDERS = re.compile(r"""(?<![\w.~:/*-])/(?:[^\s"'/,]+/)+""")
"""Folders of an absolute path without quotes."""


def facts() -> dict[str, str]:
    """Return system, processor and, if the working directory is in a git repository, its commit."""
    commit = git_commit()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": processor(),
        **({"git": commit} if commit else {}),
    }


def processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_commit(folder: str | Path = ".") -> str:
    """Return the commit of the repository of a folder, with "+changes" if files differ from it; "" without one."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: str | Path, *words: str) -> str:
    """Run git, which writes nothing, and return what it says."""
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10, env=quiet
    )
    return done.stdout.strip()


def without_folders(text: str) -> str:
    """Return a text in which only the last name of every absolute path is left."""
    return FOLDERS.sub("", QUOTED.sub(lambda match: PurePath(match[0].replace("\\", "/")).name, text))
