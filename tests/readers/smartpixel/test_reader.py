"""Pixel frames against the output of the original generator and NumPy; hostile files end in one clear line."""

from __future__ import annotations

import math
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.targets import Targets
from dmcnn.images.sparse import NO_IMAGE, UNIT_SENSOR, UNSET, SparseImages, join
from dmcnn.readers import open_images
from dmcnn.readers.smartpixel import columns, frames
from dmcnn.readers.smartpixel.columns import open_columns
from dmcnn.readers.smartpixel.reader import SmartPixelFile

USUAL = ("x-midplane", "y-midplane", "cotAlpha", "cotBeta")
SCALES = (75.0, 18.75, 8.0, 0.5)
fit_charge = partial(SmartPixelFile.fit, charge="standardised")


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames.CHARGE_CACHE, "_stored", {})


def charges(rows: int, columns: int, seed: int = 1) -> np.ndarray:
    """Return (rows, columns): a tenth of the pixels hold charge, some of it negative."""
    random = np.random.default_rng(seed)
    found = np.zeros((rows, columns))
    hit = random.random(found.shape) < 0.1
    found[hit] = np.round(random.normal(900, 800, hit.sum()), 1)
    return found


def table(pixels: np.ndarray, **more: np.ndarray) -> pa.Table:
    """Return a table of columns named by number, and others."""
    columns = {str(number): column for number, column in enumerate(np.ascontiguousarray(pixels.T))}
    return pa.table({name: pa.array(column) for name, column in (columns | more).items()})


def written(path: Path, found: pa.Table, **how: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".csv":
        csv.write_csv(found, path)
    else:
        parquet.write_table(found, path, **how)
    return path


def labels(rows: int, seed: int = 2) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, scale, rows) for name, scale in zip(USUAL, SCALES, strict=True)}


@pytest.fixture(scope="module")
def oracle(shared_data: Path) -> Any:
    return np.load(shared_data / "smartpixels" / "qkeras_datagen_oracle.npz")


@pytest.fixture(scope="module")
def original(oracle: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write the input files of the original generator."""
    folder, paths = tmp_path_factory.mktemp("original"), []
    for number in (0, 1):
        pixels = np.zeros((300, 5460))
        pixels[oracle[f"raw{number}_row"], oracle[f"raw{number}_col"]] = oracle[f"raw{number}_tenths"] / 10
        for row, column in oracle[f"raw{number}_nan"]:
            pixels[row, column] = np.nan
        paths.append(written(folder / "recon3D" / f"recon3D_d{number}.parquet", table(pixels)))
        known = dict(zip(oracle["label_columns"].tolist(), oracle[f"labels{number}"].T, strict=True))
        written(folder / "labels" / f"labels_d{number}.parquet", pa.table(known))
    return paths


@pytest.mark.parametrize("slices", ["2", "20"])
def test_standardised_as_by_the_original_generator(oracle: Any, original: list[Path], slices: str) -> None:
    """The generator lost rows where a file began; the other rows are equal to the last bit."""
    how = {"slices": [0, 19] if slices == "2" else None, "charge": "standardised"}
    fitted = fit_charge(original, **how)
    assert set(fitted) == {"charge_mean", "charge_std"}
    mean, std = oracle[f"stats{slices}"][:2]
    if slices == "2":
        assert (fitted["charge_mean"], fitted["charge_std"]) == (mean, std)
    # NumPy 1.26 and NumPy 2 round the last bit of the sum of 53,000 logarithms differently
    np.testing.assert_array_max_ulp(np.array([mean, std]), np.array([*fitted.values()]), 1)
    data = Dataset([str(path) for path in original], targets=Targets(USUAL, SCALES), **how, **fitted)
    images = data.load(progress=False)
    assert len(images) == 600
    assert np.flatnonzero(~images.has_image).tolist() == [7, 19]
    images = images.take(images.has_image)
    rows = np.r_[0:298, 384:512]
    np.testing.assert_array_equal(
        images.dense()[rows].transpose(0, 2, 3, 1), oracle[f"X{slices}"], strict=True
    )
    np.testing.assert_array_equal(images.label[rows], oracle[f"y{slices}"], strict=True)


def test_statistics_come_from_the_slices_that_are_used(oracle: Any, original: list[Path]) -> None:
    """A NaN in another slice removes no frame."""
    data = SmartPixelFile(original[0], slices=[5])
    nan = oracle["raw0_nan"]
    used = nan[(nan[:, 1] // 273) == 5]
    assert np.flatnonzero(~data.read().has_image).tolist() == used[:, 0].tolist()


def twin(
    pixels: np.ndarray, files: list[np.ndarray], percentile: float | None = None, bits: int | None = None
) -> np.ndarray:
    """Standardise the charges of ``pixels`` with the statistics of ``files``."""

    def u(x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.log1p(np.abs(x)) / math.log(2)

    logs = [u(x[x != 0]) for x in files]
    mean = np.mean([x.mean() for x in logs])
    std = np.sqrt(np.mean([x.var() + 1e-10 for x in logs]))
    high, low, limits = 1.7, 2.5, (-np.inf, np.inf)
    if percentile is not None:
        centred = [(x - x.mean()) / np.sqrt(x.var() + 1e-10) for x in logs]
        high = max(np.percentile(x[x > 0], percentile) for x in centred)
        low = max(np.percentile(np.abs(x[x < 0]), percentile) for x in centred)
        limits = min(x.min() for x in centred), max(x.max() for x in centred)
    v = (u(pixels) - mean) / std
    v = np.clip(np.where(v > 0, v / high, v / low), *limits)
    v = np.where(pixels != 0, v, 0).astype(np.float32)
    return (
        v
        if bits is None
        else np.clip(np.rint(v * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) / 2 ** (bits - 1)
    )


@pytest.mark.parametrize("percentile", [None, 99.7, 60.0])
@pytest.mark.parametrize("bits", [None, 4, 2])
def test_variants_of_the_standardisation(tmp_path: Path, percentile: float | None, bits: int | None) -> None:
    pixels = [charges(80, 512, 3), charges(60, 512, 4) * 3]
    paths = [written(tmp_path / f"part.{n}.parquet", table(x)) for n, x in enumerate(pixels)]
    how = {"charge": "standardised", "charge_percentile": percentile, "charge_bits": bits}
    how |= fit_charge(paths, **how)
    found = Dataset([str(path) for path in paths], **how).read()
    assert found.shape == (2, 16, 16)
    assert found.value.all()
    expected = twin(np.concatenate(pixels), pixels, percentile, bits).reshape(-1, 2, 16, 16)
    np.testing.assert_allclose(found.dense(), expected, rtol=1e-6)
    if bits is not None:
        np.testing.assert_array_equal(np.unique(found.dense()), np.unique(expected))
    assert fit_charge(paths, **how) == {}


def test_the_grid_rounds_half_to_even(tmp_path: Path) -> None:
    """With mean 0, spread 16 and divisors 1, a charge of 2^k - 1 electrons becomes k / 16, every second a tie."""
    ties = np.array([[2.0**k - 1 for k in range(1, 24)]])
    wide = np.zeros((1, 273))
    wide[:, :23], wide[:, 30:53] = ties, -ties
    path = written(tmp_path / "x.parquet", table(wide))
    how = {"charge_mean": 0.0, "charge_std": 16.0, "charge_high": 1.0, "charge_low": 1.0}
    found = SmartPixelFile(path, charge="standardised", charge_bits=4, **how).read().dense().ravel()
    assert (found[:23] * 8).tolist() == [0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6, 7, *[7] * 9]
    assert (found[30:53] * 8).tolist() == [0, -1, -2, -2, -2, -3, -4, -4, -4, -5, -6, -6, -6, -7, *[-8] * 9]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("window", [(13, 21), (16, 16), (4, 5)])
def test_any_slices_of_any_window(tmp_path: Path, suffix: str, window: tuple[int, int]) -> None:
    height, width = window
    every = charges(70, 3 * height * width)
    path = written(tmp_path / f"recon3D_x{suffix}", table(every))
    given = {} if window != (4, 5) else {"window": window}
    for slices in (None, [0, 2], [2, 0], [1]):
        reader = pickle.loads(pickle.dumps(open_images(path, slices=slices, **given)))
        expected = every.reshape(70, 3, height, width)[:, slices or [0, 1, 2]].astype(np.float32)
        assert reader.shape == expected.shape[1:]
        for start, stop in ((0, 70), (0, 0), (3, 4), (69, 70), (20, 55), (70, 70)):
            found = reader.read(start, stop)
            np.testing.assert_array_equal(found.dense(), expected[start:stop])
            assert found.events["entry"].tolist() == list(range(start, stop))
            assert (found.meta["plane"] == (slices or [0, 1, 2])).all()
        for i in range(len(found := reader.read())):
            assert (np.diff(found.index[found.offsets[i] : found.offsets[i + 1]]) > 0).all()
        assert (
            reader.cluster_sizes(3, 40).tolist()
            == (expected != 0).any(axis=1).sum(axis=(1, 2))[3:40].tolist()
        )
    place = found.meta[0, 0]
    assert (place["unit"], place["x_max"], place["y_max"]) == (UNIT_SENSOR, width, height)
    assert (reader.events["run"] == UNSET).all()
    with pytest.raises(ValueError, match=r"entries 3\.\.71 asked for"):
        reader.read(3, 71)


@pytest.mark.parametrize("layout", [
    {"row_group_size": 17}, {"use_dictionary": False, "compression": "gzip"}, {"data_page_version": "2.0"},
    {"use_byte_stream_split": True, "use_dictionary": False}, {"compression": "none", "data_page_size": 64},
])  # fmt: skip
def test_any_way_to_store_parquet(tmp_path: Path, layout: dict[str, Any]) -> None:
    every = charges(100, 273)
    reader = SmartPixelFile(written(tmp_path / "x.parquet", table(every), **layout))
    expected = every.reshape(-1, 1, 13, 21).astype(np.float32)
    for start, stop in ((0, 100), (5, 90), (16, 18), (99, 100)):
        np.testing.assert_array_equal(reader.read(start, stop).dense(), expected[start:stop])


@pytest.mark.parametrize(
    "layout", [{}, {"use_dictionary": False}, {"row_group_size": 400}, {"compression": "zstd"}]
)
def test_pixels_that_never_see_charge(tmp_path: Path, layout: dict[str, Any]) -> None:
    """The reader skips a column only if all its numbers are 0: statistics do not count NaN."""
    every = np.zeros((1000, 546))
    every[7, 3], every[:, 5], every[11, 6], every[12:15, 8] = 5.0, 7.0, np.nan, -0.0
    every[:, 9], every[:, 10], every[900, 11] = -0.0, np.nan, np.inf
    path = written(tmp_path / "x.parquet", table(every), **layout)
    assert not SmartPixelFile(path, slices=[0]).read().has_image.any()
    looked_at = [
        n for piece in open_columns(path).pieces(0, [str(n) for n in range(273)]) for n in piece.columns
    ]
    if not layout:
        assert looked_at == [3, 5, 6, 8, 10, 11]
    every[:, 10] = 0
    holed = table(every)
    holed = holed.set_column(20, "20", pa.array([None] * 3 + [0.0] * 997))
    found = SmartPixelFile(written(tmp_path / "y.parquet", holed, **layout), slices=[0]).read()
    assert np.flatnonzero(~found.has_image).tolist() == [0, 1, 2, 11, 900]
    every[~found.has_image] = 0
    np.testing.assert_array_equal(found.dense().reshape(1000, -1), every[:, :273])


def test_more_rows_than_are_made_at_a_time(tmp_path: Path) -> None:
    every = charges(70_000, 20)
    path = written(tmp_path / "x.parquet", table(every), row_group_size=66_000)
    reader = SmartPixelFile(path, window=[4, 5])
    expected = every.reshape(-1, 1, 4, 5).astype(np.float32)
    np.testing.assert_array_equal(reader.read().dense(), expected)
    np.testing.assert_array_equal(reader.read(65_000, 68_001).dense(), expected[65_000:68_001])


def test_columns_in_another_order_of_other_types_and_only_those_needed(tmp_path: Path) -> None:
    every = np.round(charges(20, 3 * 273))
    whole = table(every)
    names = (
        np.random.default_rng(1).permutation([str(n) for n in range(3 * 273) if not 273 <= n < 546]).tolist()
    )
    some = whole.select(names)
    for number in range(0, len(names), 5):
        some = some.set_column(number, names[number], some.column(number).cast(pa.float32()))
    some = some.append_column("__index_level_0__", pa.array(np.arange(20) * 7))
    path = written(tmp_path / "x.parquet", some)
    found = SmartPixelFile(path, slices=[2, 0]).read()
    np.testing.assert_array_equal(found.dense(), every.reshape(20, 3, 13, 21)[:, [2, 0]])
    with pytest.raises(InputError, match="no column '273', expected columns of numbers"):
        SmartPixelFile(path)


def test_labels_of_the_same_rows(tmp_path: Path) -> None:
    """Labels may be in a file in the same folder, in the folder labels, or in the same table; an index is ignored."""
    known = labels(30)
    stored = np.stack([known[name] for name in USUAL], axis=1)
    pixels = charges(30, 273)
    beside = pa.table(known | {"__index_level_0__": np.arange(30)[::-1]})
    for recon, name in (
        ("a/recon3D_d7.parquet", "a/labels_d7.parquet"),
        ("recon2D/recon2D_x.csv", "labels/labels_x.csv"),
    ):
        path = written(tmp_path / recon, table(pixels))
        with pytest.raises(InputError, match=f"holds no targets, and there is no .*labels_{path.stem[8:]}"):
            SmartPixelFile(path).targets(USUAL)
        written(tmp_path / name, beside)
        np.testing.assert_array_equal(SmartPixelFile(path).targets(USUAL), stored)
    path = written(tmp_path / "part.0.parquet", table(pixels, **known))
    reader = SmartPixelFile(path)
    assert reader.shape == (1, 13, 21)
    np.testing.assert_array_equal(reader.targets(["cotBeta", "x-midplane"]), stored[:, [3, 0]])
    assert reader.target_units(["x-midplane", "cotBeta", "pt"]) == ["µm", "", "GeV"]
    with pytest.raises(
        InputError, match=r"no column 'cotbeta' \(did you mean 'cotBeta'\?\), there are x-midplane, "
    ):
        reader.targets(["cotAlpha", "cotbeta"])
    data = Dataset([str(path)], targets=Targets(USUAL, SCALES), between=[10, 25])
    np.testing.assert_array_equal(
        data.read(2, 5).label, (stored / SCALES)[12:15].astype(np.float32), strict=True
    )


@pytest.mark.parametrize("kind", ["int16", "int32", "int64", "uint8", "float32"])
def test_whole_electrons_may_be_stored_as_integers(tmp_path: Path, kind: str) -> None:
    pixels = np.abs(charges(300, 273)).round().clip(0, 255)
    pixels[:, 7] = 0  # pyarrow stores a dictionary of one zero
    path = written(tmp_path / "recon3D_1.parquet", table(pixels.astype(kind), **labels(300)))
    np.testing.assert_array_equal(open_images(path).read().dense().reshape(300, 273), pixels)


def test_labels_of_a_selection_are_in_its_own_folder(tmp_path: Path) -> None:
    """``recon3D_cut`` had the labels of ``../labels``, in silence where the numbers of rows agreed."""
    order, known = np.arange(30)[::-1], labels(30)
    for folder, rows in (("", slice(None)), ("_cut", order)):
        chosen = {name: values[rows] for name, values in known.items()}
        written(tmp_path / f"labels{folder}" / "labels_1.parquet", pa.table(chosen))
        path = written(tmp_path / f"recon3D{folder}" / "recon3D_1.parquet", table(charges(30, 273)[rows]))
        reader = SmartPixelFile(path)
        np.testing.assert_array_equal(reader.targets(["cotBeta"])[:, 0], chosen["cotBeta"])
        assert reader.report_lines()[1] == f"{path}: labels from {tmp_path}/labels{folder}/labels_1.parquet"
    (tmp_path / "labels_cut").rename(tmp_path / "elsewhere")
    with pytest.raises(
        InputError, match=r"there is no .*recon3D_cut/labels_1\.parquet or .*labels_cut/labels_1"
    ):
        SmartPixelFile(path).targets(["cotBeta"])


@pytest.mark.parametrize("name", ["__index_level_0__", "cotAlpha"])
def test_rows_that_go_together_agree_in_what_both_files_hold(tmp_path: Path, name: str) -> None:
    number = np.arange(30)
    path = written(tmp_path / "recon3D_1.parquet", table(charges(30, 273), **{name: number}))
    written(tmp_path / "labels_1.parquet", pa.table(labels(30) | {name: number}))
    SmartPixelFile(path)
    written(tmp_path / "labels_1.parquet", pa.table(labels(30) | {name: np.roll(number, 1)}))
    with pytest.raises(
        InputError, match=rf"labels_1\.parquet: row 0 has {name} = 29, .*recon3D_1.* has 0: the rows"
    ):
        SmartPixelFile(path)


def test_rows_without_a_charge_or_a_label_stay_in_their_place(tmp_path: Path) -> None:
    pixels, known = charges(40, 546), labels(40)
    pixels[3, 5], pixels[8, 300], pixels[9, 545], pixels[12, 0] = np.nan, np.inf, -np.inf, 1e300
    known["cotAlpha"][[4, 9]] = np.nan
    path = written(tmp_path / "recon3D_d1.parquet", table(pixels, **known))
    data = Dataset(str(path), targets=Targets(USUAL, SCALES))
    images = join(list(data.chunks(7)))
    assert np.flatnonzero(~images.has_image).tolist() == [3, 8, 9, 12]
    assert (images.meta["plane"][3] == NO_IMAGE).all()
    assert images.n_pixels[[3, 8, 9, 12]].tolist() == [0, 0, 0, 0]
    assert np.flatnonzero(np.isnan(images.label[:, 2])).tolist() == [4, 9]
    kept = images.has_image
    np.testing.assert_array_equal(
        images.dense()[kept], pixels.reshape(-1, 2, 13, 21)[kept].astype(np.float32)
    )
    assert data.report_lines() == [
        f"{path}: 40 of 40 entries read",
        f"{path}: 4 entries hold a charge that is NaN or infinite: no image",
    ]
    assert np.flatnonzero(~SmartPixelFile(path, slices=[1]).read().has_image).tolist() == [8, 9]


def test_a_charge_that_is_missing_is_nan(tmp_path: Path) -> None:
    """pandas writes NaN as a missing value."""
    pixels = table(charges(10, 273)).to_pydict()
    pixels["7"][4] = None
    for name in ("recon2D.parquet", "recon2D.csv"):
        reader = SmartPixelFile(written(tmp_path / name, pa.table(pixels)))
        assert np.flatnonzero(~reader.read().has_image).tolist() == [4]


def test_contained_clusters(tmp_path: Path) -> None:
    pixels = charges(50, 273)
    edge = np.linspace(0, 98, 50)
    edge[2] = np.nan
    path = written(tmp_path / "x.parquet", table(pixels, chargeOriginal_atEdge=edge))
    reader = SmartPixelFile(path, contained=50.0)
    images = reader.read()
    wanted = edge < 50
    assert images.has_image.tolist() == wanted.tolist()
    np.testing.assert_array_equal(
        images.dense().reshape(50, -1), np.where(wanted[:, None], pixels, 0).astype(np.float32)
    )
    assert (
        reader.report_lines()[1]
        == f"{path}: 26 entries are not contained (chargeOriginal_atEdge < 50.0): no image"
    )
    found = fit_charge([path], charge="standardised", contained=50.0)
    assert found == fit_charge(
        [written(tmp_path / "y.parquet", table(pixels[wanted]))], charge="standardised"
    )
    with pytest.raises(InputError, match="'chargeOriginal_atEdge'"):
        SmartPixelFile(written(tmp_path / "z.parquet", table(pixels, pt=edge)), contained=50.0)


def test_levels(tmp_path: Path) -> None:
    pixels = np.zeros((1, 273))
    pixels[0, :8] = [399.9, 400, 999, 1000, 1999.9, 2000, 9000, -5000]
    path = written(tmp_path / "x.parquet", table(pixels))
    found = SmartPixelFile(path, charge="digitised").read()
    assert found.dense().ravel()[:8].tolist() == [0, 1, 1, 2, 2, 3, 3, 0]
    assert len(found.value) == 6
    found = SmartPixelFile(path, charge="digitised", charge_thresholds=[1000.0]).read()
    assert found.dense().ravel()[:8].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]


@pytest.mark.slow
def test_noise_is_fixed_by_seed_and_row(tmp_path: Path) -> None:
    pixels = charges(1600, 2 * 273)
    pixels[5, 0] = np.nan
    path = written(tmp_path / "x.parquet", table(pixels), row_group_size=1300)
    reader = SmartPixelFile(path, charge_noise=80.0)
    whole = reader.read()
    np.testing.assert_array_equal(reader.read(1000, 1400).dense(), whole.dense()[1000:1400])
    np.testing.assert_array_equal(
        SmartPixelFile(path, charge_noise=80.0).read(40, 41).dense(), whole.dense()[40:41]
    )
    assert not np.array_equal(
        SmartPixelFile(path, charge_noise=80.0, charge_seed=1).read(0, 1).value, whole.take([0]).value
    )
    assert not whole.dense()[5].any()
    pixels[5] = 0
    noise = np.delete(whole.dense().reshape(1600, -1) - pixels, 5, axis=0)
    assert noise.std() == pytest.approx(80, rel=0.005)
    assert abs(noise.mean()) < 0.5
    assert abs(np.corrcoef(noise[:300].ravel(), noise[1299:].ravel())[0, 1]) < 0.01
    levels = SmartPixelFile(path, charge="digitised", charge_noise=80.0).read().dense()
    np.testing.assert_array_equal(levels, np.digitize(whole.dense(), [400, 1000, 2000]))


@pytest.mark.slow
def test_fitted_charges_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charges stay in memory as far as there is room; the next reader of the same pixels takes them."""
    paths = [
        written(tmp_path / f"x{n}.parquet", table(charges(50, 546, n)), row_group_size=30) for n in range(3)
    ]
    decoded: list[Path] = []
    pieces = columns.Parquet.pieces

    def counted(self: Any, block: int, names: Any) -> Any:
        decoded.append(self.path)
        return pieces(self, block, names)

    monkeypatch.setattr(columns.Parquet, "pieces", counted)
    how = {"slices": [1], "charge": "standardised"}

    def loaded() -> SparseImages:
        return Dataset(list(map(str, paths)), **how, **fit_charge(paths, **how)).load(progress=False)

    first = loaded()
    assert decoded == [path for path in paths for _ in (0, 1)]
    assert not frames.CHARGE_CACHE._stored
    monkeypatch.setattr(frames.CHARGE_CACHE, "budget", 5_000)
    again = loaded()
    assert 6 + 6 < len(decoded) <= 6 + 12
    np.testing.assert_array_equal(again.value, first.value)
    fit_charge(paths, **how)
    parquet.write_table(table(2 * charges(50, 546, 9)), paths[0])
    changed = SmartPixelFile(paths[0], slices=[1]).read()
    np.testing.assert_array_equal(
        changed.dense().reshape(50, -1), 2 * charges(50, 546, 9)[:, 273:].astype(np.float32)
    )


def test_entries_to_fit_to(tmp_path: Path) -> None:
    pixels = charges(60, 273)
    path = written(tmp_path / "x.parquet", table(pixels), row_group_size=25)
    part = written(tmp_path / "y.parquet", table(pixels[20:51]))
    assert fit_charge([path], between=[20, 51]) == fit_charge([part])
    assert fit_charge([path], charge="electrons") == {}
    assert fit_charge([path], bad_pixels="zero", tick_order="auto").keys() == {"charge_mean", "charge_std"}
    empty = written(tmp_path / "z.parquet", table(0 * pixels))
    with pytest.raises(InputError, match="no charge in the entries that count"):
        fit_charge([path, empty])
    with pytest.raises(InputError, match="no training file"):
        fit_charge([])


@pytest.mark.slow
def test_times_of_the_slices(tmp_path: Path) -> None:
    path = written(tmp_path / "recon3D_1.parquet", table(charges(2, 5460)))
    np.testing.assert_array_equal(SmartPixelFile(path).frame_edges, np.arange(21) * 200)
    assert SmartPixelFile(path, slices=[0, 19]).frame_edges.tolist() == [0, 200, 4000]
    assert SmartPixelFile(path, slices=[19, 0]).frame_edges is None
    assert SmartPixelFile(written(tmp_path / "recon2D_1.parquet", table(charges(2, 273)))).frame_edges is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"slices": [0, -1]}, r"slices = \[0, -1\], expected different numbers of 0 to 1"),
        ({"slices": [0, 2]}, r"slices = \[0, 2\]"),
        ({"slices": [1, 1]}, r"slices = \[1, 1\]"),
        ({"slices": []}, r"slices = \[\]"),
        ({"window": [16, 16]}, r"window = \[16, 16\]: 546 columns are no slices .*\(did you mean \[13, 21\]\?\)"),
        ({"window": [0, 21]}, r"window = \[0, 21\]"),
        ({"window": [13]}, r"window = \[13\]"),
        ({"charge": "standardized"}, r"did you mean 'standardised'\?"),
        ({"charge_bits": 4}, "charge_bits = 4 goes with charge = 'standardised'"),
        ({"charge_bits": 1, "charge": "standardised"}, "charge_bits = 1, expected 2 to 16"),
        ({"charge_std": 0.0}, "charge_std = 0.0, expected a number above 0"),
        ({"charge_mean": math.nan}, "charge_mean = nan"),
        ({"charge_high": -1.0}, "charge_high = -1.0"),
        ({"charge_low": math.inf}, "charge_low = inf"),
        ({"charge_percentile": 101.0}, "charge_percentile = 101.0, expected above 0 up to 100"),
        ({"charge_clip": [1.0, -1.0]}, r"charge_clip = \[1.0, -1.0\], expected \[min, max\]"),
        ({"charge_thresholds": [400.0, 400.0]}, "expected increasing numbers above 0"),
        ({"charge_thresholds": []}, "expected increasing numbers above 0"),
        ({"charge_noise": -1.0}, "charge_noise = -1.0"),
        ({"charge_seed": -1}, "charge_seed = -1"),
    ],
)  # fmt: skip
def test_arguments_that_mean_nothing(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    path = written(tmp_path / "x.parquet", table(charges(5, 546)))
    with pytest.raises(InputError, match=words):
        open_images(path, **arguments)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "x.parquet", table(charges(5, 546)))
    with pytest.raises(InputError, match="charge = 'standardised' needs charge_mean, charge_std, see Smart"):
        SmartPixelFile(path, charge="standardised").read()
    how = {"charge": "standardised", "charge_mean": 1.0, "charge_std": 1.0, "charge_percentile": 99.0}
    with pytest.raises(InputError, match="needs charge_clip"):
        SmartPixelFile(path, **how).read()


def renamed(name: str, number: int) -> pa.Table:
    found = table(charges(6, 273))
    return found.rename_columns([name if i == number else old for i, old in enumerate(found.column_names)])


def replaced(values: Any) -> pa.Table:
    found = table(charges(6, 273))
    return found.set_column(5, "5", pa.array(values))


HOSTILE = {
    "a missing column": (renamed("x", 7), "no column '7', expected columns of numbers of 273 pixels"),
    "a column twice": (renamed("8", 7), "two columns '8'"),
    "text": (replaced(list("abcdef")), "column '5' holds string, expected columns of numbers"),
    "booleans": (replaced([True] * 6), "column '5' holds bool"),
    "lists": (replaced([[1.0]] * 6), "column '5' holds list<"),
    "labels alone": (pa.table(labels(6)), "no columns of pixels, which are named by their numbers; there are x-midp"),
    "other pixels": (table(charges(6, 274)), "274 columns are no slices of 13x21 or 16x16 pixels: give window"),
    "no rows": (table(charges(0, 273)), "0 rows, expected 1 to"),
    "no columns": (pa.table({}), "0 rows"),
}  # fmt: skip


@pytest.mark.parametrize("fault", HOSTILE)
def test_other_tables(tmp_path: Path, fault: str) -> None:
    found, words = HOSTILE[fault]
    path = written(tmp_path / "x.parquet", found)
    with pytest.raises(InputError) as error:
        open_images(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_labels_of_other_rows(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"recon3D_1{suffix}", table(charges(6, 273)))
    written(tmp_path / f"labels_1{suffix}", pa.table(labels(5)))
    with pytest.raises(InputError, match=rf"labels_1{suffix}: 5 rows, expected 6 as in .*recon3D_1"):
        open_images(path)


def test_labels_that_are_no_numbers(tmp_path: Path) -> None:
    known = {
        "cotAlpha": pa.array(list("abc")),
        "inside": pa.array([True, None, False]),
        "PID": pa.array([1, None, 3]),
    }
    reader = SmartPixelFile(written(tmp_path / "x.parquet", table(charges(3, 273), **known)))
    with pytest.raises(InputError, match="column 'cotAlpha' holds string, expected numbers"):
        reader.targets(["cotAlpha"])
    np.testing.assert_array_equal(reader.targets(["inside", "PID"]), [[1, 1], [np.nan, np.nan], [0, 3]])


@pytest.mark.slow
def test_truncated_and_damaged_files(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.parquet", table(charges(60, 512))).read_bytes()
    random = np.random.default_rng(1)
    path, said = tmp_path / "x.parquet", []
    for attempt in range(60):
        data = bytearray(whole[: random.integers(1, len(whole))] if attempt < 20 else whole)
        for _ in range(3 if attempt >= 20 else 0):
            data[random.integers(4, len(data))] = random.integers(256)
        path.write_bytes(data)
        try:
            assert len(open_images(path).read()) == 60
        except InputError as error:
            said.append(str(error))
    assert len(said) >= 20
    assert all(words.startswith(str(path)) and "\n" not in words for words in said)


CSV = {
    b"": "0 rows",
    b"0,1,2\n": "0 rows",
    b"0,1,2,3\n1,2,3,4\n1,2\n": "cannot be read, damaged or truncated",
    b"0,1,2,3\n1,2,x,4\n": "cannot be read, damaged or truncated",
    b"\xff\xfe\x00\n1": "begins with b'\\xff\\xfe\\x00\\n'",
    b"a,b,c\n1,2,3\n": "no columns of pixels",
    b"0,1,2,2\n1,2,3,4\n": "two columns '2'",
}


@pytest.mark.parametrize("text", CSV)
def test_other_csv_files(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text)
    with pytest.raises(InputError) as error:
        open_images(path, window=[2, 2]).read()
    assert CSV[text] in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_csv_as_pandas_writes_it_with_an_index(tmp_path: Path) -> None:
    path = tmp_path / "recon2D_1.csv"
    path.write_text(",0,1,2,3\n0,0.0,1.5,0.0,-2.0\n7,,0.0,0.0,0.0\n9,3.0,nan,0.0,0.0\n\n11,0,0,0,4\n")
    (tmp_path / "labels_1.csv").write_text(",cotAlpha\n0,1.0\n7,2\n9,\n11,4\n")
    reader = open_images(path, window=[2, 2])
    images = reader.read()
    assert images.dense().reshape(4, 4).tolist() == [
        [0, 1.5, 0, -2],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 4],
    ]
    assert images.has_image.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(reader.targets(["cotAlpha"])[:, 0], [1, 2, np.nan, 4])
