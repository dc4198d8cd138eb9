"""Folders of .npy files against np.load; damaged and hostile .npy files."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.labels import LabelRule
from dmcnn.figures.image_axes import LABELS
from dmcnn.formats import hdf5
from dmcnn.images.sparse import UNIT_PIXEL, UNSET, sparse
from dmcnn.readers import npy as reader
from dmcnn.readers import open_images
from dmcnn.readers.npy import NpyFolder

TYPES = ["?", "i1", "u1", "<i2", ">u2", "<i8", ">i4", "<f2", ">f4", "<f4", ">f8", "<f8", "g"]
CLASSES = ("electron", "kaon", "muon", "photon", "pion_zero", "pion")


def picture(seed: int, shape: tuple[int, ...] = (9, 7)) -> Any:
    random = np.random.default_rng(seed)
    return np.where(random.random(shape) < 0.3, random.integers(1, 100, shape), 0)


def centred(image: Any, shape: tuple[int, int]) -> Any:
    """Centre the image in ``shape`` by padding or cropping; half pixels are truncated toward zero."""
    out = np.zeros(shape, image.dtype)
    here, there = [], []
    for new, old in zip(shape, image.shape, strict=True):
        shift = int((new - old) / 2)
        here.append(slice(max(shift, 0), min(old + shift, new)))
        there.append(slice(max(-shift, 0), min(old, new - shift)))
    out[tuple(here)] = image[tuple(there)]
    return out


def fails(path: Path, *words: str, **arguments: Any) -> None:
    with pytest.raises(InputError) as error:
        open_images(path, **arguments).read()
    for word in (str(path), *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (1, 9, 7), (1, 1), (5, 1), (1, 5, 1)])
def test_the_same_as_np_load(tmp_path: Path, dtype: str, order: Any, shape: tuple[int, ...]) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.array(picture(number, shape).astype(dtype), order=order))
    found = open_images(tmp_path).read()
    loaded = np.stack([np.load(path) for path in sorted(tmp_path.iterdir())]).astype(np.float32)
    expected = sparse(loaded.reshape(3, 1, *found.shape[1:]))
    assert found.shape[1:] == (shape if len(shape) == 2 else shape[:2] if shape[2] == 1 else shape[1:])
    for field in ("offsets", "index", "value"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
        assert getattr(found, field).dtype == getattr(expected, field).dtype


def test_entries_are_the_files_by_name(tmp_path: Path) -> None:
    for name in ("b_2", "b_10", "a", "c"):
        np.save(tmp_path / name, np.full((2, 3), len(name)))
    file = open_images(tmp_path)
    assert isinstance(file, NpyFolder)
    assert file.names == ["a.npy", "b_10.npy", "b_2.npy", "c.npy"]
    assert file.read().dense()[:, 0, 0, 0].tolist() == [1, 4, 3, 1]
    assert file.read(1, 3).dense()[:, 0, 0, 0].tolist() == [4, 3]
    assert file.read(1, 3).events["entry"].tolist() == [1, 2]
    assert all((file.events[field] == UNSET).all() for field in ("run", "subrun", "event"))
    assert file.read(2, 2).shape == (1, 2, 3)
    assert file.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert file.modified == max(path.stat().st_mtime_ns for path in tmp_path.iterdir())
    with pytest.raises(ValueError, match="it has 4"):
        file.read(0, 5)


def test_a_single_file(tmp_path: Path) -> None:
    with (tmp_path / "image").open("wb") as file:
        np.save(file, picture(1))
    images = open_images(tmp_path / "image")
    assert (len(images), images.shape, images.names) == (1, (1, 9, 7), None)
    np.testing.assert_array_equal(images.read().dense()[0, 0], picture(1))


def test_place_and_unit(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", picture(1))
    meta = open_images(tmp_path).read().meta
    assert meta[0, 0].item() == (0, UNIT_PIXEL, 0, 0, 7, 9)
    assert LABELS[UNIT_PIXEL] == ("Column", "Row")
    wider = open_images(tmp_path, xdim=10, ydim=8).read().meta
    assert wider[0, 0].item() == (0, UNIT_PIXEL, -1, 0, 9, 8)


def test_sizes_are_fitted_or_refused(tmp_path: Path) -> None:
    shapes = [(9, 7), (4, 12), (9, 7)]
    for number, shape in enumerate(shapes):
        np.save(tmp_path / f"{number}.npy", picture(number, shape).astype(np.float32))
    fails(tmp_path, "images of several sizes 9x7 (2 images), 4x12 (1 images)", "give ydim and xdim")
    file = open_images(tmp_path, xdim=8, ydim=6)
    found = file.read().dense()[:, 0]
    for number, shape in enumerate(shapes):
        np.testing.assert_array_equal(found[number], centred(picture(number, shape), (6, 8)))
    lost = sum(int((picture(n, s) > 0).sum()) for n, s in enumerate(shapes)) - int((found > 0).sum())
    share = 100 * lost / (lost + int((found > 0).sum()))
    assert file.report_lines() == [
        f"{tmp_path}: 3 of 3 entries read",
        f"{tmp_path}: 3 images fitted to 6x8 (rows x columns) from 9x7 (2), 4x12 (1)",
        f"{tmp_path}: {lost} active pixels cropped away, {share:.2g} % of all (roi places windows elsewhere)",
    ]


def test_threshold_clip_and_bad_pixels(tmp_path: Path) -> None:
    image = np.array([[-5.0, 0.0, 9.0, 10.0], [500.0, 501.0, np.nan, -np.inf], [1e300, 3.0, -0.0, 20.0]])
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    np.save(tmp_path / "b.npy", image)
    file = open_images(tmp_path)
    assert file.read(1, 2).value.tolist() == [-5, 9, 10, 500, 501, 3, 20]
    assert file.report_lines()[-1] == f"{tmp_path}: 3 pixels were NaN or infinite, set to zero"
    cut = open_images(tmp_path, adc_lo=10, adc_hi=500).read()
    assert cut.value.tolist() == [10, 500, 500, 20]
    assert cut.n_pixels.tolist() == [0, 4]
    fails(tmp_path, "entry 1 (b.npy): 3 pixels are NaN or infinite", bad_pixels="stop")
    with pytest.raises(InputError, match="adc_lo = 3 is above adc_hi = 2"):
        open_images(tmp_path, adc_lo=3, adc_hi=2)


def test_what_else_lies_in_the_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture(1))
    np.save(tmp_path / ".hidden.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "b.NPY").write_text("x")
    (tmp_path / "more.npy").mkdir()
    (tmp_path / "dangling.npy").symlink_to(tmp_path / "nowhere")
    file = open_images(tmp_path)
    file.read()
    assert file.names == ["a.npy"]
    assert file.report_lines()[1:] == [
        f"{tmp_path}: 3 files that are no .npy: left out",
        f"{tmp_path}: 1 folders: left out",
    ]


def test_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    fails(tmp_path, "is a folder, expected a file")
    with pytest.raises(InputError, match=r"holds no \.npy file"):
        NpyFolder(tmp_path)


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(3, 3), (9, 9), (2, 2), (1, 1), (5, 5), (4, 4)]
    for number, shape in enumerate(shapes):
        np.save(tmp_path / f"{number}.npy", picture(number, shape))
    whole = open_images(tmp_path, xdim=5, ydim=5).read()
    for block in (1, 12, 30, 90):
        monkeypatch.setattr(reader, "BLOCK", block)
        again = pickle.loads(pickle.dumps(open_images(tmp_path, xdim=5, ydim=5))).read()
        for field in ("offsets", "index", "value", "events", "meta"):
            np.testing.assert_array_equal(getattr(again, field), getattr(whole, field))


def test_labels_by_the_longest_prefix(tmp_path: Path) -> None:
    names = ("pion_zero_1", "pion_2", "electron_0", "kaon_7", "pion_zero", "muon9", "photon-x")
    for number, name in enumerate(names):
        np.save(tmp_path / f"{name}.npy", picture(number))
    data = Dataset(str(tmp_path), LabelRule.parse("prefix", CLASSES))
    assert data.names == sorted(f"{name}.npy" for name in names)
    assert data.read().label.tolist() == [0, 1, 2, 3, 5, 4, 4]
    np.save(tmp_path / "poin_3.npy", picture(1))
    with pytest.raises(InputError, match=r"poin_3\.npy: its name begins with no class .*did you mean 'pion'"):
        Dataset(str(tmp_path), LabelRule.parse("prefix", CLASSES))


def test_files_that_change_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, picture(1))
    for other in (picture(1, (7, 9)), picture(1).astype(np.float32)):
        file = open_images(tmp_path)
        np.save(path, other)
        with pytest.raises(InputError, match=r"a\.npy: is no longer the file"):
            file.read()
    file = open_images(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="is no longer the file"):
        file.read()
    path.unlink()
    with pytest.raises(InputError, match=r"cannot be opened \(No such file"):
        file.read()


def header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return the bytes of a header with the dictionary ``text``."""
    body = text.encode().ljust(117) + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(body))
    return b"\x93NUMPY" + bytes(version) + length + body


def said(shape: str = "(2, 3)", dtype: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}"


HOSTILE = {
    "10^12 pixels": (
        header(said("(1000000, 1000000)")),
        "image of 1000000x1000000 (rows x columns) has too many",
    ),
    "10^9 pixels": (
        header(said("(32768, 32768)")),
        "128 bytes, expected 4294967424 for 32768x32768 pixels of",
    ),
    "beyond 64 bits": (header(said(f"({2**40}, {2**40})")), "too many pixels"),
    "no pixels": (header(said("(0, 3)")), "array of shape (0, 3), expected one image (H, W)"),
    "negative": (header(said("(-2, -3)")), "array of shape (-2, -3)"),
    "one axis": (header(said("(6,)")) + bytes(24), "array of shape (6,)"),
    "no axis": (header(said("()")) + bytes(4), "array of shape ()"),
    "several images": (header(said("(2, 3, 3)")) + bytes(72), "array of shape (2, 3, 3)"),
    "objects": (header(said(dtype="'|O'")) + bytes(48), "pixels of type object, expected real numbers"),
    "complex": (header(said(dtype="'<c8'")) + bytes(48), "pixels of type complex64"),
    "text": (header(said(dtype="'<U1'")) + bytes(24), "pixels of type <U1"),
    "records": (header(said(dtype="[('a', '<f4')]")) + bytes(24), "pixels of type [('a', '<f4')]"),
    "arrays in arrays": (header(said(dtype="('<f4', (2,))")) + bytes(48), "pixels of type"),
    "no type": (header(said(dtype="'nonsense'")), "damaged or truncated"),
    "no dictionary": (header("[1, 2]"), "damaged or truncated"),
    "no literal": (header("__import__('os').abort()"), "damaged or truncated"),
    "deep": (b"\x93NUMPY\x01\x00" + struct.pack("<H", 5000) + b"(" * 5000, "damaged or truncated"),
    "version 3": (header(said(), (3, 0)) + bytes(24), "format version 3.0, expected 1.0 or 2.0"),
    "version 2": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), "header of 4294967307 bytes"),
    "short": (
        header(said()) + bytes(23),
        "151 bytes, expected 152 for 2x3 pixels of float32, truncated file",
    ),
    "long": (header(said()) + bytes(25), "153 bytes, expected 152 for 2x3 pixels of float32, damaged file"),
    "header cut": (header(said())[:60], "damaged or truncated"),
    "magic alone": (b"\x93NUMPY", "damaged or truncated"),
    "empty": (b"", "is empty, expected a .npy file"),
    "zip": (b"PK\x03\x04" + bytes(200), r"begins with b'PK\x03\x04"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_files(tmp_path: Path, fault: str) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    data, words = HOSTILE[fault]
    path = tmp_path / "b.npy"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        open_images(tmp_path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_files_of_python_2_and_of_format_2(tmp_path: Path) -> None:
    pixels = np.arange(1, 7, dtype="<f4")
    (tmp_path / "a.npy").write_bytes(header(said("(2L, 3L)")) + pixels.tobytes())
    (tmp_path / "b.npy").write_bytes(header(said(), (2, 0)) + pixels.tobytes())
    np.testing.assert_array_equal(open_images(tmp_path).read().dense()[:, 0], [pixels.reshape(2, 3)] * 2)


def outcome(path: Path) -> tuple[Any, str]:
    """Return the dense image of a file, or None and the error message."""
    try:
        return NpyFolder(path).read().dense(), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_random_bytes_end_in_an_image_or_one_line(tmp_path: Path, data: st.DataObject) -> None:
    """The reader returns what np.load returns, and refuses what np.load refuses."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(picture(3, (4, 5)), data.draw(st.sampled_from(["<f4", ">i2", "u1"]))))
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.sampled_from([len(raw), len(raw), len(raw) - 1, 90, 9]))]
    path = tmp_path / "x.npy"
    path.write_bytes(raw)
    found, line = outcome(path)
    if found is None:
        assert str(path) in line
        assert "\n" not in line
        return
    with np.errstate(all="ignore"):
        expected = np.load(path, allow_pickle=False).astype(np.float32)
    np.testing.assert_array_equal(found.ravel(), np.where(np.isfinite(expected), expected, 0).ravel())


def test_other_formats_are_not_taken_for_it(tmp_path: Path) -> None:
    assert not NpyFolder.reads(tmp_path / "x", hdf5.MAGIC)
    assert not NpyFolder.reads(tmp_path, b"")
