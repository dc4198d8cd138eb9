"""decode_image2d against its twin, against uproot on a real file, and on hostile bytes."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from dmcnn import _core
from reference.collect import assert_same
from reference.decode_image2d import decode_image2d as twin

INF = float("inf")
SPECIAL = np.float32([np.nan, INF, -INF, 0, -0.0, 1e-45, -3, 9, 10, 20, 500, 501, 3e38])


def encode(images):
    """Bytes and entry positions of images[e]: a list of (rows, cols) float32."""
    entries = []
    for stored in images:
        body = b"".join(struct.pack(">i", a.size) + a.T.astype(">f4").tobytes() for a in stored)
        entries.append(struct.pack(">IH", 0x40000000 | len(body) + 2, 9) + body)
    ends = np.cumsum([0, *map(len, entries)], dtype=np.int64)
    return np.frombuffer(b"".join(entries), np.uint8), ends


@st.composite
def problems(draw):
    """Random entries of 0 to 4 images; channels take any image, twice the same, or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    side, fill = draw(st.sampled_from([1, 4, 12])), draw(st.sampled_from([0.02, 0.5, 1]))
    n, channels = draw(st.integers(0, 3)), draw(st.integers(0, 3))

    def image():
        size = tuple(rng.integers(0, side + 1, 2))
        return np.where(rng.random(size) < fill, rng.choice(SPECIAL, size), np.float32(0))

    images = [[image() for _ in range(rng.integers(0, 5))] for _ in range(n)]
    position = np.array([rng.integers(-1, len(stored), channels) for stored in images], np.int64)
    position = position.reshape(n, channels)
    sizes = np.full((2, n, channels), -7)
    for e, c in np.argwhere(position >= 0):
        sizes[:, e, c] = images[e][position[e, c]].shape
    shape = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    bounds = draw(st.sampled_from([(-INF, INF), (10.0, 500.0), (0.0, INF), (-5.0, 5.0)]))
    return *encode(images), position, *sizes, shape, *bounds, draw(st.booleans())


@pytest.mark.slow
@given(problems())
def test_same_as_twin(problem):
    assert_same(_core.decode_image2d(*problem), twin(*problem))


def test_pixel_order_by_hand():
    """Stored 1..6 down the columns of 2 rows x 3 columns; LArCV1 stores the last row first."""
    data, entries = encode([[np.float32([[1, 3, 5], [2, 4, 6]])]])
    one = [np.array([[number]]) for number in (0, 2, 3)]
    plain = _core.decode_image2d(data, entries, *one, (2, 3), -INF, INF, False)
    flipped = _core.decode_image2d(data, entries, *one, (2, 3), -INF, INF, True)
    assert plain[2].tolist() == [1, 3, 5, 2, 4, 6]
    assert flipped[2].tolist() == [2, 4, 6, 1, 3, 5]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("electron.root", "image2d_data_tree/image2d_data_branch"),
        ("larcv2_v200_root640_c404.root", "image2d_wire_tree/image2d_wire_branch"),
        ("larcv2_v200_root640_c505.root", "image2d_image2d_binary_tree/image2d_image2d_binary_branch"),
    ],
)
def test_real_file_as_uproot_reads_it(shared_data, name, path):
    with uproot.open(shared_data / "larcv" / name) as file:
        branch = file[f"{path}/_image_v/_image_v._img"]
        basket, stop = branch.basket(0), int(branch.member("fBasketEntry")[1])
        pixels = branch.array(entry_stop=stop, library="np")
        rows, cols = (
            file[f"{path}/_image_v/_image_v._meta._{axis}_count"].array(entry_stop=stop, library="np")
            for axis in ("row", "col")
        )
    channels = max(map(len, pixels))
    position, n_rows, n_cols = np.full((3, stop, channels), -1, np.int64)
    for e, images in enumerate(pixels):
        position[e, : len(images)] = np.arange(len(images))
        n_rows[e, : len(images)], n_cols[e, : len(images)] = rows[e], cols[e]
    height, width = shape = int(n_rows.max()), int(n_cols.max())
    entries = basket.byte_offsets.astype(np.int64)
    sparse = _core.decode_image2d(basket.data, entries, position, n_rows, n_cols, shape, -INF, INF, False)
    out = np.empty((stop, channels, height, width), np.float32)
    _core.densify(*sparse[:3], out)
    assert not sparse[3].any()
    assert not sparse[4].any()
    assert out.any()
    for e, c in np.argwhere(position >= 0):
        image = np.asarray(pixels[e][c], np.float32).reshape(n_cols[e, c], n_rows[e, c]).T
        down, right = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        found = out[e, c, down:, right:][: image.shape[0], : image.shape[1]]
        np.testing.assert_array_equal(found, image)
        assert np.count_nonzero(out[e, c]) == np.count_nonzero(image)


IMAGES = [
    [np.arange(12, dtype=np.float32).reshape(3, 4), np.float32([[5]])],
    [],
    [np.zeros((0, 4), np.float32), np.ones((4, 3), np.float32)],
]
BYTES, ENTRIES = encode(IMAGES)
VALID = {
    "data": BYTES,
    "entries": ENTRIES,
    "position": np.array([[0, 1], [-1, -1], [-1, 1]]),
    "rows": np.array([[3, 1], [0, 0], [0, 4]]),
    "cols": np.array([[4, 1], [0, 0], [0, 3]]),
    "shape": (4, 4),
    "adc_lo": 0.5,
    "adc_hi": 100.0,
    "flip_rows": False,
}


def patched(at, text):
    """BYTES with ``text`` at place ``at``."""
    raw = bytearray(BYTES.tobytes())
    raw[at : at + len(text)] = text
    return np.frombuffer(bytes(raw), np.uint8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": patched(0, b"\x40\x00\x00\x00")}, r"entry 0: byte count 1073741824, expected 10737418\d\d"),
        ({"data": patched(4, b"\x40\x09")}, "entry 0: version 16393, expected bit 14 clear"),
        ({"data": patched(6, b"\xff\xff\xff\xff")}, "entry 0: count of pixels -1, expected 0 to 14"),
        ({"data": patched(6, b"\x7f\xff\xff\xff")}, "entry 0: count of pixels 2147483647"),
        ({"data": patched(6, b"\x00\x00\x00\x0b")}, "entry 0: count of pixels 1093664768"),
        ({"data": patched(6, b"\x00\x00\x00\x0e")}, "entry 0: count 14 of image 0, expected 3 rows x 4 cols"),
        ({"data": BYTES[:-1]}, "entry 2: bytes"),
        ({"entries": ENTRIES - [0, 0, 0, 1]}, "entry 2: byte count"),
        ({"entries": ENTRIES[[0, 2, 1, 3]]}, "entry 0: byte count"),
        ({"entries": np.array([0, -1, 5, 9])}, "entry 0: bytes 0 to -1, expected increasing positions"),
        ({"entries": np.array([-(2**63), 2**63 - 1, 5, 9])}, "entry 0: bytes"),
        ({"entries": np.array([0, 5, 5, 9])}, "entry 0: length 5, expected at least 6"),
        ({"entries": ENTRIES[:3]}, r"entries has shape \(3\), expected \(4\)"),
        (
            {"position": np.array([[0, 1], [0, -1], [-1, 1]])},
            "entry 1: image number 0, expected -1 or less than",
        ),
        ({"position": np.array([[0, 2], [-1, -1], [-1, 1]])}, "entry 0: image number 2"),
        ({"position": np.array([[0, -2], [-1, -1], [-1, 1]])}, "entry 0: image number -2"),
        (
            {"rows": np.array([[2, 1], [0, 0], [0, 4]])},
            "entry 0: count 12 of image 0, expected 2 rows x 4 cols",
        ),
        ({"rows": np.array([[-3, 1], [0, 0], [0, 4]])}, "entry 0: image of size -3 x 4"),
        ({"rows": np.array([[3, 2**62], [0, 0], [0, 4]])}, "entry 0: image of size 4611686018427387904 x 1"),
        ({"cols": np.array([[4, 4], [0, 0], [0, 2**62]])}, "entry"),
        ({"shape": (2**31, 1)}, r"shape \(2, 2147483648, 1\)"),
        ({"shape": (-1, -1)}, "shape"),
    ],
)
def test_refuses(change, said):
    with pytest.raises(ValueError, match=said):
        _core.decode_image2d(**{**VALID, **change})


def test_refuses_other_types(tampered):
    assert_same(_core.decode_image2d(**VALID), twin(**VALID))
    for what, arguments in tampered(VALID):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {_core.decode_image2d(**arguments)}")
    for name, value in [("shape", (2.0, 3.0)), ("flip_rows", None), ("adc_hi", "9")]:
        with pytest.raises(TypeError):
            _core.decode_image2d(**{**VALID, name: value})


def keeps_promises(offsets, index, value, bad, cut):
    assert offsets[0] == 0
    assert offsets[-1] == len(index) == len(value)
    assert len(bad) == len(cut) == len(offsets) - 1 == 3
    assert all((np.diff(index[a:b]) > 0).all() for a, b in itertools.pairwise(offsets))
    assert ((index >= 0) & (index < 2 * 4 * 4)).all()
    assert ((value >= 0.5) & (value <= 100)).all()


@pytest.mark.slow
@given(st.data())
def test_hostile_input_is_refused_or_decoded(data):
    """Bytes, positions and sizes overwritten at random: a ValueError, or a batch that keeps its promises."""
    arguments = {name: v.copy() if isinstance(v, np.ndarray) else v for name, v in VALID.items()}
    numbers = st.one_of(st.integers(-3, 80), st.integers(-(2**63), 2**63 - 1))
    for name in data.draw(
        st.lists(st.sampled_from(["data", "entries", "position", "rows", "cols"]), max_size=4)
    ):
        array = arguments[name]
        at = data.draw(st.integers(0, array.size - 1))
        array.flat[at] = data.draw(st.integers(0, 255) if name == "data" else numbers)
    try:
        decoded = _core.decode_image2d(**arguments)
    except ValueError as error:
        decoded, said = None, str(error)
    if decoded is None:
        assert said.startswith("entry ")
    else:
        keeps_promises(*decoded)


def test_releases_gil(releases_gil):
    """All pixels below the threshold: NumPy lets go of the GIL too when it copies a long result."""
    data, entries = encode([[np.ones((2048, 2048), np.float32)]])
    one = [np.array([[number]]) for number in (0, 2048, 2048)]
    assert releases_gil(lambda: _core.decode_image2d(data, entries, *one, (2048, 2048), 2.0, 9.0, False))
