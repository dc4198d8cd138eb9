"""Plug-ins: every command takes networks, losses, optimisers, readers and methods of one's own, and only if named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dmcnn import train
from dmcnn._common import plugins
from dmcnn.checkpoints.load import load

MODULE = '''
"""Module of a user with a network, losses, an optimiser and a method."""

import torch
from torch import nn
from torch.nn import functional as F

from dmcnn.attribution.base import Explained, Method


class Tiny(nn.Module):
    def __init__(self, num_class: int, channels: int, height: int, width: int, filters_1: int = 4,
                 depth: int = 0) -> None:
        super().__init__()
        if depth < 0:
            raise ValueError(f"depth {depth}")
        self.features = nn.Sequential(
            nn.Conv2d(channels, filters_1, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(filters_1, 8, 3, stride=2, padding=1), nn.ReLU(),
        )
        self.dense = nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))
        self.head = nn.Linear(8, num_class)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.dense(self.features(images).mean(dim=(2, 3))))


class Wide(Tiny):
    def forward(self, images):
        return self.features(images)


class NoSize(nn.Module):
    def __init__(self, num_class: int) -> None:
        super().__init__()


def smooth(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, classes, label_smoothing=0.1)


def each(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, classes, reduction="none")


class Charge(Method):
    name = "charge"
    title = "Charge"
    signed = False

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        return images
'''
WEIGHTS = "weights/DM-CNN_model_toy_best.ckpt"
OWN = "model=own_parts:Tiny"


@pytest.fixture(scope="module")
def folder(toy_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a module of one's own and a cfg; return their folder, with the network that was trained with both."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_parts.py").write_text(MODULE)
    (folder / "broken_parts.py").write_text("import torch\nthis is no Python\n")
    (folder / "train.cfg").write_text(
        f"""
input_train = "{toy_files["train"]}"
input_test = "{toy_files["test"]}"
model = "own_parts:Tiny"
filters_1 = 5
loss = "own_parts:smooth"
optimizer = "torch.optim:AdamW"
learning_rate = 0.01
EPOCHS = 2
batch_size_train = 6
GPUID = "cpu"
adc_lo = 10.0
adc_hi = 500.0
name = "toy"
weights_directory = "{folder / "weights"}"
output_directory = "{folder}"
"""
    )
    assert train.main([str(folder / "train.cfg")]) == 0
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Check that every command restores the import path."""
    before = list(sys.path)
    yield
    assert sys.path == before
    sys.modules.pop("own_parts", None)


def test_the_checkpoint_has_the_word(folder: Path) -> None:
    net, card = load(folder / WEIGHTS, "own_parts:Tiny" if "own_parts" in sys.modules else _tiny(folder))
    assert card.model == "own_parts:Tiny"
    assert card.loss == "own_parts:smooth"
    assert card.activation == "softmax"
    sizes = {"channels": 1, "height": 128, "width": 128, "filters_1": 5}
    assert card.arguments == {"num_class": 2, **sizes}
    assert sum(parameter.numel() for parameter in net.parameters()) == 5 * 9 + 5 + 8 * 45 + 8 + 2 * 8 + 2


def _tiny(folder: Path) -> type[torch.nn.Module]:
    sys.path.insert(0, str(folder))
    try:
        found: type[torch.nn.Module] = import_module("own_parts").Tiny
    finally:
        sys.path.remove(str(folder))
    return found


@pytest.mark.slow
def test_training_goes_on(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert train.main([str(folder / "train.cfg"), "EPOCHS=3"]) == 0
    assert "resuming after step 8" in caplog.text


@pytest.mark.slow
def test_the_checkpoint_has_the_arguments(
    folder: Path, toy_files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ["EPOCHS=1", "model_arguments={'depth': 2}", f"weights_directory={tmp_path}", "name=deep"]
    assert train.main(["train.cfg", *words, f"output_directory={tmp_path}"]) == 0
    weights = tmp_path / "DM-CNN_model_deep_best.ckpt"
    net, card = load(weights, OWN.partition("=")[2])
    assert (card.arguments["depth"], len(net.dense)) == (2, 2)  # type: ignore[arg-type]
    words = [OWN, f"weight_file={weights}", f"input_file={toy_files['test']}", f"output_dir={tmp_path}"]
    assert import_module("dmcnn.infer").main(words) == 0
    assert (tmp_path / LEFT["infer"]).exists()


LEFT = {
    "infer": "toy_test_DM-CNN_scores.csv",
    "display": "toy_test_ENTRY_0.png",
    "occlude": "occlusion_test_toy_test_ENTRY_0.npz",
    "attribute": "attribution_toy_test_ENTRY_0_overview.png",
    "export": "DM-CNN_model_toy_best.pt2",
}
MORE = {
    "infer": [],
    "display": ["-n", "0", "format=png"],
    "occlude": ["-n", "0", "stride=16", "occlusion_size=8"],
    "attribute": ["-n", "0", "judge=False", "methods=['grad_cam', 'own_parts:Charge']", "format=png"],
    "export": ["format=torch"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", MORE)
def test_every_command_takes_the_checkpoint_if_the_user_names_the_network(
    command: str,
    folder: Path,
    toy_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)  # without a cfg, modules are imported from here
    words = [
        f"weight_file={WEIGHTS}",
        f"input_file={toy_files['test']}",
        f"output_dir={tmp_path}",
        *MORE[command],
    ]
    main = import_module(f"dmcnn.{command}").main
    assert main(words) == 2
    captured = capsys.readouterr()
    fault = f"{WEIGHTS}: its network is 'own_parts:Tiny': model = 'own_parts:Tiny' imports it\n"
    assert captured.err == fault
    assert "own_parts" not in sys.modules, "a weight file has imported a module"
    assert main([*words, OWN]) == 0
    assert (tmp_path / LEFT[command]).stat().st_size > 100


@pytest.mark.slow
@pytest.mark.parametrize("start", ["-m dmcnn.infer", "-m dmcnn infer"])
def test_both_ways_of_starting_look_beside_the_cfg(
    start: str, folder: Path, toy_files: dict[str, Path], tmp_path: Path
) -> None:
    (folder / "infer.cfg").write_text(
        f'model = ["own_parts:Tiny"]\ninput_file = "{toy_files["test"]}"\nweight_file = "{folder / WEIGHTS}"\n'
    )
    words = [sys.executable, *start.split(), str(folder / "infer.cfg"), f"output_dir={tmp_path}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "toy_test_DM-CNN_scores.csv").exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["model=own_part:Tiny"], "own_part:Tiny: no module 'own_part' in "),
        (["model=own_parts:Tny"], "own_parts:Tny: own_parts has no 'Tny' (did you mean 'Tiny'?)"),
        (["model=own_parts:torch"], "own_parts:torch: a module, expected a class or a function"),
        (["model=own parts:Tiny"], "'own parts:Tiny', expected module:Name, such as my_module:MyNet"),
        (["model=broken_parts:Tiny"], "broken_parts cannot be imported: SyntaxError"),
        (["model=own_parts:NoSize"], "takes no channels, height, width; a model must take num_class=, "),
        (["model=own_parts:Tiny", "kernel_1=3"], "model own_parts:Tiny takes no kernel_1"),
        ([OWN, "model_arguments={'dept': 2}"], "own_parts:Tiny takes no dept (did you mean 'depth'?)"),
        ([OWN, "model_arguments={'depth': -2}"], "model 'own_parts:Tiny': depth -2"),
        ([OWN, "model_arguments={'filters_1': 2}"], "'filters_1' is a key of its own: filters_1 = …"),
        ([OWN, "model_arguments={'num_class': 3}"], "model_arguments: 'num_class' is given by the data"),
        (
            ["model=own_parts:Wide"],
            "own_parts:Wide: gives (2, 8, 32, 32) for images of shape (2, 1, 128, 128), exp",
        ),
        (["loss=own_parts:smoth"], "own_parts:smoth: own_parts has no 'smoth' (did you mean 'smooth'?)"),
        (["loss=own_parts:each"], "loss own_parts:each: gives shape (6,), expected one number"),
        (["loss=bces"], "loss = 'bces' must be 'bce' or "),
        (["optimizer=torch.optim:AdamV"], "torch.optim has no 'AdamV' (did you mean 'Adam'?)"),
        (["optimizer=torch.optim:Optimizer"], "optimizer torch.optim:Optimizer: "),
        (
            ["optimizer=adm"],
            "optimizer = 'adm' must be 'adam' or 'adamw' or 'nadam' or 'sgd' or module:Name (did you mean 'adam'?)",
        ),
    ],
)
def test_what_does_not_work_is_said_in_one_line(
    words: list[str], fault: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(
        line for line in (folder / "train.cfg").read_text().splitlines() if not line.startswith("filters_1")
    )
    (folder / "other.cfg").write_text(text)
    more = [f"weights_directory={tmp_path}", f"output_directory={tmp_path}", "name=x"]
    assert train.main([str(folder / "other.cfg"), *more, *words]) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert said.rstrip("\n").count("\n") == said.count("\r"), "more than one line"


def test_an_installed_package_adds_words(monkeypatch: pytest.MonkeyPatch) -> None:
    point = SimpleNamespace(name="little", value="x:y", load=lambda: torch.nn.Identity)
    broken = SimpleNamespace(name="broken", value="x:z", load=lambda: import_module("no_such_module"))
    groups = {"dmcnn.models": [point, broken]}
    monkeypatch.setattr(plugins, "_points", lambda group: groups[group])
    assert plugins.find("little", {}, "dmcnn.models") is torch.nn.Identity
    assert plugins.find("large", {}, "dmcnn.models") is None
    with pytest.raises(
        plugins.InputError, match=r"^broken \(x:z\): cannot be imported: ModuleNotFoundError: No mod"
    ):
        plugins.find("broken", {}, "dmcnn.models")


READER = '''
"""A reader of text files: a line per event, "run row column charge", on images of 128 x 128 pixels."""

from dataclasses import dataclass

import numpy as np

from dmcnn.images.sparse import sparse
from dmcnn.readers.base import EventFile
from dmcnn.readers.options import Options, option


@dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    gain: float = option(1.0, "factor of every charge")


class TextFile(EventFile):
    options_class = TextOptions
    shape = (1, 128, 128)

    def __init__(self, path, options=None, **given):
        super().__init__(path, options, **given)
        self._lines = np.loadtxt(path, ndmin=2)
        self.events = self.read().events

    @classmethod
    def reads(cls, path, head):
        return path.suffix == ".txt"

    def read(self, start=0, stop=None):
        lines = self._lines[start:stop]
        dense = np.zeros((len(lines), *self.shape), np.float32)
        for image, (_, row, column, charge) in zip(dense, lines):
            image[0, int(row) : int(row) + 8, int(column) : int(column) + 8] = charge * self.options.gain
        images = sparse(dense)
        images.events["run"], images.events["entry"] = lines[:, 0], np.arange(start, start + len(lines))
        return images

    def report_lines(self):
        return []
'''


@pytest.mark.slow
def test_a_reader_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_parts.py").write_text(MODULE)
    (tmp_path / "own_reader.py").write_text(READER)
    (tmp_path / "events.txt").write_text(
        "".join(f"{100 if i % 2 else 7} {i} {2 * i} {50 + i}\n" for i in range(12))
    )
    monkeypatch.chdir(tmp_path)
    reader = ["reader=own_reader:TextFile", "reader_options={'gain': 2.0}"]
    words = ["input_train=events.txt", "test_fraction=0.3", "EPOCHS=1", "learning_rate=0.01", "GPUID=cpu", OWN,
             "label=run == 100", "loss=cross_entropy", "name=text", "weights_directory=.",
             "output_directory=."]  # fmt: skip
    assert train.main([*words, *reader, "reader_options={'gan': 2.0}"]) == 2
    assert (
        "reader own_reader:TextFile has no option 'gan' (did you mean 'gain'?)\n" in capsys.readouterr().err
    )
    assert train.main([*words, "reader=own_parts:Tiny"]) == 2
    assert (
        capsys.readouterr().err
        == "reader own_parts:Tiny: expected a subclass of dmcnn.readers.base.EventFile\n"
    )
    assert train.main(words) == 2
    assert "events.txt: begins with" in capsys.readouterr().err
    assert train.main([*words, *reader]) == 0
    sys.modules.pop("own_reader")
    more = ["weight_file=DM-CNN_model_text_best.ckpt", "input_file=events.txt", "output_dir=."]
    main = import_module("dmcnn.infer").main
    capsys.readouterr()
    assert main([*more, OWN]) == 2
    fault = "its images are read by 'own_reader:TextFile': reader = 'own_reader:TextFile' imports it"
    assert capsys.readouterr().err == f"DM-CNN_model_text_best.ckpt: {fault}\n"
    assert "own_reader" not in sys.modules, "a weight file has imported a module"
    assert main([*more, OWN, "reader=own_reader:TextFile"]) == 0
    rows = (tmp_path / "events_DM-CNN_scores.csv").read_text().splitlines()
    assert len(rows) == 13
    _, card = load(tmp_path / "DM-CNN_model_text_best.ckpt", ["own_parts:Tiny", "own_reader:TextFile"])
    assert card.reading["reader_options"] == {"gain": 2.0}
    for name in ("own_reader", "own_parts"):
        sys.modules.pop(name)
