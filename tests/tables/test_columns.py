"""Tables by column against the same work row by row: any CSV text, any ids, any values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn._common.errors import InputError
from dmcnn.tables import fields, join, table
from dmcnn.tables.table import Table
from dmcnn.tables.texts import Texts
from reference import rows_of_text

PIECES = st.sampled_from(
    [b"a", b"7", b"0.50", b" ", b",", b",", b"\n", b"\n", b"\r\n", b"\r", b'"', b'""', b"\xc3\xa9", b"\xff",
     b"\xef\xbb\xbf"]
)  # fmt: skip
ID = st.sampled_from(
    ["1", "1.0", "01", "2", " 2", str(2**64 - 1), str(2**53 + 1), str(2**53), "", "nan", "-1"]
)
IDS = st.lists(st.tuples(st.just("7"), st.sampled_from(["0", "1"]), ID), max_size=9)


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_any_bytes_are_read_as_row_by_row(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        columns, rows, lines = rows_of_text.read(path)
    except ValueError as ragged:
        with pytest.raises(InputError, match=rf"any\.csv:{ragged}: \d+ fields"):
            fields.read(path)
        return
    names, texts, places = fields.read(path)
    assert (names, fields.names(path)) == (columns, columns)
    assert [list(each) for each in texts] == [[row[i] for row in rows] for i in range(len(columns))]
    assert places.tolist() == lines or not columns


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\r\n"])
def test_plain_files_are_split_without_the_csv_module(end):
    columns, texts, lines = fields.split(b"\xef\xbb\xbfa,b\n1,\n,caf\xc3\xa9" + end)
    assert (columns, [text.words() for text in texts]) == (("a", "b"), [["1", ""], ["", "café"]])
    assert lines.tolist() == [2, 3]


@pytest.mark.slow
@given(IDS, IDS)
def test_joins_are_those_of_a_join_row_by_row(left, right):
    entries = Table.from_rows(table.SCORE_COLUMNS, [(*ids, "0.5", str(i), "9") for i, ids in enumerate(left)])
    rows = Table.from_rows(("tag", *table.IDS), [(f"r{i}", *ids) for i, ids in enumerate(right)])
    result, coverage = join.join_by_ids(entries, rows)
    pairs = rows_of_text.pair(rows_of_text.ids(left, -1), rows_of_text.ids(right, -2))
    expected = [("" if e is None else str(e), "" if r is None else f"r{r}") for e, r in pairs]
    assert list(zip(result.column("entry_number"), result.column("tag"), strict=True)) == expected
    assert coverage.entries_matched == len({e for e, r in pairs if None not in (e, r)})
    assert coverage.rows_matched == len({r for e, r in pairs if None not in (e, r)})
    for (entry, row), words in zip(pairs, zip(*map(result.column, table.IDS), strict=True), strict=True):
        own = left[entry] if entry is not None else right[row]
        unset = any(word in ("", "nan", "-1") for word in own)
        whole = own if unset else tuple(str(int(word.removesuffix(".0"))) for word in own)
        assert words == (whole if entry is None else own)


@pytest.mark.slow
@given(st.lists(st.text(max_size=4), max_size=9), st.data())
def test_columns_of_texts_are_lists(words, data):
    texts = Texts.of(words)
    which = data.draw(st.lists(st.integers(-1, len(words) - 1), max_size=9))
    assert list(texts.take(np.array(which, np.int64))) == ["" if i < 0 else words[i] for i in which]
    assert Texts.concatenate([texts[:3], texts, texts[2:]]).words() == words[:3] + words + words[2:]
    numbers, plain = texts.integers()
    assert plain.tolist() == [word.isascii() and word.isdecimal() for word in words]
    assert numbers[plain].tolist() == [int(word) for word in words if word.isascii() and word.isdecimal()]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint64, np.bool_, object])
def test_columns_of_values_are_written_as_their_texts(tmp_path, kind):
    values = np.array([0, 1, 3, 1e5], np.float64).astype(kind)
    rows = Table.from_columns({"a": values, "b": ["x", None, 'q"', "y,z"]})
    table.write(tmp_path / "a.csv", rows)
    again = table.read(tmp_path / "a.csv")
    assert again.column("a") == [str(value) for value in values.tolist()]
    assert again.column("b") == rows.column("b") == ["x", "", 'q"', "y,z"]


def test_numbers_of_a_column_are_told_by_their_line(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,\n 2 , \n\n3,x\n")
    rows = table.read(tmp_path / "a.csv")
    assert rows.numbers("a").tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=r"a\.csv:5: b is 'x', expected a number"):
        rows.numbers("b")


def test_different_texts_come_in_order_of_occurrence():
    names, number = Table.from_columns({"a": ["b", "a", "b", ""]}).levels("a")
    assert (names, number.tolist()) == (["b", "a", ""], [0, 1, 0, 2])
