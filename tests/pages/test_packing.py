"""Arrays of a page, decoded by NumPy, and JSON that cannot end its script element."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps

from dmcnn.pages import packing


def unpacked(text: str, kind: str) -> np.ndarray:
    """Return the flat array of a text, which holds the lowest bytes of all values first."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return data.reshape(np.dtype(kind).itemsize, -1).T.copy().view(kind).ravel()


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 2, 2), (0,), (1,)])
def test_charge_comes_back_as_it_was(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values.flat[:1] = np.nan
    np.testing.assert_array_equal(unpacked(packing.exact(values), "<f4"), values.ravel())


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-6, 1.0, 3e4, 1e30, 1e300])
def test_halves_keep_three_digits_over_eight_decades(scale):
    random = np.random.default_rng(1)
    values = random.choice([-1, 1], 2000) * 10 ** random.uniform(-8, 0, 2000) * scale
    text, power = packing.halves(values)
    np.testing.assert_allclose(np.ldexp(unpacked(text, "<f2").astype(float), power), values, rtol=2**-11)


def test_halves_of_odd_values():
    values = np.array([0.0, np.nan, np.inf, -np.inf, 1.5, -2.0])
    text, power = packing.halves(values)
    np.testing.assert_array_equal(unpacked(text, "<f2") * 2.0**power, values)
    for nothing in (np.zeros((2, 3)), np.full((2, 3), np.nan), np.zeros(0), np.array([5e-324])):
        text, power = packing.halves(nothing)
        np.testing.assert_array_equal(np.ldexp(unpacked(text, "<f2").astype(float), power), nothing.ravel())


@pytest.mark.slow
@given(st.text() | st.sampled_from(["</script>", "<!--<script>", "]]>", "\u2028\u2029", "&lt;"]))
def test_words_stay_inside_their_element(word):
    text = packing.words({word: [word]})
    assert not set(text) & set("<>&\u2028\u2029")
    assert text.isascii()
    assert json.loads(text) == {word: [word]}


def test_colours_are_those_of_matplotlib():
    colours = packing.colours()
    names = {name for kind in colours["kinds"].values() for name in kind}
    assert set(colours["tables"]) == names
    assert set(colours["unsafe"]) < names
    for name in names:
        table = np.frombuffer(base64.b64decode(colours["tables"][name]), np.uint8).reshape(256, 3)
        np.testing.assert_array_equal(table, colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3])
