"""cfg text: values of literals, faults, and no execution."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn._common.errors import InputError
from dmcnn.settings.cfg import checksum, is_own, literal, read_cfg, read_overrides, write_cfg


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("float(10)", 10.0),
        ('str("9")', "9"),
        ("int(512)", 512),
        ("True", True),
        ("-3", -3),
        ('"/a b/c.root"  # where', "/a b/c.root"),
        ("float(1e-3)", 0.001),
        ("(1, 2)", [1, 2]),
        ('["a", "b"]', ["a", "b"]),
        ('{11: "electron"}', {11: "electron"}),
        ("None", None),
        ("bool(0)", False),
    ],
)
def test_literals(text: str, value: Any) -> None:
    found = literal(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ['os.system("id")', "open('x')", "__import__('os')", "1 + x", "float(float(1))", "str(a)", "", "[", "{1}",
     "b'x'", "1j", "float('x', 1)", "lambda: 1", "(" * 500, "int(open('x'))", "f'{1}'", "..."],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number, string, list or True/False"):
        literal(text)


@given(st.text())
def test_any_text_is_a_literal_or_a_fault(text: str) -> None:
    with contextlib.suppress(ValueError):
        literal(text)


def test_cfg_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(
        '# comment\n\nEPOCHS=5\n  name = "x = y"\nbroken\n9x = 3\nGPUID = os.system("id")\nrotation = False '
    )
    entries, faults = read_cfg(path)
    assert [(e.key, e.value, e.line) for e in entries] == [
        ("EPOCHS", 5, 3),
        ("name", "x = y", 4),
        ("rotation", False, 8),
    ]
    assert [str(fault) for fault in faults] == [
        f"{path}:5: 'broken' is not 'key = value'",
        f"{path}:6: '9x = 3' is not 'key = value'",
        f"{path}:7: GPUID = 'os.system(\"id\")' is not a number, string, list or True/False",
    ]


def test_missing_and_binary_files(tmp_path: Path) -> None:
    (tmp_path / "training.cfg").write_text("")
    with pytest.raises(InputError, match=r"trainin.cfg: no such file \(did you mean 'training.cfg'"):
        read_cfg(tmp_path / "trainin.cfg")
    (tmp_path / "bin.cfg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_cfg(tmp_path / "bin.cfg")
    with pytest.raises(InputError, match="not a text file"):
        read_cfg(tmp_path)


def test_overrides_need_no_quotes() -> None:
    entries, faults = read_overrides(["EPOCHS=2", "input_train=a/x.root", "label=run == 100", "nonsense"])
    assert [(e.key, e.value) for e in entries] == [
        ("EPOCHS", 2),
        ("input_train", "a/x.root"),
        ("label", "run == 100"),
    ]
    assert len(faults) == 1


def test_written_cfg_reads_back(tmp_path: Path) -> None:
    values = {"a": 1, "b": [1.5, "x"], "c": 'it\'s "quoted"', "d": {11: "e"}, "e": True}
    (tmp_path / "x.cfg").write_text(write_cfg(values, "made by a test\nin two lines"))
    entries, faults = read_cfg(tmp_path / "x.cfg")
    assert {e.key: e.value for e in entries} == values
    assert not faults


@pytest.mark.parametrize(
    "text",
    [
        "int(1e400)",
        "int(float('nan'))",
        "'a\\0b'",
        "['a', '\\0']",
        "'\\ud800'",
        "99999999999999999999",
        "[2**70]",
        "{1: b'x'}",
    ],
)
def test_values_that_no_key_can_have(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.cfg").write_text(f"a = {text}\n")
    _, faults = read_cfg(tmp_path / "x.cfg")
    assert len(faults) == 1
    assert str(faults[0]).startswith(f"{tmp_path}/x.cfg:1: a = ")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_bytes(b"\xef\xbb\xbfname = 'x'\n")
    (entry,), faults = read_cfg(tmp_path / "x.cfg")
    assert (entry.key, entry.value, faults) == ("name", "x", [])


def test_a_changed_cfg_is_its_users(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    text = write_cfg({"name": "é", "events": 3}, "")
    path.write_text(f"# dmcnn 0.1.0, checksum {checksum(text)}\n{text}", encoding="utf-8")
    assert is_own(path)
    path.write_text(path.read_text().replace("3", "4"))
    assert not is_own(path)
    path.write_text(f"# dmcnn 0.1.0\n{text}")  # of a version without checksums
    assert is_own(path)
    for mine in ("events = 3\n", "# dmcnn simulate THIS_FILE\nevents = 3\n", ""):
        path.write_text(mine)
        assert not is_own(path)
