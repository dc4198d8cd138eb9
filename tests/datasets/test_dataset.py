"""Datasets of many files: labels, reading in any chunks, simulated samples and their cache."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from dmcnn import simulation
from dmcnn._common.errors import InputError
from dmcnn._common.files import cache_folder
from dmcnn.datasets.dataset import Dataset
from dmcnn.datasets.event_files import expand
from dmcnn.datasets.labels import LabelRule
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.readers import open_images
from dmcnn.readers.larcv2.reader import LArCV2
from dmcnn.simulation import addresses
from dmcnn.simulation.lartpc import lariat
from dmcnn.writers import larcv3

FIELDS = ("offsets", "index", "value", "events", "meta", "label")
RULE = LabelRule.parse({11: "electron", 2212: "proton"}, ("proton", "electron"))


@pytest.fixture
def larcv(shared_data: Path) -> Path:
    return shared_data / "larcv"


@pytest.fixture
def mixed(larcv: Path, tmp_path: Path) -> Dataset:
    """Return electron.root, proton.root rewritten as LArCV3, and electron.root under another name."""
    larcv3.write(tmp_path / "b.h5", [LArCV2(larcv / "proton.root", plane=1).read()], producer="data")
    shutil.copy(larcv / "electron.root", tmp_path / "c.root")
    names = LabelRule.parse({"*.root": "electron", "*.h5": "proton"}, ("proton", "electron"))
    inputs = [str(larcv / "electron.root"), str(tmp_path / "b.h5"), str(tmp_path / "c.root")]
    return Dataset(inputs, names, plane=1, adc_lo=10, adc_hi=500, tick_order="auto")


def test_files_follow_one_another(mixed: Dataset, larcv: Path) -> None:
    whole = mixed.load(progress=False)
    assert len(mixed) == len(whole) == 30
    assert whole.events["file"].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert whole.events["entry"].tolist() == list(range(10)) * 3
    assert whole.label.tolist() == [1] * 10 + [0] * 10 + [1] * 10
    for number, name in enumerate(("electron", "proton", "electron")):
        expected = LArCV2(larcv / f"{name}.root", plane=1, adc_lo=10, adc_hi=500).read()
        found = whole.take(slice(10 * number, 10 * number + 10))
        for field in ("offsets", "index", "value"):
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
        np.testing.assert_array_equal(found.events["event"], expected.events["event"])


@pytest.mark.slow
def test_any_piece_is_that_piece_of_the_whole(mixed: Dataset) -> None:
    whole = mixed.load(progress=False)
    for start in range(0, 31, 3):
        for stop in range(start, 31, 4):
            part, expected = mixed.read(start, stop), whole.take(slice(start, stop))
            for field in FIELDS:
                np.testing.assert_array_equal(getattr(part, field), getattr(expected, field))
    for size in (1, 7, 10, 1000):
        chunks = list(mixed.chunks(size))
        assert [len(chunk) for chunk in chunks] == [min(size, 30 - i) for i in range(0, 30, size)]
        np.testing.assert_array_equal(np.concatenate([c.value for c in chunks]), whole.value)
    with pytest.raises(ValueError, match="chunks of 0 events"):
        next(mixed.chunks(0))
    for start, stop in ((-1, 3), (4, 3), (0, 31)):
        with pytest.raises(ValueError, match="the dataset has 30"):
            mixed.read(start, stop)


def test_entries_count_through_all_files(mixed: Dataset) -> None:
    assert mixed.entries(29) == [29]
    assert mixed.entries([3, 0]) == [3, 0]
    for wrong in (30, [1, -1], []):
        with pytest.raises(InputError, match="there are 0 to 29"):
            mixed.entries(wrong)


def test_reports_and_pickling(mixed: Dataset) -> None:
    again = pickle.loads(pickle.dumps(mixed))
    again.read(8, 12)
    assert [line.rpartition(": ")[2] for line in again.report_lines()] == [
        "2 of 10 entries read", "2 of 10 entries read", "0 of 10 entries read",
    ]  # fmt: skip


@pytest.mark.slow
def test_labels_by_particle(larcv: Path) -> None:
    inputs = [str(larcv / "proton.root"), str(larcv / "electron.root")]
    data = Dataset(inputs, RULE, plane=0)
    assert data.read().label.tolist() == [0] * 10 + [1] * 10
    assert Dataset(inputs, plane=0).read().label is None
    with pytest.raises(InputError, match=r"entry 0: primary particles \[\]"):
        Dataset(str(larcv / "larcv2_v200_root640_c101.root"), RULE, producer="image2d_binary")


def test_fingerprint(larcv: Path, tmp_path: Path) -> None:
    copy = shutil.copy(larcv / "electron.root", tmp_path / "stage_in.root")
    a, b = Dataset(str(larcv / "electron.root"), plane=0), Dataset(str(copy), plane=2)
    assert a.fingerprint() == b.fingerprint()
    assert len(a.fingerprint()) == 32
    assert len(a.old_fingerprint()) == 16
    assert a.old_fingerprint() != b.old_fingerprint()  # names of files counted
    others = [Dataset(str(larcv / "proton.root"), plane=0)]
    others.append(Dataset([str(larcv / "electron.root"), str(larcv / "proton.root")], plane=0))
    others.append(Dataset([str(larcv / "proton.root"), str(larcv / "electron.root")], plane=0))
    assert len({a.fingerprint(), *(other.fingerprint() for other in others)}) == 4


def test_a_file_made_again_is_another_one(tmp_path: Path) -> None:
    """Of the same name, size and times as before, so that only its bytes tell."""
    path, times = tmp_path / "image.npy", (10**9, 10**9)
    prints = set()
    for value in (1, 2):
        np.save(path, np.full((8, 8), value, np.float32))
        os.utime(path, times)
        prints.add(Dataset(str(path)).fingerprint())
    np.save(path, np.full((8, 8), 1, np.float32))
    prints.add(Dataset(str(path)).fingerprint())
    assert len(prints) == 2


def test_a_folder_is_its_files_and_their_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for number in range(3):
            write_npy(tmp_path / folder / f"{number}.npy", number)
    first, second = (Dataset(str(tmp_path / folder)) for folder in ("a", "b"))
    before = first.fingerprint()
    assert before == second.fingerprint()
    (tmp_path / "b" / "2.npy").rename(tmp_path / "b" / "pion_2.npy")
    assert Dataset(str(tmp_path / "b")).fingerprint() != before  # a label may be in the name
    write_npy(tmp_path / "a" / "1.npy", 7)
    assert Dataset(str(tmp_path / "a")).fingerprint() != before
    with pytest.raises(InputError, match="changed since it was opened"):
        first.fingerprint()


def write_npy(path: Path, value: float) -> None:
    path.parent.mkdir(exist_ok=True)
    np.save(path, np.full((8, 8), value, np.float32))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    write_npy(path, 1)
    data = Dataset(str(path))
    with pytest.raises(InputError, match="changed since it was opened"), data.unchanged():
        write_npy(path, 2)


def test_labels_in_another_file_belong_to_the_data(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path, labels = tmp_path / "recon3D.csv", tmp_path / "labels.csv"
    path.write_text(",".join(map(str, range(273))) + "\n" + ",".join(["1.0"] * 273) + "\n")
    labels.write_text("x-midplane\n1.5\n")
    before = Dataset(str(path)).fingerprint()
    labels.write_text("x-midplane\n2.5\n")
    assert Dataset(str(path)).fingerprint() != before


def test_files_must_agree_in_shape(larcv: Path) -> None:
    inputs = [str(larcv / "electron.root"), str(larcv / "larcv1_v06_26_root640.root")]
    with pytest.raises(InputError) as error:
        Dataset(inputs, plane=0, tick_order="descending", xdim=30)
    assert all(name in str(error.value) for name in (*inputs, "(1, 10, 30)", "(1, 256, 30)"))
    assert len(Dataset(inputs, plane=0, tick_order="descending", xdim=64, ydim=64)) == 13


def test_expand(larcv: Path, tmp_path: Path) -> None:
    for name in ("b.root", "a.root", "c.h5"):
        (tmp_path / name).write_text("x")
    (tmp_path / "link.root").symlink_to(tmp_path / "a.root")
    names = lambda found: [path.name for path in found]  # noqa: E731
    assert names(expand(str(tmp_path / "[abc].root"))) == ["a.root", "b.root"]
    assert names(expand([str(tmp_path / "c.h5"), str(tmp_path / "?.root")])) == ["c.h5", "a.root", "b.root"]
    for inputs, words in (
        (str(tmp_path / "d.h5"), "no such file (did you mean 'c.h5'?)"),
        (str(tmp_path / "*.txt"), "no such file"),
        ([str(tmp_path / "a.root"), str(tmp_path / "*.root")], "named twice"),
        ([str(tmp_path / "a.root"), str(tmp_path / "link.root")], "it is the same file as"),
        ([], "an empty list names no file"),
    ):
        with pytest.raises(InputError) as error:
            expand(inputs)
        assert words in str(error.value)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Register a sample and set an empty cache; return the calls (events, seed) of the sample."""
    calls: list[tuple[int, int]] = []

    def stripes(events: int, seed: int, start: int = 0) -> Iterator[SparseImages]:
        calls.append((events, seed))
        dense = np.random.default_rng(seed).random((events, 1, 6, 7)).astype(np.float32)
        for first in range(start, events, 2):
            yield sparse(dense[first : first + 2])

    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(simulation.SAMPLES, "stripes", stripes)
    return calls


def test_a_sample_is_simulated_once(cached: list[tuple[int, int]], tmp_path: Path) -> None:
    train, test = (Dataset(f"sample://stripes/{split}?events=5&seed=3") for split in ("train", "test"))
    again = Dataset(
        "sample://stripes/train?seed=3&events=5", LabelRule.parse("entry > 2", ("no", "yes"), "yes")
    )
    assert [events for events, _ in cached] == [5, 5]
    assert len({seed for _, seed in cached}) == 2
    np.testing.assert_array_equal(train.read().value, again.read().value)
    assert not np.array_equal(train.read().dense(), test.read().dense())
    assert again.labels.tolist() == [0, 0, 0, 1, 1]
    assert train.files[0].parent == tmp_path / "cache"
    assert open_images(train.files[0]).producer == "image2d_binary"
    with h5py.File(train.files[0]) as file:
        assert (file.attrs["sample"], file.attrs["split"], file.attrs["seed"]) == ("stripes", "train", 3)
    made = train.files[0].read_bytes()
    train.files[0].unlink()
    assert addresses.sample_path("sample://stripes/train?events=5&seed=3").read_bytes() == made


def test_a_sample_cut_short_leaves_but_its_batches(
    cached: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(events: int, seed: int, start: int = 0) -> Iterator[SparseImages]:
        yield sparse(np.ones((2, 1, 3, 3), np.float32))
        raise KeyboardInterrupt

    monkeypatch.setitem(simulation.SAMPLES, "broken", broken)
    with pytest.raises(KeyboardInterrupt):
        expand("sample://broken/train")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".broken-train-1000-1-1.h5.parts"]


@pytest.mark.slow
def test_a_sample_that_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path))
    rule = LabelRule.parse("prefix", lariat.CLASSES)
    data = Dataset("sample://lariat/train?events=12&seed=2", rule)
    assert data.shape == (1, 240, 146)
    assert np.bincount(data.labels).tolist() == [2] * 6
    assert data.files[0].is_dir()
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["lariat-train-12-2-2"]
    seed = addresses.split_seed(2, "train")
    made = next(simulation.SAMPLES["lariat"](events=12, seed=seed))
    first = data.names.index("pion_zero_000005.npy")
    np.testing.assert_array_equal(data.read(first, first + 1).dense(), made.take(slice(5, 6)).dense())
    before = data.fingerprint(), data.modified()
    again = Dataset("sample://lariat/train?seed=2&events=12", rule)
    assert (again.fingerprint(), again.modified()) == before


PIXELS = {
    "dark-trident": [304, 779, 459, 389],
    "lariat": [682, 366, 312, 775, 524, 394],
    "smartpixel": [66, 46, 119, 152, 69, 211, 334, 226, 168, 176, 244, 213],
}
"""Active pixels in the first events of seed 3, as dmcnn 0.1.0 simulated them."""


@pytest.mark.parametrize("name", PIXELS)
def test_the_first_version_stays_as_it_was(name: str) -> None:
    size = {"xdim": 160, "ydim": 160} if name == "dark-trident" else {}
    arguments = simulation.defaults(name, 1) | size
    images = next(simulation.SAMPLES[name](events=len(PIXELS[name]), seed=3, **arguments))
    np.testing.assert_allclose(images.n_pixels, PIXELS[name], atol=2)  # other processors may round otherwise
    latest = next(simulation.SAMPLES[name](events=4, seed=3, **simulation.defaults(name) | size))
    assert np.abs(latest.n_pixels - PIXELS[name][:4]).min() > 2


@pytest.mark.slow
def test_a_version_has_its_own_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path))
    paths = [
        addresses.sample_path(f"sample://smartpixel/train?events=3{more}")
        for more in ("", "&version=2", "&version=1&geometry=t6", "&geometry=t6")
    ]
    ends = ["", "", "-t6", "-t6"], [2, 2, 1, 2]
    assert [p.name for p in paths] == [
        f"smartpixel{g}-train-3-1-{v}.parquet" for g, v in zip(*ends, strict=True)
    ]
    seed = addresses.split_seed(1, "train")
    how = simulation.defaults("smartpixel", 1) | {"geometry": "t6"}
    expected = next(simulation.SAMPLES["smartpixel"](events=3, seed=seed, **how))
    np.testing.assert_array_equal(open_images(paths[2]).read().value, expected.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sample://lariat/train?version=3", "version=3: version = 3, expected one of 1, 2 of lariat"),
        ("sample://calorimeter/train?version=1", "unknown parameter 'version', known: events, seed"),
        ("sample://stripe/train", "unknown sample 'stripe' (did you mean 'stripes'?)"),
        ("sample://stripes/trian", "unknown split 'trian' (did you mean 'train'?)"),
        ("sample://stripes", "unknown split ''"),
        ("sample://stripes/train?event=5", "unknown parameter 'event' (did you mean 'events'?)"),
        ("sample://stripes/train?events=0", "events = '0', expected a whole number"),
        ("sample://stripes/train?events=1e3", "events = '1e3', expected a whole number"),
        ("sample://stripes/train?seed=-1", "seed = '-1', expected a whole number"),
        ("sample://stripes/train?seed=", "seed = '', expected a whole number"),
        ("sample://stripes/train#x", "expected sample://name/split"),
    ],
)
def test_addresses(cached: list[tuple[int, int]], url: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        expand(url)
    assert words in str(error.value)
    assert not cached


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DMCNN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "dmcnn"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/dmcnn")
    monkeypatch.setenv("DMCNN_CACHE", "/own")
    assert cache_folder() == Path("/own")


def test_a_part_of_every_file(toy_files: dict[str, Path]) -> None:
    files = [str(toy_files["train"]), str(toy_files["test"])]
    whole, part = Dataset(files), Dataset(files, between=[3, 9])
    assert part.events["entry"].tolist() == [3, 4, 5, 6, 7, 8] * 2
    expected = whole.load(progress=False).take([*range(3, 9), *range(24 + 3, 24 + 9)])
    found = part.load(progress=False)
    np.testing.assert_array_equal(found.dense(), expected.dense())
    np.testing.assert_array_equal(found.events, expected.events)
    np.testing.assert_array_equal(part.read(4, 8).dense(), expected.take(slice(4, 8)).dense())
    assert len({Dataset(files, between=ends).fingerprint() for ends in ([3, 9], [2, 9], [0, 11])}) == 3
    with pytest.raises(InputError, match="entries 3 to 30 asked for, it has 0 to 24"):
        Dataset(files, between=[3, 30])


def test_an_argument_that_no_reader_of_the_files_takes(toy_files: dict[str, Path]) -> None:
    Dataset(str(toy_files["test"]), tick_order="auto")
    with pytest.raises(InputError, match="tick_order = 'ascending' means nothing to the reader"):
        Dataset(str(toy_files["test"]), tick_order="ascending")
