"""Checks of the project: ``nox`` makes all of them, as CI does, and ``nox -s lint`` one of them."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.envdir = "build/nox"

README_TEST = 'pip install -c constraints.txt ".[test]" && pytest -n auto --dist worksteal'
PYPROJECT = nox.project.load_toml("pyproject.toml")
PROJECT = PYPROJECT["project"]
USER_SCRIPT = "tests/notebook/user_script.py"
CPP = sorted(str(path) for path in Path("cpp").rglob("*.[ch]pp"))
IMPORT_ALL = """
import importlib, pkgutil, dmcnn
for module in pkgutil.walk_packages(dmcnn.__path__, "dmcnn."):
    importlib.import_module(module.name)
"""


def install(session: nox.Session, *groups: str, also: tuple[str, ...] = ()) -> None:
    """Install dependency groups, and other packages, in the versions of constraints.txt."""
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PYPROJECT, *groups), *also)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layout and import rules."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", env={"PYTHONPATH": "python"})
    session.run("clang-format", "--dry-run", "-Werror", *CPP)


@nox.session(name="format", default=False)
def reformat(session: nox.Session) -> None:
    """Rewrite what ``lint`` would refuse and a program can mend."""
    install(session, "lint")
    session.run("ruff", "check", "--fix", "--exit-zero", ".")
    session.run("ruff", "format", ".")
    session.run("clang-format", "-i", *CPP)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, and from outside those of a user's script."""
    extras = PROJECT["optional-dependencies"]
    libraries = chain.from_iterable(extras[name] for name in extras if name not in ("larcv", "test"))
    install(session, "types", also=(*PROJECT["dependencies"], *libraries))
    session.run("mypy")
    python = str(Path(session.bin) / "python")
    session.run("pyright", "--pythonpath", python, USER_SCRIPT, env={"PYTHONPATH": "python"})


@nox.session
def cpp(session: nox.Session) -> None:
    """Build and test the kernels under sanitizers, and let clang-tidy read them; Python tests them plain."""
    install(session, "cpp")
    jobs, folder = str(os.cpu_count()), "build/sanitized"
    session.run(
        *("cmake", "-S", ".", "-B", folder, "-DDMCNN_WERROR=ON", "-DDMCNN_SANITIZE=address,undefined"),
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
    )
    session.run("cmake", "--build", folder, "--parallel", jobs)
    session.run("ctest", "--test-dir", folder, "--output-on-failure")
    session.run("run-clang-tidy.py", "-quiet", "-p", folder, "-j", jobs, "cpp/src/")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the README's command: install, then every test. Words after ``--`` go to pytest."""
    session.run("bash", "-ec", f'{README_TEST} "$@"', "tests", *session.posargs, external=True)


@nox.session
def lowest(session: nox.Session) -> None:
    """Import everything and run the quick tests, in the lowest versions that pyproject.toml admits."""
    # a build folder of its own, so that this session may run beside ``tests``
    session.install("-c", "constraints-lowest.txt", ".[test]", env={"SKBUILD_BUILD_DIR": "build/lowest-core"})
    session.run("python", "-W", "error", "-c", IMPORT_ALL)
    session.run("pytest", "-n", "auto", "--dist", "worksteal", "-m", "not slow", *session.posargs)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Time the core against what it replaces: ``nox -s benchmarks -- --data FOLDER``."""
    session.install("-c", "constraints.txt", ".[test]")
    session.run("python", "benchmarks/run.py", *session.posargs)
