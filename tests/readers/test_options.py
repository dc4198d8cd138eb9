"""Options of readers: one declaration for constructors, cfg keys, help and errors."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from conftest import ROOT
from dmcnn._common.errors import InputError
from dmcnn.datasets.dataset import Dataset
from dmcnn.readers import DEFAULTS, READERS, open_images, reader_class, reader_of
from dmcnn.readers.calorimeter.options import CalorimeterOptions
from dmcnn.readers.calorimeter.reader import Calorimeter
from dmcnn.readers.larcv2.options import LArCV2Options
from dmcnn.readers.options import FitOptions, Options
from dmcnn.readers.smartpixel.options import SmartPixelOptions
from dmcnn.readers.smartpixel.reader import SmartPixelFile
from dmcnn.settings import Reading
from dmcnn.settings.command import describe


@pytest.mark.parametrize("name", READERS)
def test_every_option_is_described_and_has_a_default(name: str) -> None:
    options = READERS[name][1]
    assert reader_class(name).options_class is options
    assert options().given() == {}
    for entry in fields(options):
        assert entry.metadata["description"], entry.name
    with pytest.raises(FrozenInstanceError):
        options().bad = 1  # type: ignore[attr-defined]


def test_an_option_of_several_readers_is_the_same_in_all() -> None:
    """Only the choices of ``product`` differ between formats."""
    found: dict[str, tuple[Any, ...]] = {}
    for _, options in READERS.values():
        hints = get_type_hints(options)
        for entry in fields(options):
            if entry.name != "product":
                about = hints[entry.name], entry.default, dict(entry.metadata)
                assert found.setdefault(entry.name, about) == about
    assert found.keys() | {"product"} == DEFAULTS.keys()


def test_what_readers_advise_is_a_key_of_the_commands() -> None:
    """``choose one with product`` and ``with particles`` named keys that no command had."""
    text = "\n".join(path.read_text() for path in (ROOT / "python/dmcnn/readers").rglob("*.py"))
    patterns = (r"choose one with ([a-z_]+)", r"give (window|ydim)", r'choose_producer\([^)]*"([a-z]+)"\)')
    advised = {word for pattern in patterns for word in re.findall(pattern, text)}
    assert {"product", "plane", "image_index", "ydim", "window", "particles", "producer"} <= advised
    assert advised <= set(Reading.model_fields)


def test_cfg_keys_and_help_are_the_options() -> None:
    text = " ".join(describe("infer").split())
    for _, options in READERS.values():
        for entry in fields(options):
            about, key = entry.metadata, Reading.model_fields.get(entry.name)
            assert (key is None) == (about["cfg"] is False)
            if key is not None:
                assert key.default == (entry.default if about["cfg"] else None)
                assert str(key.description).removeprefix(f"[{about['unit']}] ") == about["description"]
                assert " ".join(about["description"].split()) in text


@pytest.mark.parametrize(
    ("options", "given", "words"),
    [
        (FitOptions, {"bad_pixels": "keep"}, "bad_pixels = 'keep', expected 'zero' or 'stop'"),
        (CalorimeterOptions, {"view": None}, "view = None, expected 'frames', 'energy_time' or 'projections'"),
        (LArCV2Options, {"product": "image"}, r"or 'sparse3d' \(did you mean 'image2d'\?\)"),
        (SmartPixelOptions, {"charge_high": 0.0, "charge_std": -1.0}, "charge_std = -1.0, .*\ncharge_high = 0.0"),
    ],
)  # fmt: skip
def test_values_that_are_none(options: type[Options], given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        options(**given)


def test_typed_options_and_keywords_mean_the_same(cells: Path) -> None:
    typed = Dataset(str(cells), options=CalorimeterOptions(crop=8, view="energy_time"))
    assert typed.shape == Dataset(str(cells), crop=8, view="energy_time").shape == (2, 8, 8)
    both = open_images(cells, CalorimeterOptions(crop=8, view="energy_time"), crop=6)
    assert both.options == CalorimeterOptions(crop=6, view="energy_time")
    with pytest.raises(InputError, match=r"charge = 'digitised' means nothing to the reader \(Calorimeter\)"):
        Dataset(str(cells), options=SmartPixelOptions(charge="digitised"))


def test_calorimeter_files_are_drawn_as_energy_and_time(cells: Path) -> None:
    frames = Calorimeter(cells, crop=8, energy_min=0.02, time_lo=-0.1, bad_pixels="stop")
    drawn = frames.as_drawn()
    assert drawn.options == CalorimeterOptions(crop=8, bad_pixels="stop", view="energy_time")
    assert (drawn.axis0, drawn.as_drawn() is drawn) == ("channel", True)
    assert frames.cuts == (0.02, (-0.1,))
    assert (Calorimeter(cells).cuts, drawn.cuts) == ((0.005, ()), (0.0, ()))
    dataset = Dataset(str(cells), between=[1, 3], crop=8)
    assert dataset.as_drawn().read().dense().tolist() == drawn.read(1, 3).dense().tolist()
    assert (len(dataset.as_drawn()), dataset.shape) == (2, frames.shape)


def test_pixel_frames_are_drawn_in_electrons() -> None:
    how: dict[str, Any] = {"slices": [0, 19], "window": [13, 21]}
    data = Dataset("sample://smartpixel/train?events=3", charge="digitised", charge_noise=50.0, **how)
    same = Dataset("sample://smartpixel/train?events=3", **how)
    assert same.as_drawn() is same
    assert data.as_drawn().read().value.tolist() == same.read().value.tolist() != data.read().value.tolist()


def test_only_standardised_charges_are_learned_from_training_files(cells: Path) -> None:
    files = Dataset("sample://smartpixel/train?events=50").files
    assert reader_of(files[0]) is SmartPixelFile
    fitted = SmartPixelFile.fit(files, charge="standardised", slices=[19], adc_lo=3.0)
    assert fitted.keys() == {"charge_mean", "charge_std"}
    assert SmartPixelOptions(charge="standardised", **fitted).missing == []
    assert SmartPixelFile.fit(files) == reader_of(cells).fit([cells], charge="standardised") == {}


def test_fitted_images_say_their_size(cells: Path) -> None:
    lariat = Dataset("sample://lariat/train?events=3")
    assert lariat.first.size_options == {"ydim": 240, "xdim": 146}
    assert Dataset(str(cells)).first.size_options == {}


def test_readers_of_other_packages_are_imported_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "dmcnn.readers"
    points = [
        EntryPoint("mine", "dmcnn.readers.npy:NpyFolder", group),
        EntryPoint("broken", "nowhere:X", group),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: points)
    assert reader_class("mine") is reader_class("npy")
    with pytest.raises(InputError, match=r"no reader 'mime' \(did you mean 'mine'\?\), there is larcv2, "):
        reader_class("mime")
    with pytest.raises(
        InputError,
        match=r"broken \(nowhere:X\): cannot be imported: ModuleNotFoundError: No module named 'nowhere'$",
    ):
        reader_class("broken")


@pytest.mark.slow
def test_names_and_options_need_no_reader() -> None:
    heavy = "{'numpy', 'uproot', 'h5py', 'pyarrow', 'awkward'} & set(sys.modules)"
    code = f"import dmcnn.readers, dmcnn.settings, sys; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
