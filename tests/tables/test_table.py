"""Score tables: exact text, messages on bad files, and joins that lose no entry and no row."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn._common.errors import InputError
from dmcnn.tables import join, table
from dmcnn.tables.table import Table

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def entries(ids, **more) -> Table:
    """Return scored entries with these (run, subrun, event); the score identifies the entry."""
    columns = {name: [triple[i] for triple in ids] for i, name in enumerate(table.IDS)}
    n = len(ids)
    scores = [round(0.1 * i, 1) for i in range(n)]
    return Table.from_columns(
        {**columns, "signal_score": scores, "entry_number": range(n), "n_pixels": [9] * n, **more}
    )


def analysis(ids, **more) -> Table:
    """Return a table with these ids; ``tag`` identifies the row."""
    columns = {name: [triple[i] for triple in ids] for i, name in enumerate(table.IDS)}
    return Table.from_columns({**columns, "tag": [f"r{i}" for i in range(len(ids))], **more})


def joined(entry_ids, row_ids) -> list[tuple[str, str, str]]:
    """Return (entry_number, tag, status) of each joined row."""
    result, _ = join.join_by_ids(entries(entry_ids), analysis(row_ids))
    return list(zip(*map(result.column, ("entry_number", "tag", "status")), strict=True))


def test_shared_files_survive_byte_for_byte(shared_data: Path, tmp_path: Path):
    for path in sorted((shared_data / "scores").glob("*.csv")):
        table.write(tmp_path / "copy.csv", table.read(path, table.SCORE_COLUMNS))
        assert (tmp_path / "copy.csv").read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_scores_agree_with_numpy(shared_data: Path):
    for path in sorted((shared_data / "scores").glob("*.csv")):
        values, counts = table.scores(path)
        expected = np.genfromtxt(path, delimiter=",", names=True)["signal_score"]
        expected[expected == -999999.9] = np.nan
        np.testing.assert_array_equal(values, expected)
        assert (counts.rows, counts.unscored) == (len(expected), np.isnan(expected).sum())


@pytest.mark.slow
@given(st.data())
def test_any_text_survives(tmp_path_factory, data):
    name = CELL.filter(lambda word: not word.startswith("\ufeff"))  # a byte order mark is not text
    columns = data.draw(st.lists(name, min_size=1, max_size=4, unique=True))
    rows = data.draw(st.lists(st.tuples(*[CELL] * len(columns)), max_size=5))
    path = tmp_path_factory.getbasetemp() / "any.csv"
    table.write(path, Table.from_rows(columns, rows))
    again = table.read(path)
    assert (again.columns, again.rows) == (tuple(columns), rows)


def test_foreign_bytes_byte_order_mark_and_line_ends(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n\r\n1,caf\xe9\r\n")
    found = table.read(path)
    assert (found.columns, found.lines.tolist()) == (("a", "b"), [3])
    table.write(path, found)
    assert path.read_bytes() == b"a,b\n1,caf\xe9\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv: empty file"),
        (b"\n\n", "a.csv: empty file"),
        (b"run_number,signal_scor\n1,2\n", r"no column 'signal_score' \(did you mean 'signal_scor'\?\)"),
        (b"signal_score,b\n1,2\n3\n", r"a.csv:3: 1 fields, expected 2 as in line 1"),
        (b'signal_score,b\n"1\n",2\n3,4,5\n', r"a.csv:4: 3 fields, expected 2"),
        (b"signal_score,signal_score\n", "column 'signal_score' appears 2 times"),
        (b"signal_score\n0.5\nhigh\n", "a.csv:3: signal_score is 'high', expected a number"),
        (b"signal_score\n0.5\n-inf\n", "a.csv:3: signal_score is '-inf', expected a finite number"),
        (b"\xff\xfes\x00c\x00\n", "no column 'signal_score'|not CSV"),
        (b"signal_score\n" + b"9" * 200_000, "a.csv:2: not CSV"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        table.scores(path)
    assert "\n" not in str(caught.value)


def test_absent_file_and_folder_are_refused(tmp_path: Path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            table.read(path)


def test_unscored_is_empty_nan_or_the_old_sentinel(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('signal_score\n0.5\n""\nnan\n-999999.9\n-999999\n-3.5\n')
    values, counts = table.scores(path)
    np.testing.assert_array_equal(values, [0.5, np.nan, np.nan, np.nan, np.nan, -3.5])
    assert (counts.rows, counts.scored, counts.unscored) == (6, 2, 4)


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False), st.integers(0, 2**64 - 1))
def test_numbers_read_back_exactly_and_shortly(single, double, whole):
    (short,) = table.text(np.array([single], np.float32))
    (long,) = table.text(np.array([double]))
    assert np.float32(short) == np.float32(single)
    assert float(long) == double
    assert len(short.lstrip("-").replace(".", "").split("e")[0].strip("0")) <= 9  # digits a float32 can need
    assert table.text(np.array([whole], np.uint64)) == [str(whole)]


def test_missing_is_empty_and_integers_have_no_point():
    assert table.text([1, None, np.nan, np.float32("nan"), "a", np.int32(3), np.float32(0.1), 0.1]) == [
        "1", "", "", "", "a", "3", "0.1", "0.1",
    ]  # fmt: skip
    assert table.text(np.array([0.1, np.nan], np.float32)) == ["0.1", ""]
    with pytest.raises(ValueError, match="shorter"):
        Table.from_columns({"a": [1, 2], "b": [1]})


A, B, C = (1, 0, 1), (1, 0, 2), (1, 0, 3)


@pytest.mark.parametrize(
    ("entry_ids", "row_ids", "expected"),
    [
        ([A, B], [B, A], [("1", "r0", "matched"), ("0", "r1", "matched")]),
        ([A, A], [A, A], [("0", "r0", "matched"), ("1", "r1", "matched")]),
        ([A], [A, B, A], [("0", "r0", "matched"), ("", "r1", "no entry"), ("0", "r2", "matched")]),
        ([A, B, A], [A, B], [("0", "r0", "matched"), ("2", "r0", "matched"), ("1", "r1", "matched")]),
        ([A, A, A], [A, A], [("0", "r0", "matched"), ("1", "r1", "matched"), ("2", "", "not in csv")]),
        ([A, A], [A, A, A], [("0", "r0", "matched"), ("1", "r1", "matched"), ("", "r2", "no entry")]),
        ([C, A], [], [("0", "", "not in csv"), ("1", "", "not in csv")]),
        ([], [A], [("", "r0", "no entry")]),
        ([], [], []),
    ],
)
def test_join_by_hand(entry_ids, row_ids, expected):
    assert joined(entry_ids, row_ids) == expected


@given(st.lists(st.sampled_from([A, B, C]), max_size=9), st.lists(st.sampled_from([A, B, C]), max_size=9))
def test_join_loses_nobody_and_pairs_only_equal_ids(entry_ids, row_ids):
    (codes, size) = list(dict.fromkeys([*entry_ids, *row_ids])), len(entry_ids)
    numbers = np.array([codes.index(ids) for ids in [*entry_ids, *row_ids]], np.int64)
    columns = join.pair(numbers[:size], numbers[size:])
    pairs = [
        tuple(None if i < 0 else i for i in each)
        for each in zip(*map(np.ndarray.tolist, columns), strict=True)
    ]
    assert {e for e, _ in pairs} - {None} == set(range(len(entry_ids)))
    assert {r for _, r in pairs} - {None} == set(range(len(row_ids)))
    assert all(entry_ids[e] == row_ids[r] for e, r in pairs if None not in (e, r))
    m, n = Counter(entry_ids), Counter(row_ids)
    found = Counter(entry_ids[e] if e is not None else row_ids[r] for e, r in pairs)
    assert found == {ids: max(m[ids], n[ids]) for ids in {*m, *n}}
    rows = [r for _, r in pairs if r is not None]
    lonely = [e for e, r in pairs if r is None]
    assert rows == sorted(rows)
    assert lonely == sorted(lonely)
    assert all(r is None for _, r in pairs[len(pairs) - len(lonely) :])


@pytest.mark.parametrize("word", ["inf", "-inf", "1e400", "Infinity"])
def test_infinite_scores_are_refused(tmp_path: Path, word: str):
    """Forty infinite scores gave an AUC of 1, and ``-inf`` counted as no score."""
    path = tmp_path / "s.csv"
    path.write_text(f"signal_score\n0.5\n{word}\n")
    with pytest.raises(InputError, match=rf"s\.csv:3: signal_score is '{word}', expected a finite number"):
        table.scores(path)


@pytest.mark.parametrize(
    ("word", "label", "same"),
    [
        ("Signal", "signal", True), (" signal ", "signal", True), ("pion-zero", "pion_zero", True),
        ("1.0", "1", True), ("pion", "pion_zero", False), ("signal_mc", "signal", False), ("11", "1", False),
        ("1", "signal", False),
    ],
)  # fmt: skip
def test_spellings_of_a_label(word: str, label: str, same: bool):
    assert table.is_spelling(word, label) == same


def test_join_of_unique_ids_is_a_dictionary_look_up():
    rng = np.random.default_rng(3)
    pool = list(itertools.product([7001, 7016], range(5), range(5)))
    left, right = ([pool[i] for i in rng.permutation(50)[:30]] for _ in range(2))
    by_ids = {ids: str(entry) for entry, ids in enumerate(left)}
    found = [(tag, entry) for entry, tag, _ in joined(left, right) if tag]
    assert found == [(f"r{row}", by_ids.get(ids, "")) for row, ids in enumerate(right)]


def test_ids_are_exact_however_they_are_written():
    big = 2**64 - 1
    left = entries([(7001, 0, big), (7001, 0, big - 1), (2**53, 0, 1), (2**53 + 1, 0, 1)])
    right = Table.from_rows(
        (*table.IDS, "tag"),
        [
            ("7001.0", "0.", str(big), "a"),
            ("7.001e+03", "0", f"{big - 1}.0", "b"),
            (f"{2**53 + 1}", "0", "1", "c"),
            (" 12 ", "0", "1", "d"),
        ],
    )
    result, _ = join.join_by_ids(left, right)
    assert result.column("entry_number") == ["0", "1", "3", "", "2"]
    assert result.column("tag") == ["a", "b", "c", "d", ""]
    assert result.column("run_number")[3] == "12"  # ids as integers, also where the row has no entry


@pytest.mark.parametrize("word", ["x", "1.5", "inf", str(2**64), "1e999999999", "1e-999999999"])
def test_ids_that_are_no_integers_are_refused(tmp_path: Path, word: str):
    path = tmp_path / "a.csv"
    path.write_text(f"run_number,subrun_number,event_number\n1,2,3\n1,{word},3\n")
    with pytest.raises(InputError, match=r"a.csv:3: subrun_number is .*expected an integer"):
        join.join_by_ids(entries([A]), table.read(path))


@pytest.mark.parametrize(
    "word", [f"{2**53}.0", "9.007199254740992e+15", f"{float(2**53):.18e}", "1.23457e+07", "7.00e+03"]
)
def test_ids_that_a_float_or_few_digits_may_have_rounded_are_refused(word: str):
    """``9007199254740992.0`` is what a table of floats leaves of 9007199254740993, too."""
    wrong = Table.from_rows(
        (*table.IDS, "tag"), [("7", "0", "1", "a"), ("7", "0", word, "b")], "a.csv", (2, 3)
    )
    with pytest.raises(InputError, match=r"a\.csv:3: event_number is .*may be rounded"):
        join.join_by_ids(entries([(7, 0, int(float(word)))]), wrong)


@pytest.mark.parametrize(
    "bad", [("-999",) * 3, ("nan",) * 3, ("7", "", "3"), ("1", "0", "-1"), ("", "NaN", "1")]
)
def test_rows_with_placeholders_for_ids_match_nothing(bad: tuple[str, str, str]):
    rows = Table.from_rows((*table.IDS, "tag"), [("1", "0", "1", "a"), (*bad, "b")])
    result, found = join.join_by_ids(entries([(1, 0, 1), (7, 0, 3)]), rows)
    assert result.column("status") == ["matched", "no entry", "not in csv"]
    assert result.rows[1][:3] == bad
    assert found == join.Coverage(2, 1, 0, 2, 1, 0, 1)
    assert found.lines()[1].endswith(
        "no entry 1, sharing their ids 0, without ids (empty, nan or negative) 1"
    )


def test_columns_keep_their_order_and_collisions_are_renamed():
    left = entries([A, B], file=["f.root", "f.root"], label=[1, 0])
    right = analysis([A], signal_score=["0.9"], label=["x"], label_csv=["y"], weight=["1.50"])
    result, _ = join.join_by_ids(left, right)
    assert result.columns == (
        *table.SCORE_COLUMNS, "file", "label", "status",
        "tag", "signal_score_csv", "label_csv_csv", "label_csv", "weight",
    )  # fmt: skip
    assert result.rows[0] == (
        "1", "0", "1", "0.0", "0", "9", "f.root", "1", "matched", "r0", "0.9", "x", "y", "1.50",
    )  # fmt: skip
    assert result.rows[1] == ("1", "0", "2", "0.1", "1", "9", "f.root", "0", "not in csv", "", "", "", "", "")


def test_an_entry_keeps_its_own_status():
    left = entries([A, B, C], status=["", join.NO_IMAGE, ""], file=["f", "f", "f"])
    result, coverage = join.join_by_ids(left, analysis([A, B]))
    assert result.column("status") == ["matched", "no image", "not in csv"]
    assert result.columns[6:8] == ("status", "file")
    assert coverage.entries_matched == 2


def test_coverage_counts_both_sides():
    _, found = join.join_by_ids(entries([A, A, A, B, C]), analysis([A, A, (9, 9, 9)]))
    assert found == join.Coverage(5, 2, 3, 3, 2, 2)
    first, second = found.lines()
    assert first == "entries: 5, matched 2, not in csv 3, sharing their ids 3"
    assert second == "csv rows: 3, matched 2, no entry 1, sharing their ids 2"


def test_the_lost_events_of_the_shared_file_are_found_again(shared_data: Path):
    """DM-CNN did not score 27 rows of this file, because an earlier row has their ids, and lost one at the end."""
    path = next((shared_data / "scores").glob("samples_mpid__*dirt*.csv"))
    old = table.read(path)
    numbers = [tuple(int(word) for word in row[:3]) for row in old.rows]
    result, coverage = join.join_by_ids(entries(numbers), old)
    assert coverage == join.Coverage(3331, 3331, 54, 3331, 3331, 54)
    assert result.column("entry_number") == [str(i) for i in range(3331)]
    assert result.column("n_pixels_csv") == old.column("n_pixels")


def test_missing_columns_are_named():
    with pytest.raises(InputError, match=r"no column 'run_number' \(did you mean 'run_numbr'\?\)"):
        join.join_by_ids(entries([A]), Table.from_rows(("run_numbr",), []))
    with pytest.raises(InputError, match="no column 'run_number'"):
        join.join_by_ids(Table.from_rows(("a",), []), analysis([A]))


def test_ids_that_were_never_set_match_nothing():
    nobody = (None, None, None)
    assert joined([(1, 1, 1), nobody], [nobody, (1, 1, 1)]) == [
        ("", "r0", "no entry"),
        ("0", "r1", "matched"),
        ("1", "", "not in csv"),
    ]
