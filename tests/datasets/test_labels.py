"""Labels by condition, file name, particle and stored number; no event gets a class by default."""

from __future__ import annotations

import operator
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn._common.errors import InputError
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import EVENT, UNSET

BINARY = ("signal", "background")
FILES = [Path("data/electron_1.root"), Path("data/proton_1.root")]


def events(rows: list[tuple[int, int, int, int, int]]) -> np.ndarray:
    return np.array(rows, EVENT)


SIX = events(
    [
        (100, 0, 7, 0, 0),
        (100, 1, 8, 1, 0),
        (7, 0, 9, 2, 0),
        (2**64 - 2, 0, 9, 0, 1),
        (2**63, 5, 0, 1, 1),
        (0, 0, 0, 2, 1),
    ]
)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("run == 100", [1, 1, 0, 0, 0, 0]),
        ("100 == run", [1, 1, 0, 0, 0, 0]),
        ("run != 100", [0, 0, 1, 1, 1, 1]),
        ("run == 18446744073709551614", [0, 0, 0, 1, 0, 0]),
        ("run >= 9223372036854775808", [0, 0, 0, 1, 1, 0]),
        ("7 <= run < 100", [0, 0, 1, 0, 0, 0]),
        ("run == 100 and subrun == 1 or event == 9", [0, 1, 1, 1, 0, 0]),
        ("not (run == 100 or entry > 0)", [0, 0, 0, 1, 0, 0]),
        ("run == subrun == event", [0, 0, 0, 0, 0, 1]),
        ("  entry<=1  ", [1, 1, 0, 1, 1, 0]),
    ],
)
def test_conditions(text: str, true: list[int]) -> None:
    for signal, classes in ((None, BINARY), ("signal", BINARY[::-1]), ("dark", ("cosmic", "dark"))):
        rule = LabelRule.parse(text, classes, signal)
        found = rule.apply(SIX, FILES)
        assert found.dtype == np.int64
        expected = classes.index(signal or "signal")
        assert (found == expected).tolist() == [bool(t) for t in true]
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(rule)).apply(SIX, FILES), found)
        assert not rule.needs_particles


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("run == 100", "run"),
        ("event > 5", None),
        ("event > 5 and not subrun == 2", "subrun"),
        ("entry < 2", None),
    ],
)
def test_a_condition_on_an_unset_id_has_no_answer(text: str, missing: str | None) -> None:
    rows = events([(100, 1, 6, 0, 0), (UNSET, UNSET, 7, 1, 1)])
    rule = LabelRule.parse(text, BINARY)
    if missing is None:
        assert len(rule.apply(rows, FILES)) == 2
        return
    with pytest.raises(InputError) as error:
        rule.apply(rows, FILES)
    assert f"{FILES[1]}: entry 1 has no {missing} number" in str(error.value)
    assert "cannot be judged: set label to" in str(error.value)


OPERATORS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
             ">=": operator.ge}  # fmt: skip
COMPARISON = st.tuples(
    st.sampled_from(["run", "subrun", "event", "entry"]), st.sampled_from(list(OPERATORS)), st.integers(0, 9)
)
CONDITION = st.recursive(
    COMPARISON,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=8,
)


def spelled(tree: Any) -> str:
    if tree[0] == "not":
        return f"not ({spelled(tree[1])})"
    if isinstance(tree[0], str):
        return f"{tree[0]} {tree[1]} {tree[2]}"
    return f"({spelled(tree[0])}) {tree[1]} ({spelled(tree[2])})"


def means(tree: Any, event: dict[str, int]) -> bool:
    if tree[0] == "not":
        return not means(tree[1], event)
    if isinstance(tree[0], str):
        return OPERATORS[tree[1]](event[tree[0]], tree[2])
    a, b = means(tree[0], event), means(tree[2], event)
    return a and b if tree[1] == "and" else a or b


@pytest.mark.slow
@given(CONDITION, st.lists(st.tuples(*[st.integers(0, 9)] * 4), max_size=5))
def test_any_condition_means_what_it_says(tree: Any, ids: list[tuple[int, ...]]) -> None:
    found = LabelRule.parse(spelled(tree), BINARY).apply(events([(*row, 0) for row in ids]), FILES)
    names = ("run", "subrun", "event", "entry")
    assert found.tolist() == [0 if means(tree, dict(zip(names, row, strict=True))) else 1 for row in ids]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rum == 100", "'rum' is neither an id nor a whole number from 0 to 2^64-1 (did you mean 'run'?)"),
        ("run = 100", "not a condition"),
        ("", "not a condition"),
        ("run", "'run' is not a condition"),
        ("run == 1.5", "'1.5' is neither"),
        ("run == True", "'True' is neither"),
        ("run == -1", "'-1' is neither"),
        ("run == 18446744073709551616", "is neither"),
        ("run + 1 == 2", "'run + 1' is neither"),
        ("run in (1, 2)", "is neither"),
        ("run is 1", "compares no id with a number"),
        ("1 == 1", "compares no id with a number"),
        ("__import__('os').system('true')", "is not a condition"),
        ("(run == 1) & (run == 2)", "is not a condition"),
        ("run == 1; run == 2", "not a condition"),
        ("not " * 2000 + "run == 1", "longer than 1000 characters"),
        ("(" * 400 + "run == 1" + ")" * 400, "not a condition"),
    ],
)
def test_what_is_no_condition(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        LabelRule.parse(text, BINARY)
    assert words in str(error.value)
    assert len(str(error.value)) < 400


def test_a_condition_needs_two_classes_and_a_signal() -> None:
    with pytest.raises(InputError, match="tells 2 classes apart, there are 3"):
        LabelRule.parse("run == 100", ("a", "b", "c"))
    with pytest.raises(
        InputError, match=r"class of a true condition is unknown, set signal to one of \['a', 'b'\]"
    ):
        LabelRule.parse("run == 100", ("a", "b"))


def test_file_names() -> None:
    rule = LabelRule.parse({"electron*": "electron", "proton*": 0}, ("proton", "electron"))
    assert rule.apply(SIX, FILES).tolist() == [1, 1, 1, 0, 0, 0]
    with pytest.raises(
        InputError, match=r"data/muon.root: its name matches none of \['electron\*', 'proton\*'\]"
    ):
        rule.apply(SIX, [FILES[0], Path("data/muon.root")])
    both = LabelRule.parse({"electron*": 0, "*_1.root": 1}, ("proton", "electron"))
    with pytest.raises(InputError, match="expected exactly one label pattern"):
        both.apply(SIX, FILES)


def test_particles() -> None:
    rule = LabelRule.parse({11: "electron", -11: "electron", 2212: "proton"}, ("proton", "electron"))
    assert rule.needs_particles
    counts = np.array([1, 2, 3, 1, 1, 2])
    codes = np.array([11, -11, 22, 11, 22, -11, 2212, 2212, 2212, 13])
    assert rule.apply(SIX, FILES, (counts, codes)).tolist() == [1, 1, 1, 0, 0, 0]
    for changed, found in ((2212, [2212, 22, -11]), (13, None)):
        wrong = codes.copy()
        wrong[3 if found else 6] = changed
        with pytest.raises(InputError) as error:
            rule.apply(SIX, FILES, (counts, wrong))
        place = "electron_1.root: entry 2" if found else "proton_1.root: entry 0"
        assert f"data/{place}: primary particles {found or [13]}, expected one class" in str(error.value)
    with pytest.raises(InputError, match=r"entry 0: primary particles \[\], expected one class"):
        rule.apply(SIX[:1], FILES, (np.array([0]), codes[:0]))
    with pytest.raises(ValueError, match="needs the primary particles"):
        rule.apply(SIX, FILES)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (
            {"a*": "electrn"},
            "names the class 'electrn' (did you mean 'electron'?), expected one of 0 = proton",
        ),
        ({"a*": 2}, "names the class 2, expected one of 0 = proton, 1 = electron"),
        ({"a*": True}, "names the class True"),
        ({11: -1}, "names the class -1"),
        ({}, "expected a condition, {file pattern: class} or {PDG code: class}"),
        ({11: "electron", "a*": "proton"}, "expected only file patterns or only PDG codes as keys"),
        ({True: "electron"}, "expected only file patterns or only PDG codes as keys"),
        (100, "expected a condition"),
    ],
)
def test_what_is_no_label(label: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        LabelRule.parse(label, ("proton", "electron"))
    assert words in str(error.value)


SIX_CLASSES = ("electron", "kaon", "muon", "photon", "pion_zero", "pion")


def test_the_longest_class_name_that_begins_the_file_name() -> None:
    rule = LabelRule.parse("prefix", SIX_CLASSES)
    names = ["pion_1.npy", "pion_zero_1.npy", "pion_zero.npy", "kaon.npy", "electron_9.npy", "muon7.npy"]
    found = rule.apply(SIX, FILES, names=names)
    assert [SIX_CLASSES[number] for number in found] == [
        "pion", "pion_zero", "pion_zero", "kaon", "electron", "muon"]  # fmt: skip
    of_files = rule.apply(SIX, [Path("x/electron.root"), Path("x/pion_3.root")])
    assert [SIX_CLASSES[number] for number in of_files] == ["electron"] * 3 + ["pion"] * 3


def test_an_unknown_prefix_is_reported_and_never_guessed() -> None:
    rule = LabelRule.parse("prefix", SIX_CLASSES)
    with pytest.raises(InputError, match=r"muno_1\.npy: its name begins with no class .*did you mean 'muon'"):
        rule.apply(SIX, FILES, names=["muon_1.npy"] * 5 + ["muno_1.npy"])


def test_the_class_that_the_file_stores() -> None:
    rule = LabelRule.parse("y", ("photon", "electron"))
    assert rule.apply(SIX, FILES, stored=np.array([0, 1, 1, 0, 0, 1])).tolist() == [0, 1, 1, 0, 0, 1]
    with pytest.raises(InputError, match=r"entry 2: the file stores class 7, expected 0 to 1"):
        rule.apply(SIX, FILES, stored=np.array([0, 1, 7, 0, 0, 1]))
    with pytest.raises(InputError, match="stores no class"):
        rule.apply(SIX, FILES)


def test_file_patterns_apply_to_the_files_of_a_folder() -> None:
    rule = LabelRule.parse({"e*.npy": "electron", "p*.npy": "proton"}, ("proton", "electron"))
    names = ["e1.npy", "p1.npy", "e2.npy", "e3.npy", "p2.npy", "p3.npy"]
    assert rule.apply(SIX, FILES, names=names).tolist() == [1, 0, 1, 1, 0, 0]
