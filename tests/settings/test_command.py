"""Settings from cfg files and command lines: every fault at once, in one line each."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from dmcnn._common.errors import InputError
from dmcnn.settings import COMMANDS, TrainSettings
from dmcnn.settings.cfg import read_cfg
from dmcnn.settings.command import exit_status, load, run
from dmcnn.settings.help import completion, describe
from dmcnn.tuning.space import normalise, samples

# As shipped by DM-CNN (paths shortened), spelled exactly as its users have them.
DM_CNN = {
    "train": """input_train = "train.root"
input_test = "test.root"
weights_directory = "weights/"
output_directory = "out/"
seed = True
seed_number = 1
adc_lo=float(10)
adc_hi=float(500)
augment=True
batch_size_train=int(32)
batch_size_test=int(16)
drop_out=0.5
EPOCHS=5
GPUID=str("9")
learning_rate=float(0.001)
name=str("0.001_AG_GN_LM_TRAINING")
num_class=int(2)
plane=2
run_test=True
save_weights=True
test_events_nums=9
test_every_step=10
xdim=int(512)
ydim=int(512)
""",
    "infer": """adc_lo=float(10)
adc_hi=float(500)
GPUID=str("1")
name=str("inference_8441_steps_no_rotation_LM")
rotation = False 
input_file = "train.root"
input_csv = "ids.csv"
weight_file= "model.pwf"
output_dir = "outputs/\"""",
    "display": """adc_lo=float(10)
adc_hi=float(500)
GPUID=str("1")
rotation = False 
score_label = True
logit = False 
data = False
colorbar = False
logo = True 
input_file = "train.root"
weight_file= "model.pwf"
output_dir = "outputs/\"""",
    "occlude": """adc_lo=float(10)
adc_hi=float(500)
GPUID=str("1")
input_file = "train.root"
weight_file= "model.pwf"
output_dir = "outputs/"
occlusion_size = 4
normalization = True
""",
}  # fmt: skip
MORE = {"display": ["-n", "3"], "occlude": ["-n", "3"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("train.root", "test.root", "ids.csv", "model.pwf"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("command", DM_CNN)
def test_cfg_files_of_dm_cnn_load_unchanged(command: str, folder: Path) -> None:
    (folder / "x.cfg").write_text(DM_CNN[command].replace('\\"', '"'))
    settings, warnings = load(command, ["x.cfg", *MORE.get(command, [])])
    assert not warnings
    entries, faults = read_cfg("x.cfg")
    assert not faults
    for entry in entries:
        assert getattr(settings, entry.key) == entry.value


def test_all_faults_in_one_go(folder: Path) -> None:
    (folder / "bad.cfg").write_text(
        "input_train = 'train.root'\nlearing_rate = 0.1\nEPOCHS = 5.0\nGPUID = os.system(\"id\")\n"
        "drop_out = 1.5\nloss = 'bse'\nadc_lo = 600\nadc_hi = 500\nplane = -1\nbroken line\n"
        "augment = 1\ninput_test='tst.root'\n"
    )
    with pytest.raises(InputError) as error:
        load("train", ["bad.cfg", "EPOSCHS=3", "nonsense"])
    assert list(error.value.faults) == [
        "bad.cfg:2: unknown key 'learing_rate' (did you mean 'learning_rate'?)",
        "bad.cfg:3: EPOCHS must be int, got float",
        "bad.cfg:4: GPUID = 'os.system(\"id\")' is not a number, string, list or True/False",
        "bad.cfg:5: drop_out = 1.5: should be less than 1",
        "bad.cfg:6: loss = 'bse' must be 'bce' or 'cross_entropy' or 'focal' or 'focal_cross_entropy' or "
        "'gaussian_nll' or 'clipped_nll' or module:Name (did you mean 'bce'?)",
        "bad.cfg:7: adc_lo = 600 is not below adc_hi = 500",
        "bad.cfg:9: plane = -1: should be greater than or equal to 0",
        "bad.cfg:10: 'broken line' is not 'key = value'",
        "bad.cfg:11: augment must be bool, got int",
        "bad.cfg:12: input_test: tst.root: no such file (did you mean 'test.root'?)",
        "command line: 'nonsense' is neither a cfg file nor key=value",
        "command line: unknown key 'EPOSCHS' (did you mean 'EPOCHS'?)",
        "bad.cfg: missing key 'learning_rate' (float)",
    ]


BASE = ["input_train=train.root", "input_test=test.root", "learning_rate=0.1", "EPOCHS=1"]


def test_a_search_draws_how_a_network_is_trained(folder: Path) -> None:
    (folder / "train.cfg").write_text("")
    choices = {
        "class_weights": ["balanced", [1.0, 2.0], {"signal": 3.0}],
        "optimizer": ["adamw", "sgd"],
        "weight_decay": {"low": 0.001, "high": 0.1, "log": True},
        "warmup": [0.0, 0.1],
        "accumulate": [1, 4],
        "ema": [0.99, 0.999],
        "freeze": [["conv*"], ["conv1"]],
        "start_weights": ["a.ckpt", "b.ckpt"],
    }
    words = ["base=train.cfg", "trials=2", f"space={choices}"]
    settings, _ = load("tune", words)
    drawn = list(samples(normalise(settings.model_dump()["space"])))
    assert len(drawn) > 2
    for values in drawn:
        one = TrainSettings(
            input_train="train.root", test_fraction=0.5, learning_rate=0.1, EPOCHS=1, **values
        )
        assert not list(one.conflicts())
    with pytest.raises(InputError, match="space: 'find_rate' cannot be searched: find_rate = True trains"):
        load("tune", [*words[:2], "space={'find_rate': [True]}"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["plane=1", "image_index=0"], "plane and image_index both choose"),
        (["xdim=512"], "xdim and ydim go together"),
        (["focal_gamma=2"], "focal_gamma needs loss = 'focal'"),
        (["focal_alpha=0.25", "loss=focal_cross_entropy"], "focal_alpha needs loss = 'focal'"),
        (["label_smoothing=0.1"], "label_smoothing needs loss = 'cross_entropy', not 'bce'"),
        (["class_weights=[1]"], "expected one for each of"),
        (["class_weights={'signl': 2.0}"], "did you mean 'signal'"),
        (["class_weights=[0, 0.0]"], "not all of them 0"),
        (["event_weight=spline"], "event_weight_csv and event_weight = 'a column of it' go together"),
        (["event_weight={'*': 2.0}", "event_weight_csv=test.root"], "go together"),
        (["momentum=0.9"], "momentum needs optimizer = 'sgd'"),
        (["optimizer=adamw", "nesterov=True"], "nesterov needs optimizer = 'sgd'"),
        (["optimizer=sgd", "nesterov=True"], "nesterov = True needs a momentum above 0"),
        (["weight_decay=0.1"], "weight_decay needs optimizer = 'adamw' or 'sgd'; l2_weights is a penalty"),
        (["schedule_start=0.5"], "schedule_start needs schedule = 'cosine'"),
        (["schedule=cosine", "schedule_factor=0.5"], "schedule_factor needs schedule = 'step' or 'plateau'"),
        (["schedule=step"], "schedule_epochs and schedule = 'step' go together"),
        (["schedule=step", "schedule_epochs=[3, 2]"], "expected a number above 0, or a rising list"),
        (["schedule=step", "schedule_epochs=[]"], "expected a number above 0, or a rising list"),
        (["schedule_patience=2"], "schedule_patience and schedule = 'plateau' go together"),
        (["schedule=plateau", "schedule_patience=3", "patience=3"], "patience = 3 ends the training before"),
        (["schedule=plateau", "schedule_patience=3", "run_test=False"], "run_test = False"),
        (["find_rate=True", "folds=3"], "find_rate = True trains nothing, and folds are trainings"),
        (["compile=True", "engine=sparse"], "compile = True is about the dense engine"),
        (["compile=True", "l2_activity=0.1"], "l2_activity looks into the network"),
        (["num_class=3"], "classes is missing"),
        (["classes=['a','b','c']", "num_class=2"], "are not num_class = 2 names"),
        (["classes=['a','b','c']"], "tells 2 classes apart, there are 3"),
        (["classes=['a','b']"], "signal is missing"),
        (["classes=['a','b']", "signal=c"], "signal = 'c' is not one of"),
        (["label=rum == 100"], "did you mean 'run'"),
        (["label={'x*': 'signl'}", "classes=['signal','b']"], "did you mean 'signal'"),
        (["label={'a*': 1, 'b*': 0}"], "classes is missing"),
    ],
)
def test_contradictions(folder: Path, words: list[str], text: str) -> None:
    with pytest.raises(InputError, match=text) as error:
        load("train", [*BASE, *words])
    assert len(error.value.faults) == 1


def test_overrides_win_and_take_plain_text(folder: Path) -> None:
    (folder / "x.cfg").write_text(DM_CNN["train"])
    settings, _ = load(
        "train", ["x.cfg", "EPOCHS=2", "input_train=test.root", "GPUID=0", "name=2021", "precision=32"]
    )
    dumped = settings.model_dump()
    assert dumped["EPOCHS"] == 2
    assert dumped["input_train"] == "test.root"
    assert (dumped["GPUID"], dumped["name"], dumped["precision"]) == ("0", "2021", "32")


def test_keys_of_other_commands_and_retired_keys_only_warn(folder: Path) -> None:
    (folder / "x.cfg").write_text(
        "input_file='train.root'\nweight_file='model.pwf'\nEPOCHS=4\ndrop_out=0.0\nbatch=1\nweight_file_mpid_2='x'\n"
        "name='a'\nname='b'\n"
    )
    settings, warnings = load("infer", ["x.cfg"])
    assert settings.name == "b"
    assert sorted(warnings) == [
        "x.cfg: not used by infer: EPOCHS, drop_out",
        "x.cfg:5: batch has no effect any more: the batch size is batch_size",
        "x.cfg:6: weight_file_mpid_2 has no effect any more: name the network of the plane in weight_file",
        "x.cfg:8: name again: this line replaces line 7",
    ]


def test_a_cfg_that_does_not_exist_is_the_shipped_one_and_it_is_said(folder: Path) -> None:
    for word in ("training_config.cfg", "cfg/training_config.cfg"):
        settings, (warning,) = load("train", [word, "EPOCHS=7"])
        assert settings.model_dump()["name"] == "dark_trident"
        assert settings.model_dump()["EPOCHS"] == 7
        said, _, shipped = warning.partition(" dmcnn: ")
        assert said == f"{word}: no such file here, so this is the one that comes with"
        # a checkout and an installed package keep it in different places
        assert Path(shipped).read_bytes() == (ROOT / "cfg" / "training_config.cfg").read_bytes()


def test_a_cfg_that_exists_hides_the_shipped_one(folder: Path) -> None:
    (folder / "training_config.cfg").write_text(DM_CNN["train"])
    settings, warnings = load("train", ["training_config.cfg"])
    assert settings.model_dump()["name"] == "0.001_AG_GN_LM_TRAINING"
    assert not any("comes with dmcnn" in warning for warning in warnings)


def test_only_the_folder_cfg_stands_for_the_shipped_files(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^mine/training_config.cfg: no such file$"):
        load("train", ["mine/training_config.cfg"])
    with pytest.raises(
        InputError, match=r"^cfg/trainin.cfg: no such file \(did you mean 'training_config.cfg'\?\)$"
    ):
        load("train", ["cfg/trainin.cfg"])


@pytest.mark.parametrize(("value", "angle"), [("False", 0), ("90", 90)])
def test_rotation(folder: Path, value: str, angle: int) -> None:
    settings: Any = load("infer", ["input_file=train.root", "weight_file=model.pwf", f"rotation={value}"])[0]
    assert settings.rotation == angle


def test_rotation_without_an_angle(folder: Path) -> None:
    for value in ("True", "45"):
        with pytest.raises(InputError, match="rotation = "):
            load("infer", ["input_file=train.root", "weight_file=model.pwf", f"rotation={value}"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_key(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, lambda _: None, ["--help"]) == 0
    text = capsys.readouterr().out
    assert text == describe(command)
    for key, field in COMMANDS[command].model_fields.items():
        value = "" if field.is_required() else f" = {field.default!r}"
        assert f"\n  {key}{value}   (" in text
        assert field.description
        assert " ".join(field.description.split()) in " ".join(text.split())


def processor_seconds(code: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a script in a Python of its own; return the processor time that it took, and what it said."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, done


@pytest.mark.slow
def test_bad_cfg_is_told_fast_and_without_torch(folder: Path) -> None:
    (folder / "bad.cfg").write_text(DM_CNN["train"].replace("EPOCHS=5", "EPOCHES=5"))
    code = (
        "import sys; from dmcnn.train import main; status = main(['bad.cfg']); "
        "assert not {'torch', 'matplotlib', 'uproot'} & set(sys.modules); sys.exit(status)"
    )
    ratios = []
    for _ in range(3):
        # in turn with what any typed settings cost, so that slow and busy machines measure the same
        floor, _ = processor_seconds("import numpy, pydantic; pydantic.create_model('M', a=(int, 1))()")
        seconds, done = processor_seconds(code)
        ratios.append(seconds / floor)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            "bad.cfg:13: unknown key 'EPOCHES' (did you mean 'EPOCHS'?)",
            "bad.cfg: missing key 'EPOCHS' (int)",
        ]
    assert min(ratios) < 2.5, ratios  # 1.6 where it was written; torch alone adds 7


@pytest.mark.parametrize("of_user", ["", "ACTIVE"])
def test_threads_wait_as_the_user_says_or_spin_a_moment(
    of_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, of_user)  # so that what the command sets is undone as well
        monkeypatch.delenv(name)
    if of_user:
        monkeypatch.setenv("OMP_WAIT_POLICY", of_user)
    run("train", lambda settings: None, ["--help"])
    found = os.environ["OMP_WAIT_POLICY"], os.environ.get("GOMP_SPINCOUNT")
    assert found == (("ACTIVE", None) if of_user else ("PASSIVE", "10000"))


@pytest.mark.slow
def test_only_dmcnn_tells_what_it_does() -> None:
    """Other libraries warn: they would fill the terminal, such as the one that embeds fonts into figures."""
    code = (
        "import logging, sys\n"
        "from dmcnn.settings.command import run\n"
        "def work(settings):\n"
        "    for name in ('fontTools.subset', 'matplotlib.animation', 'dmcnn.evaluate'):\n"
        "        logging.getLogger(name).info('%s informs', name)\n"
        "        logging.getLogger(name).warning('%s warns', name)\n"
        f"sys.exit(run('evaluate', work, ['scores={ROOT / 'README.md'}']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "fontTools.subset warns", "matplotlib.animation warns", "dmcnn.evaluate informs", "dmcnn.evaluate warns"
    ], done.stderr  # fmt: skip


def test_entry_point_dispatches(capsys: pytest.CaptureFixture[str]) -> None:
    from dmcnn.__main__ import main

    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in COMMANDS)
    assert main(["trian"]) == 2
    assert "did you mean 'train'" in capsys.readouterr().err
    assert main(["evaluate", "--help"]) == 0
    assert capsys.readouterr().out == describe("evaluate")


def test_help_is_in_sections_with_required_keys_first() -> None:
    text = describe("train", width=80)
    headings = re.findall(r"^(?! |usage|dmcnn)(.+)$", text.partition("\nrequired\n")[2], re.MULTILINE)
    assert headings[-2:] == ["outputs", "machine"]
    assert "  learning_rate   (float)" in text.partition("\nrequired\n")[2].partition("\n\n")[0]
    assert max(map(len, text.splitlines())) < 150  # a key with many choices stays on one line
    assert all(len(line) <= 80 for line in text.splitlines() if line.startswith("      "))


@pytest.mark.parametrize("command", COMMANDS)
def test_an_annotated_cfg_is_ready_to_be_edited(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dmcnn.__main__ import main

    assert main(["cfg", command]) == 0
    text = capsys.readouterr().out
    (folder / "my.cfg").write_text(text)
    entries, faults = read_cfg(folder / "my.cfg")
    required = {key for key, field in COMMANDS[command].model_fields.items() if field.is_required()}
    assert (faults, {entry.key for entry in entries}) == ([], required)
    whole = re.sub(
        r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE
    )  # every comment that is a setting, as a setting
    (folder / "whole.cfg").write_text(whole)
    entries, faults = read_cfg(folder / "whole.cfg")
    values = {entry.key: entry.value for entry in entries}
    assert faults == []
    assert set(values) == set(COMMANDS[command].model_fields)
    for key, field in COMMANDS[command].model_fields.items():
        if not field.is_required():
            assert values[key] == field.default, key
        else:
            assert values[key], f"{key} has no example"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_keys_and_choices(shell: str) -> None:
    text = completion(shell)
    assert "optimizer=nadam" in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = {
        "bash": 'COMP_WORDS=(dmcnn train optimizer=n); COMP_CWORD=2; COMP_LINE="dmcnn train optimizer=n"; '
        'COMP_WORDBREAKS=" "; _dmcnn; echo "${COMPREPLY[@]}"',
        "zsh": "functions _dmcnn >/dev/null && echo optimizer=nadam",
        "fish": "complete -C 'dmcnn train optimizer=n'",
    }[shell]
    done = subprocess.run([shell, "-c", f"{text}\n{script}"], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["optimizer=nadam"], done.stderr


def test_version_help_and_unknown_words(capsys: pytest.CaptureFixture[str]) -> None:
    import dmcnn
    from dmcnn.__main__ import main

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dmcnn {dmcnn.__version__}\n"
    assert main(["help", "infer"]) == 0
    assert capsys.readouterr().out == describe("infer")
    assert main(["cfg", "trian"]) == 2
    assert "did you mean 'train'" in capsys.readouterr().err


def test_marks_of_keys_are_those_that_resuming_and_searching_obey() -> None:
    train = COMMANDS["train"]
    drawn, free, none = train.keys(tune=""), train.keys(trials="free"), train.keys(trials="none")
    assert "learning_rate" in drawn - train.keys(resume="free") - free
    assert "EPOCHS" in train.keys(resume="free") - free
    assert none == {"find_rate", "folds", "fold", "ranks"}
    assert not none & (drawn | free)
    assert COMMANDS["simulate"].keys(sample=False) == {"name", "output", "kind", "seed_number", "events"}


def test_a_fault_of_dmcnn_shows_its_traceback_and_asks_for_a_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> None:
        raise KeyError("x")

    assert exit_status(work) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert "please report the lines above" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(28, "No space left on device", "o/x.csv"),
            "o/x.csv: No space left on device: free some space",
        ),
        (
            PermissionError(13, "Permission denied", "x.root"),
            "x.root: Permission denied: change its permissions",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "o"),
            "o: No such file or directory: it, or its folder",
        ),
        (MemoryError(), "not enough memory: choose a smaller batch size"),
        (RuntimeError("can't start new thread"), "no more threads: raise the limit of processes"),
    ],
)
def test_faults_of_the_surroundings_are_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    def work() -> None:
        raise error

    assert exit_status(work) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_terminal_that_cannot_be_written_to() -> None:
    command = [sys.executable, "-m", "dmcnn", "help", "train"]
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.stderr.startswith("standard output: No space left on device")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # as head does
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_cfg_in_a_folder_whose_name_holds_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "mass=0.05" / "x.cfg"
    path.parent.mkdir()
    path.write_text("events = 3\noutput = 'x.h5'\n")
    settings, _ = load("simulate", [str(path)])
    assert settings.model_dump()["events"] == 3
    with pytest.raises(InputError, match="unknown key 'mass'"):
        load("simulate", ["mass=0.05", "events=3", "output=x.h5"])


@pytest.mark.parametrize("name", ["a/b", "..", "../x", "a\nb", "a\\b", "a\tb"])
def test_a_name_that_is_no_part_of_a_file_name(name: str) -> None:
    with pytest.raises(InputError, match="expected a part of a file name"):
        load("evaluate", [f"name={name!r}", "scores=pyproject.toml"])


def test_names_that_are_one() -> None:
    for name in ("0.001_AG_GN", "a b", "é", "job_$(Process)", "x.1"):
        settings, _ = load("evaluate", [f"name={name!r}", f"scores={ROOT / 'pyproject.toml'}"])
        assert settings.name == name


@pytest.mark.parametrize(
    ("command", "words", "key", "value"),
    [
        ("infer", ["--input_file", "train.root", "--weight-file=model.pwf"], "input_file", "train.root"),
        ("infer", ["train.root", "test.root", "model.pwf"], "input_file", ["train.root", "test.root"]),
        ("infer", ["train.root", "model.pwf"], "weight_file", "model.pwf"),
        (
            "infer",
            ["sample://lariat/test?events=5", "model.pwf"],
            "input_file",
            "sample://lariat/test?events=5",
        ),
        ("display", ["train.root", "-n", "0-3", "--score_label", "False"], "entries", [0, 1, 2, 3]),
        ("display", ["-n", "7,0-2", "train.root", "score_label=False"], "entries", [7, 0, 1, 2]),
        ("display", ["train.root", "-n", "3", "score_label=False", "--transpose"], "transpose", True),
        ("train", ["train.root", "input_test=test.root", *BASE[2:]], "input_train", "train.root"),
        ("simulate", ["x.h5", "events=3"], "output", "x.h5"),
        ("evaluate", ["ids.csv"], "scores", "ids.csv"),
    ],
)
def test_words_as_people_type_them(
    command: str, words: list[str], key: str, value: Any, folder: Path
) -> None:
    assert getattr(load(command, words)[0], key) == value


def test_a_cfg_file_may_follow_options(folder: Path) -> None:
    (folder / "my.cfg").write_text("input_file = 'train.root'\nscore_label = False\n")
    settings: Any = load("display", ["-n", "3", "my.cfg"])[0]
    assert (settings.entries, settings.input_file) == (3, "train.root")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-n", "3-0"], "3-0 is no range of 1 to 100,000 entries"),
        (["-n", "0-999999999"], "is no range of"),
        (["-n", "three"], "expected numbers and ranges, such as 3 or 0-3,7"),
        (["-n"], "expected numbers and ranges"),
        (["-n", "3", "--colour", "jet"], "unknown key 'colour' (did you mean 'colorbar'?)"),
    ],
)
def test_words_that_mean_nothing(words: list[str], text: str, folder: Path) -> None:
    with pytest.raises(InputError) as error:
        load("display", ["train.root", "score_label=False", *words])
    assert text in str(error.value)


def test_help_is_a_word_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert run(command, lambda _: None, ["help"]) == 0
        assert capsys.readouterr().out == describe(command)


def test_messages_name_keys_that_commands_have() -> None:
    """Whatever an option of a reader is called in a message ("choose one with product") is a key of every command."""
    text = "\n".join(path.read_text() for path in (ROOT / "python/dmcnn/readers").rglob("*.py"))
    named = set(re.findall(r"(?:choose one with|choose it with|give) (\w+)\b(?= *[=\"(])", text))
    assert {"product", "plane", "image_index"} <= named
    assert named <= set(COMMANDS["infer"].model_fields)


def test_a_text_without_quotes_in_a_cfg_is_shown_with_them(folder: Path) -> None:
    (folder / "my.cfg").write_text("input_file = sample://lariat/test?events=5&seed=2\nscore_label = False\n")
    with pytest.raises(InputError) as error:
        load("display", ["my.cfg", "-n", "0"])
    (fault,) = error.value.faults
    assert fault.endswith('a text stands in quotes: input_file = "sample://lariat/test?events=5&seed=2"')
