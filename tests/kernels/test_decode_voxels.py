"""decode_voxels and decode_clusters against their twins and on hostile bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.decode_voxels import decode_clusters as clusters_twin
from reference.decode_voxels import decode_voxels as voxels_twin

VOXEL, SHORT_IDS, LONG_IDS = 0x7A384FDA, 0x6779A85C, 0x123C507A
TWINS = [(_core.decode_voxels, voxels_twin), (_core.decode_clusters, clusters_twin)]


def memberwise(checksum, body):
    return struct.pack(">IHHI", 0x40000000 | len(body) + 8, 0x4009, 0, checksum) + body


def voxel_set(ids, values):
    return (
        struct.pack(">i", len(ids)) + np.asarray(ids, ">u8").tobytes() + np.asarray(values, ">f4").tobytes()
    )


def concatenated(entries):
    return np.frombuffer(b"".join(entries), np.uint8), np.cumsum([0, *map(len, entries)], dtype=np.int64)


@st.composite
def sets_of_voxels(draw, most):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.float32([np.nan, np.inf, 0, -1, 3e38, 0.5])
    return [
        voxel_set(rng.integers(0, 2**64 - 1, size, np.uint64), rng.choice(values, size))
        for size in draw(st.lists(st.sampled_from([0, 1, 5]), max_size=most))
    ]


@st.composite
def voxel_entries(draw):
    sets = st.lists(sets_of_voxels(4), max_size=4)
    return concatenated([memberwise(VOXEL, b"".join(entry)) for entry in draw(sets)])


@st.composite
def cluster_entries(draw):
    entries = []
    for projections in draw(st.lists(st.lists(sets_of_voxels(4), max_size=3), max_size=3)):
        checksum, dtype = draw(st.sampled_from([(SHORT_IDS, ">u2"), (LONG_IDS, ">u8")]))
        body = b""
        for sets in projections:
            ids = np.arange(len(sets), dtype=dtype)[::-1] * 7
            body += struct.pack(">i", len(sets)) + ids.tobytes()
            body += memberwise(VOXEL, b"".join(sets)) if sets else b""
        entries.append(memberwise(checksum, body))
    return concatenated(entries)


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@pytest.mark.slow
@given(voxel_entries())
def test_voxels_same_as_twin(entries):
    assert_same(_core.decode_voxels(*entries), voxels_twin(*entries))


@pytest.mark.slow
@given(cluster_entries())
def test_clusters_same_as_twin(entries):
    assert_same(_core.decode_clusters(*entries), clusters_twin(*entries))


def test_clusters_by_hand():
    """One projection without clusters, and one with clusters 5 (voxels 3 and 9) and 6 (no voxels)."""
    sets = voxel_set([3, 9], [1.5, 2.5]) + voxel_set([], [])
    body = struct.pack(">iiHH", 0, 2, 5, 6) + memberwise(VOXEL, sets)
    found = _core.decode_clusters(*concatenated([memberwise(SHORT_IDS, body)]))
    assert [column.tolist() for column in found] == [[2], [0, 0, 2], [5, 6], [0, 2, 2], [3, 9], [1.5, 2.5]]


VOXELS = memberwise(VOXEL, voxel_set([3, 9], [1, 2]) + voxel_set([], []))
CLUSTERS = memberwise(LONG_IDS, struct.pack(">iQQ", 2, 5, 6) + VOXELS)


@pytest.mark.parametrize("kernel", TWINS, ids=["voxels", "clusters"])
@pytest.mark.parametrize(
    ("at", "text", "said"),
    [
        (0, b"\0", "byte count"),
        (3, b"\0", "byte count"),
        (4, b"\0", "version 9, expected bit 14 set"),
        (7, b"\1", "class version 1, expected 0"),
        (11, b"\1", "checksum"),
        (12, b"\xff", "count of (voxels|clusters) -"),
        (12, b"\x7f", "count of (voxels|clusters) 213"),
        (15, b"\x03", "(count of voxels 3|bytes left|byte count|class version|version|checksum|count)"),
    ],
)
def test_refuses_bytes(kernel, at, text, said):
    decode, twin = kernel
    whole = VOXELS if decode is _core.decode_voxels else CLUSTERS
    assert_same(decode(*concatenated([whole])), twin(*concatenated([whole])))
    broken = whole[:at] + text + whole[at + len(text) :]
    data, entries = concatenated([whole, broken])
    with pytest.raises(ValueError, match=f"entry 1: {said}"):
        decode(data, entries)
    with pytest.raises(ValueError, match="entry 0: "):
        decode(*concatenated([whole[:-1]]))
    with pytest.raises(ValueError, match="entry 0: byte count that leaves"):
        decode(*concatenated([whole + b"\0"]))


@pytest.mark.parametrize("decode", [_core.decode_voxels, _core.decode_clusters])
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([0, -1], "entry 0: bytes 0 to -1, expected increasing positions"),
        ([0, 13], "entry 0: bytes"),
        ([-(2**63), 2**63 - 1], "entry 0: bytes"),
        ([], r"entries has shape \(0\)"),
    ],
)
def test_refuses_positions(decode, entries, said):
    with pytest.raises(ValueError, match=said):
        decode(np.zeros(12, np.uint8), np.array(entries, np.int64))


@pytest.mark.parametrize("decode", [_core.decode_voxels, _core.decode_clusters])
def test_refuses_other_types(decode, tampered):
    whole = VOXELS if decode is _core.decode_voxels else CLUSTERS
    for what, arguments in tampered(dict(zip(("data", "entries"), concatenated([whole]), strict=True))):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {decode(**arguments)}")


@given(st.data())
def test_hostile_bytes_are_refused_or_decoded(data):
    for decode, whole in ((_core.decode_voxels, VOXELS), (_core.decode_clusters, CLUSTERS)):
        raw = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
        try:
            *_, offsets, ids, values = decode(*concatenated([bytes(raw)]))
        except ValueError as error:
            said = str(error)
        else:
            assert offsets[-1] == len(ids) == len(values)
            continue
        assert said.startswith("entry 0: ")


@pytest.mark.parametrize("decode", [_core.decode_voxels, _core.decode_clusters])
def test_releases_gil(decode, releases_gil):
    """A long entry that is refused at its very end: nothing is copied out."""
    body = memberwise(VOXEL, voxel_set(np.arange(10**6), np.ones(10**6)) + b"\0")
    if decode is _core.decode_clusters:
        body = memberwise(LONG_IDS, struct.pack(">iQ", 1, 5) + body)

    def call():
        with pytest.raises(ValueError, match="entry 0"):
            decode(*entries)

    entries = concatenated([body])
    assert releases_gil(call)
