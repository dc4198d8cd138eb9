"""Network against its twin and against QKeras, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmcnn import _core
from reference.images import columns
from reference.predict import predict as twin

ORACLES = ("2t_baseline_636eb1c6", "2t_mdmm_076ea794", "20t_type6_c8fe3c7d")


def outputs(shape, frames, **layers):
    """Outputs of the same frames, sparse and dense, with 1, 2 and 5 threads."""
    net = _core.Network(shape=shape, **layers)
    offsets, index, value, _ = columns(frames)
    made = []
    for n_threads in (1, 2, 5):
        made.append(net.predict(offsets, index, value, shape, n_threads=n_threads))
        made.append(net.predict_dense(frames, n_threads=n_threads))
    for one in made:
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, made[0])
    return made[0]


def tensor(rng, bits, zeros, *shape):
    """Random integers of so many bits, some of them the largest, and the bits."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    integers = np.where(
        rng.random(shape) < 0.2, rng.choice([low, high], shape), rng.integers(low, high + 1, shape)
    )
    return np.where(rng.random(shape) < zeros, 0, integers).astype(np.int8), bits


def network(rng, shape, kernel, filters, pool, sizes, bits, zeros=0.3):
    """Random layers: ``bits`` are cycled through by all weights and then by all that is rounded."""
    next_bits = itertools.cycle(bits)
    weights = {
        "depthwise": (shape[0], kernel, kernel),
        "pointwise": (filters, shape[0]),
        "bias": (filters,),
        "conv": (filters, filters),
        "conv_bias": (filters,),
    }
    layers = {name: tensor(rng, min(next(next_bits), 8), zeros, *size) for name, size in weights.items()}
    rows, cols = ((side - kernel + 1) // pool for side in shape[1:])
    dense = []
    for before, after in itertools.pairwise([filters * rows * cols, *sizes]):
        few = min(next(next_bits), 8)
        dense.append(
            (tensor(rng, few, zeros, after, before), tensor(rng, few, zeros, after), next(next_bits))
        )
    names = ("input_bits", "act_1_bits", "act_2_bits", "pool_bits")
    return {"pool": pool, **layers, "dense": dense, **{name: next(next_bits) for name in names}}


def clusters(rng, n, shape, fill):
    """(n, *shape) float32: some frames empty, some full, pixels on the grid and off it, beyond the limits too."""
    values = rng.choice(
        [-3e38, -1.0, -0.9375, 0.0625, 0.5, 0.875, 0.9374, 1e-30, 2.0, np.inf, -np.inf], (n, *shape)
    )
    values = np.where(rng.random(values.shape) < 0.7, rng.normal(0, 0.6, values.shape), values)
    share = np.asarray(fill) * np.linspace(0, 1, n)[:, None, None, None]
    return np.where(rng.random(values.shape) < share, values, 0).astype(np.float32)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 7), st.integers(0, 11), st.integers(0, 22)),
    st.integers(1, 5),
    st.integers(1, 20),
    st.integers(1, 5),
    st.lists(st.integers(1, 35), min_size=1, max_size=3),
    st.lists(st.integers(2, 12), min_size=1, max_size=5),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_same_as_twin(seed, shape, kernel, filters, pool, sizes, bits, fill):
    rng = np.random.default_rng(seed)
    shape = shape[0], *(extra + kernel + pool - 1 for extra in shape[1:])
    layers = network(rng, shape, kernel, filters, pool, sizes, bits)
    frames = clusters(rng, 5, shape, fill)
    np.testing.assert_array_equal(outputs(shape, frames, **layers), twin(frames, **layers))


@pytest.mark.parametrize(("filters", "bits"), [(5, [4]), (8, [4]), (64, [8]), (17, [2, 8, 12])])
@pytest.mark.parametrize("slices", [1, 2, 20])
def test_frames_of_a_sensor(slices, filters, bits):
    """Narrow and wide sums, more frames than one thread takes at a time."""
    rng, shape = np.random.default_rng(filters), (slices, 13, 21)
    layers = network(rng, shape, 3, filters, 3, [16, 16, 14], bits)
    frames = clusters(rng, 600 if filters == 5 else 20, shape, 0.3)
    np.testing.assert_array_equal(outputs(shape, frames, **layers), twin(frames, **layers))


def single(kernel, conv, *, slices=1, bias=0, bits=4, pool=1, inputs=1):
    """One filter with the same integers everywhere; the kernel is 1 x 1."""

    def full(value, few, *shape):
        return np.full(shape, value, np.int8), few

    sizes = {
        "depthwise": (slices, 1, 1),
        "pointwise": (1, slices),
        "bias": (1,),
        "conv": (1, 1),
        "conv_bias": (1,),
    }
    values = {
        "depthwise": (kernel, 4),
        "pointwise": (-1, 4),
        "bias": (bias, 4),
        "conv": conv,
        "conv_bias": (0, 2),
    }
    layers = {name: full(*values[name], *size) for name, size in sizes.items()}
    names = ("input_bits", "act_1_bits", "act_2_bits", "pool_bits")
    bits = dict.fromkeys(names, 4) | (bits if isinstance(bits, dict) else {})
    return {"pool": pool, **layers, "dense": [(full(-128, 8, 1, inputs), full(127, 8, 1), 0)], **bits}


def test_sums_of_pixels_around_the_largest_int16():
    """A slice adds 8 to a sum: from 4088 slices on, int16 would not hold it with what the rounding adds."""
    for slices in range(4080, 4104):
        layers = single(1, (-8, 4), slices=slices)
        for value in (-1, 0.875):
            frames = np.full((2, slices, 1, 1), value, np.float32)
            np.testing.assert_array_equal(outputs(frames.shape[1:], frames, **layers), twin(frames, **layers))


@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_of_maps_around_the_largest_int16(sign):
    """An activation of 2047 times 16 fits, times 17 it does not."""
    for weight in range(12, 24):
        layers = single(7, (sign * weight, 8), bias=7, bits={"act_1_bits": 12, "act_2_bits": 12})
        frames = np.array([-1, 0.875], np.float32).reshape(2, 1, 1, 1)
        np.testing.assert_array_equal(outputs((1, 1, 1), frames, **layers), twin(frames, **layers))


@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_of_squares_around_the_largest_int16(sign):
    """11 x 11 activations of 255 fit, 12 x 12 do not."""
    for pool in range(9, 15):
        layers = single(7, (sign * 127, 8), bias=7, pool=pool, bits={"act_1_bits": 9, "act_2_bits": 9})
        frames = np.full((1, 1, pool, pool), -1, np.float32)
        np.testing.assert_array_equal(outputs((1, pool, pool), frames, **layers), twin(frames, **layers))


def test_sums_of_a_dense_layer_up_to_the_largest_int32():
    """8191 inputs of 2048 times 128 fit, one more does not."""
    bits = dict.fromkeys(("act_1_bits", "act_2_bits", "pool_bits"), 12)
    layers = single(7, (-127, 8), bias=7, inputs=8191, bits=bits)
    frames = np.full((1, 1, 1, 8191), -1, np.float32)
    found = outputs((1, 1, 8191), frames, **layers)
    np.testing.assert_array_equal(found, twin(frames, **layers))
    assert found > 2000
    with pytest.raises(ValueError, match="dense layer of 8192 inputs up to 2147743746"):
        _core.Network(shape=(1, 1, 8192), **single(7, (-127, 8), bias=7, inputs=8192, bits=bits))


@pytest.mark.parametrize("filters", [2, 5, 9])
def test_one_pixel_anywhere(filters):
    """The pixel walks over the frame: all borders, and the rows and columns that are not read."""
    shape = 1, 7, 11
    layers = network(np.random.default_rng(1), shape, 3, filters, 2, [5], [4], zeros=0)
    frames = np.eye(77, dtype=np.float32).reshape(77, *shape) * np.float32(0.875)
    found = outputs(shape, frames, **layers)
    np.testing.assert_array_equal(found, twin(frames, **layers))
    dead = np.ones((7, 11), bool)
    dead[:6, :10] = False
    empty = outputs(shape, np.zeros_like(frames[:1]), **layers)
    assert (found[dead.ravel()] == empty).all()
    assert (found[~dead.ravel()] != empty).any()


def oracle(folder, name):
    """Frames (256, T, 13, 21), on the grid and as they were, outputs (256, 14), and the layers, of QKeras."""
    with np.load(folder / "smartpixels" / f"qkeras_oracle_{name}.npz") as found:
        frames = [np.ascontiguousarray(found[key].transpose(0, 3, 1, 2)) for key in ("Xq", "X")]
        expected = found["out_q"]
    with np.load(folder / "smartpixels" / f"qkeras_weights_{name}.npz") as found:
        weights = dict(found)

    def integers(key, bits, low=0):
        limit = 2 ** (bits - 1)
        return np.clip(np.rint(weights[key] * limit), low - limit, limit - 1).astype(np.int8)

    def dense(key, bits_after):
        kernel = integers(f"{key}/kernel", 8)
        if len(kernel) == 90:  # Keras has (rows, columns, maps)
            kernel = kernel.reshape(3, 6, 5, -1).transpose(2, 0, 1, 3).reshape(90, -1)
        return (np.ascontiguousarray(kernel.T), 8), (integers(f"{key}/bias", 8), 8), bits_after

    layers = {
        "depthwise": integers("q_separable_conv2d/depthwise_kernel", 4, 1)[..., 0].transpose(2, 0, 1),
        "pointwise": integers("q_separable_conv2d/pointwise_kernel", 4, 1)[0, 0].T,
        "bias": integers("q_separable_conv2d/bias", 4),
        "conv": integers("q_conv2d/kernel", 4)[0, 0].T,
        "conv_bias": integers("q_conv2d/bias", 4),
    }
    return frames, expected, {
        "pool": 3,
        **{key: (np.ascontiguousarray(value), 4) for key, value in layers.items()},
        "dense": [dense("q_dense", 8), dense("q_dense_1", 8), dense("q_dense_2", 0)],
        "input_bits": 4, "act_1_bits": 4, "act_2_bits": 4, "pool_bits": 8,
    }  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
def test_bit_equal_to_qkeras(shared_data, name):
    """From pixels on the 4-bit grid, and from those that the kernel puts there itself."""
    frames, expected, layers = oracle(shared_data, name)
    for some in frames:
        np.testing.assert_array_equal(outputs(some.shape[1:], some, **layers), expected)
    np.testing.assert_array_equal(twin(frames[0], **layers), expected)


def test_nan_where_it_is_read():
    shape = 2, 7, 8  # 6 rows and 8 columns are read
    layers = network(np.random.default_rng(2), shape, 3, 5, 2, [6, 3], [4])
    frames = clusters(np.random.default_rng(3), 4, shape, 0.5)
    frames[1, 1, 5, 7] = np.nan
    frames[2, 1, 6, 0] = -np.float32(np.nan)
    found = outputs(shape, frames, **layers)
    assert np.isnan(found).tolist() == [[i == 1] * 3 for i in range(4)]
    np.testing.assert_array_equal(found, twin(frames, **layers))


def test_pixels_in_any_order():
    shape = 2, 6, 7
    layers = network(np.random.default_rng(4), shape, 3, 5, 2, [4], [4])
    frames = clusters(np.random.default_rng(5), 1, shape, 1)
    frames[:] = np.random.default_rng(6).choice([-0.5, 0, 0.625], frames.shape)
    index = np.random.default_rng(7).permutation(84).astype(np.int32)
    value = frames.ravel()[index]
    twice = np.concatenate([index[:40], index]), np.concatenate([-value[:40], value])
    net = _core.Network(shape=shape, **layers)
    for pixels, charge in ((index, value), twice):
        found = net.predict(np.array([0, len(pixels)]), pixels, charge, shape)
        np.testing.assert_array_equal(found, twin(frames, **layers))


def test_no_frames():
    layers = network(np.random.default_rng(0), (1, 4, 4), 2, 3, 3, [7], [5])
    assert outputs((1, 4, 4), np.zeros((0, 1, 4, 4), np.float32), **layers).shape == (0, 7)


def test_network_needs_its_arrays_no_more():
    shape, rng = (2, 6, 7), np.random.default_rng(8)
    layers = network(rng, shape, 3, 5, 2, [4], [4])
    frames = clusters(rng, 3, shape, 0.5)
    expected, net = twin(frames, **layers), _core.Network(shape=shape, **layers)
    for name in ("depthwise", "conv", "bias"):
        layers[name][0][...] = 0
    np.testing.assert_array_equal(net.predict_dense(frames), expected)


SHAPE = (2, 4, 5)
LAYERS = network(np.random.default_rng(0), SHAPE, 2, 3, 3, [4, 2], [4])
PIXELS = {
    "offsets": np.array([0, 1, 3], np.int64),
    "index": np.array([5, 0, 39], np.int32),
    "value": np.array([1, 2, 3], np.float32),
}


def zeros(*shape, bits=4):
    return np.zeros(shape, np.int8), bits


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": (2, 3, 5)}, "height 3, expected 4 to 65536"),
        ({"shape": (2, 4, 3)}, "width 3, expected 4"),
        ({"shape": (1, 4, 5)}, r"depthwise has shape \(2, 2, 2\), expected \(1, any, any\)"),
        ({"shape": (2, -4, 5)}, "-4"),
        ({"shape": (2, 1000, 1000)}, "numbers in a frame 2000000, expected 1 to 65536"),
        ({"shape": (2, 2**62, 2**62)}, "shape"),
        ({"pool": 0}, "pool 0, expected 1 to 16"),
        ({"pool": 17}, "pool 17"),
        ({"depthwise": zeros(2, 2, 3)}, r"depthwise has shape \(2, 2, 3\), expected \(2, 2, 2\)"),
        ({"depthwise": zeros(2, 0, 0)}, "kernel 0, expected 1 to 16"),
        ({"depthwise": zeros(2, 2, 2, bits=1)}, "depthwise bits 1, expected 2 to 8"),
        ({"depthwise": zeros(2, 2, 2, bits=9)}, "depthwise bits 9"),
        ({"bias": (np.array([0, 8, 0], np.int8), 4)}, "bias 1: integer 8, expected -8 to 7"),
        ({"conv": (np.full((3, 3), -9, np.int8), 4)}, "conv 0: integer -9"),
        ({"pointwise": zeros(0, 2), "bias": zeros(0), "conv": zeros(0, 0), "conv_bias": zeros(0)}, "filters 0"),
        ({"pointwise": zeros(3, 1)}, r"pointwise has shape \(3, 1\), expected \(any, 2\)"),
        ({"bias": zeros(4)}, r"bias has shape \(4\), expected \(3\)"),
        ({"conv": zeros(3, 2)}, r"conv has shape \(3, 2\)"),
        ({"conv_bias": zeros(2)}, r"conv_bias has shape \(2\)"),
        ({"dense": []}, "no dense layer, expected at least one"),
        ({"dense": [(zeros(4, 4), zeros(4), 8)]}, r"dense weight has shape \(4, 4\), expected \(any, 3\)"),
        ({"dense": [(zeros(4, 3), zeros(3), 8)]}, r"dense bias has shape \(3\), expected \(4\)"),
        ({"dense": [(zeros(0, 3), zeros(0), 8)]}, "dense outputs 0, expected 1 to 4096"),
        ({"dense": [(zeros(4, 3), zeros(4), 13), (zeros(1, 4), zeros(1), 0)]}, "dense activation bits 13"),
        ({"input_bits": 1}, "input bits 1, expected 2 to 12"),
        ({"act_1_bits": 13}, "act_1 bits 13"),
        ({"act_2_bits": 0}, "act_2 bits 0"),
        ({"pool_bits": 2**31 - 1}, "pool bits 2147483647"),
    ],
)  # fmt: skip
def test_refuses_layers(change, said):
    with pytest.raises(ValueError, match=said):
        _core.Network(**{"shape": SHAPE, **LAYERS, **change})


def test_refuses_sums_beyond_int32():
    """12 + 8 + 8 bits and 32 slices fit into 32 of them; with 40 slices and 3 x 3 pixels they might not."""

    def wide(slices, kernel):
        shape = slices, kernel, kernel
        full = (np.full((slices, kernel, kernel), -128, np.int8), 8), (np.full((1, slices), -128, np.int8), 8)
        one = {
            name: zeros(*size, bits=8)
            for name, size in (("bias", (1,)), ("conv", (1, 1)), ("conv_bias", (1,)))
        }
        some = {"depthwise": full[0], "pointwise": full[1], **one, "dense": [(zeros(1, 1), zeros(1), 0)]}
        bits = dict.fromkeys(("input_bits", "act_1_bits", "act_2_bits", "pool_bits"), 12)
        return shape, {"pool": 1, **some, **bits}

    shape, layers = wide(32, 1)
    frames = np.full((1, *shape), -1, np.float32)
    np.testing.assert_array_equal(outputs(shape, frames, **layers), twin(frames, **layers))
    shape, layers = wide(40, 6)
    with pytest.raises(ValueError, match="convolution beyond 2147483647"):
        _core.Network(shape=shape, **layers)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": [5, 0, 40]}, "image 1: index 40, expected 0 to 39"),
        ({"index": [-1, 0, 39]}, "image 0: index -1"),
        ({"offsets": [0, 4, 3]}, "image 0: offsets 0 to 4"),
        ({"offsets": [0, -1, 3]}, "image 0: offsets 0 to -1"),
        ({"offsets": [0, 1, 2]}, "offset 2: value 2, expected 3"),
        ({"offsets": [1, 1, 3]}, "offset 0: value 1, expected 0"),
        ({"offsets": []}, "offsets is empty"),
        ({"value": [1, 2]}, r"value has shape \(2\), expected \(3\)"),
        ({"shape": (2, 5, 4)}, r"frames of shape \(2, 5, 4\), expected \(2, 4, 5\)"),
    ],
)
def test_refuses_frames(change, said):
    for name, values in change.items():
        if isinstance(values, list):
            change[name] = np.array(values, PIXELS[name].dtype)
    with pytest.raises(ValueError, match=said):
        _core.Network(shape=SHAPE, **LAYERS).predict(**{**PIXELS, "shape": SHAPE, **change})


def test_refuses_other_arrays(tampered):
    net = _core.Network(shape=SHAPE, **LAYERS)
    for what, arguments in tampered({**PIXELS, "shape": SHAPE}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {net.predict(**arguments)}")
    for what, arguments in tampered({"frames": np.zeros((3, *SHAPE), np.float32)}):
        with pytest.raises((TypeError, ValueError)):
            pytest.fail(f"{what} accepted: {net.predict_dense(**arguments)}")
    for name in ("depthwise", "pointwise", "bias", "conv", "conv_bias"):
        for what, changed in tampered({"array": LAYERS[name][0]}):
            changed_layers = {**LAYERS, name: (changed["array"], 4)}
            with pytest.raises((TypeError, ValueError)):
                pytest.fail(f"{name}, {what} accepted: {_core.Network(shape=SHAPE, **changed_layers)}")
        with pytest.raises(TypeError):
            _core.Network(**{"shape": SHAPE, **LAYERS, name: (LAYERS[name][0], 4.5)})
    for value in (1.5, None):
        with pytest.raises(TypeError):
            net.predict(**PIXELS, shape=SHAPE, n_threads=value)


def test_errors_do_not_depend_on_threads():
    net = _core.Network(shape=SHAPE, **LAYERS)
    index = np.zeros(2000, np.int32)
    index[[700, 1900]] = 99
    many = np.arange(2001), index, np.ones(2000, np.float32), SHAPE
    for n_threads in (1, 2, 4, 8):
        with pytest.raises(ValueError, match="image 700: index 99"):
            net.predict(*many, n_threads=n_threads)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_releases_gil(releases_gil, n_threads):
    net = _core.Network(shape=SHAPE, **LAYERS)
    frames = np.random.default_rng(0).normal(size=(20000, *SHAPE)).astype(np.float32)
    sparse = columns(frames[:2000])
    assert releases_gil(lambda: net.predict_dense(frames, n_threads=n_threads))
    assert releases_gil(lambda: [net.predict(*sparse, n_threads=n_threads) for _ in range(10)])
