"""A Dockerfile carried out without a container engine: chroots in layers above this machine's own file system.

Each stage is an overlay whose lower layer is the root directory, so steps change nothing outside the stage, and its
upper layer is what the stage adds to its base image. The base image itself is the one thing that is not looked at.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path, PurePosixPath

ENTER = """
mount -t overlay overlay -o lowerdir=/,upperdir="$LAYERS/upper",workdir="$LAYERS/work" "$LAYERS/root"
for folder in dev proc sys; do mount --rbind /$folder "$LAYERS/root/$folder"; done
if [ -n "$VOLUME" ]; then mount --bind "$VOLUME" "$LAYERS/root/work"; fi
"""


@dataclass
class Stage:
    """One stage of a build: its steps as (instruction, text), and what they have set so far."""

    name: str
    layers: Path
    steps: list[tuple[str, str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def upper(self) -> Path:
        """Folder of what the stage adds to its base."""
        return self.layers / "upper"

    def run(
        self, words: Sequence[str], user: str = "", volume: Path | None = None, network: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the stage, ``volume`` mounted on /work."""
        into = ["chroot", f"--userspec={user or self.user}", str(self.layers / "root")]
        inside = ["env", "-i", *(f"{key}={value}" for key, value in {**self.env, **self.arguments}.items())]
        # env -i and not the environment of the child, so that nothing of this machine's reaches the command
        shell = [*inside, "sh", "-c", f"cd {shlex.quote(self.folder)} && {shlex.join(words)}"]
        return subprocess.run(
            ["unshare", "--mount", *([] if network else ["--net"]), "sh", "-ec",
             f"{ENTER}\nexec {shlex.join([*into, *shell])}"],
            env={**os.environ, "LAYERS": str(self.layers), "VOLUME": str(volume or "")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip


def base_environment() -> dict[str, str]:
    """Environment of a base image that has this Python as ``python``, and of the way to the package index."""
    way = {key: value for key, value in os.environ.items() if re.match(r"(?i)pip_|ssl_|\w+_proxy$", key)}
    return {
        **way,
        "PATH": f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/root",
    }


def parse(dockerfile: str, folder: Path, arguments: Mapping[str, str]) -> list[Stage]:
    """Return the stages of a Dockerfile, none of their steps done."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            name = rest.rpartition(" AS ")[2] if " AS " in rest else str(len(stages))
            stages.append(Stage(name, folder / name, env=base_environment()))
        elif word and stages:
            stages[-1].steps.append((word, rest))
    for stage in stages:
        stage.arguments.update(arguments)
    return stages


def build(stages: Sequence[Stage], context: Path) -> Stage:
    """Carry out all steps of all stages; the last stage is the image."""
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        for layer in ("upper", "work", "root"):
            (stage.layers / layer).mkdir(parents=True)
        settle(stage)
        for word, text in stage.steps:
            STEPS[word](stage, text, context, by_name)
    return stages[-1]


def settle(stage: Stage) -> None:
    """Make of this machine what a base image is: every user reaches its Python, no installation is half done."""
    folders = [str(folder) for folder in (Path(sys.base_prefix), *Path(sys.base_prefix).parents)]
    python = ["ln", "-sf", os.path.realpath(sys.executable), "/usr/local/bin/python"]
    for words in (["chmod", "o+x", *folders], python, ["dpkg", "--configure", "-a", "--force-confold"]):
        done = stage.run(words)
        assert done.returncode == 0, done.stderr


def _run(stage: Stage, text: str, *_: object) -> None:
    done = stage.run(["sh", "-c", text])
    assert done.returncode == 0, f"RUN {text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _copy(stage: Stage, text: str, context: Path, stages: Mapping[str, Stage]) -> None:
    *sources, target = shlex.split(text)
    root = context
    if sources[0].startswith("--from="):
        root = stages[sources.pop(0).removeprefix("--from=")].upper
    into = stage.upper / str(PurePosixPath(stage.folder) / target).lstrip("/")
    for source in sources:
        path = root / source.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, copy_function=link, dirs_exist_ok=True)
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, into)


def link(source: str, target: str) -> None:
    """Put a file of one layer into another without a copy of its content."""
    Path(target).unlink(missing_ok=True)
    if Path(source).is_symlink():
        Path(target).symlink_to(Path(source).readlink())
    else:
        Path(target).hardlink_to(source)


def _env(stage: Stage, text: str, *_: object) -> None:
    for pair in shlex.split(text):
        key, _, value = pair.partition("=")
        stage.env[key] = string.Template(value).substitute(stage.env)


def _arg(stage: Stage, text: str, *_: object) -> None:
    key, _, value = text.partition("=")
    stage.arguments.setdefault(key, value)


def _workdir(stage: Stage, text: str, *_: object) -> None:
    stage.folder = text
    (stage.upper / text.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _user(stage: Stage, text: str, *_: object) -> None:
    stage.user = text


def _entrypoint(stage: Stage, text: str, *_: object) -> None:
    stage.entrypoint = _words(text)


def _cmd(stage: Stage, text: str, *_: object) -> None:
    stage.command = _words(text)


def _words(text: str) -> tuple[str, ...]:
    """Return the words of ["a", "b"]; a shell form, which would not pass on signals, is refused."""
    assert text.startswith("["), text
    return tuple(re.findall(r'"([^"]*)"', text))


STEPS = {"RUN": _run, "COPY": _copy, "ENV": _env, "ARG": _arg, "WORKDIR": _workdir, "USER": _user,
         "ENTRYPOINT": _entrypoint, "CMD": _cmd}  # fmt: skip


def context_files(root: Path) -> Iterator[Path]:
    """Yield what .dockerignore leaves of a folder: the last line that fits a path or a folder above it decides."""
    lines = (root / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for top in root.iterdir():
        if not _ignored(PurePosixPath(top.name), patterns):
            for path in [top] if top.is_file() else top.rglob("*"):
                relative = path.relative_to(root)
                if path.is_file() and not _ignored(PurePosixPath(relative.as_posix()), patterns):
                    yield relative


def _ignored(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        for part in (path, *path.parents[:-1]):
            if fnmatchcase(part.name, wanted[3:]) if wanted.startswith("**/") else _fits(part, wanted):
                ignored = not pattern.startswith("!")
    return ignored


def _fits(path: PurePosixPath, pattern: str) -> bool:
    pairs = zip_longest(path.parts, pattern.split("/"), fillvalue="")
    return all(fnmatchcase(part, wanted) for part, wanted in pairs)
