"""Declared dependencies, and the versions that the tests run with."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import dmcnn
from conftest import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read pyproject.toml")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
NOT_TESTED = {"larcv", "dmcnn"}
"""LArCV3's own reader, which nothing of dmcnn needs, and dmcnn."""


def pins(name: str) -> dict[str, set[Version]]:
    """Return the versions that a constraints file gives to each package."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    found: dict[str, set[Version]] = {}
    for requirement in map(Requirement, lines):
        found.setdefault(requirement.name, set()).update(
            Version(part.version) for part in requirement.specifier
        )
    return found


def declared() -> list[Requirement]:
    texts = [*PYPROJECT["project"]["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    return [one for one in map(Requirement, texts) if one.name not in NOT_TESTED]


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_the_lowest_version_is_the_tested_one_and_the_usual_one_is_allowed(requirement: Requirement) -> None:
    (lowest,) = (Version(part.version) for part in requirement.specifier if part.operator == ">=")
    if requirement.name != "torch":  # see constraints-lowest.txt
        assert pins("constraints-lowest.txt")[requirement.name] == {lowest}
    assert all(version in requirement.specifier for version in pins("constraints.txt")[requirement.name])


def test_groups_of_tools_are_pinned_and_the_extra_test_is_the_group() -> None:
    groups = PYPROJECT["dependency-groups"]
    tools = {Requirement(one).name for group in groups.values() for one in group if isinstance(one, str)}
    assert tools <= set(pins("constraints.txt"))
    assert [one for one in EXTRAS["test"] if not one.startswith("dmcnn[")] == groups["test"]


def test_the_version_is_that_of_the_installed_package() -> None:
    try:
        installed = metadata.version("dmcnn")
    except metadata.PackageNotFoundError:
        pytest.skip("dmcnn runs from its sources")
    assert installed == dmcnn.__version__
