"""Short form of the torture scripts: a few mutants of every format, and a part of the faults under every command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from torture import faults, mutants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks processes and limits them")


FORMS = [
    pytest.param(form, id=form.name, marks=pytest.mark.slow if form.name.startswith("frames") else ())
    for form in mutants.FORMATS
]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_mutants(form: mutants.Format, tmp_path: Path) -> None:
    if form.name == "x.safetensors":
        pytest.importorskip("safetensors")
    counts, wrong = mutants.run(form, 40, 1, tmp_path)
    assert not wrong, wrong[0]
    assert counts.total() == 40
    assert counts["refused"] + counts["again"] > 10 or form.name in ("x.cfg", "scores.csv")
    assert not (form.has_checksum and counts["other"])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("faults") / "template"
    faults.prepare(folder)
    return folder


SHORT = [
    *("infer: files of at most 3000 bytes", "infer: output folder closed", "infer: images closed"),
    *("infer: output folder removed every 0.01 s", "infer: network removed", "infer: few open files"),
    "simulate: files of at most 300 bytes",
    *(f"cfg: {kind}" for kind in faults.ODD_CFGS),
]
SLOW = [
    *("occlude: files of at most 300 bytes", "attribute: files of at most 300 bytes"),
    *(
        "export: files of at most 12000 bytes",
        "train: files of at most 12000 bytes",
        "train: output folder closed",
        "display: files of at most 300 bytes",
    ),
    *("tune: files of at most 12000 bytes", "evaluate: disk of 32 kB"),
]


HARMLESS = (
    *(
        "cfg: BOM",
        "infer: few open files",
        "infer: network removed",
        "infer: output folder removed every 0.01 s",
    ),
    "evaluate: disk of 32 kB",
)
"""What may do no harm, as it comes too late or cannot be brought about here."""


@pytest.mark.parametrize("name", [*SHORT, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_faults_of_the_surroundings(name: str, template: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    work = dict(faults.cases([name.partition(":")[0]] if not name.startswith("cfg") else []))[name]
    status, wrong = faults.check(name, work, template, tmp_path / "x")
    assert not wrong
    assert status == 2 or name in HARMLESS
