"""Studies: invalid addresses, other studies with the same name, and draws without repetition."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from dmcnn._common.errors import InputError
from dmcnn.tuning import study as studies
from dmcnn.tuning.space import combinations, draw

SPACE = {"filters_1": [2, 4, 8], "crop": {"low": 8, "high": 16, "step": 4}}


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("nonsense", "storage ?: "),
        ("nosuchdb://host/x", "storage nosuchdb://host/x: "),
        ("postgresql+nosuch://me:secret@host/x", "storage postgresql+nosuch://me:***@host/x: "),
        ("sqlite:////nosuch/folder/x.db", "unable to open database file"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(address: str, text: str) -> None:
    with pytest.raises(InputError) as error:
        studies.connect(address)
    assert text in str(error.value)
    assert "secret" not in str(error.value)
    assert len(error.value.faults) == 1
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all, and long enough to be read as one" * 100)
    with pytest.raises(InputError, match="not a database"):
        studies.connect(f"sqlite:///{path}")


@pytest.mark.slow
def test_another_study_of_that_name_is_refused_once_it_has_results(tmp_path: Path) -> None:
    storage = studies.connect(f"sqlite:///{tmp_path / 'x.db'}")

    def opened(**about: str) -> optuna.Study:
        return studies.open_study(storage, "s", about, higher=True, pruner="median")

    opened(EPOCHS="1").enqueue_trial({})
    study = opened(EPOCHS="2", crop="8")
    assert study.get_trials() == []
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    study.add_trial(optuna.create_trial(value=1.0))
    assert len(opened(EPOCHS="2", crop="8").get_trials()) == 1
    with pytest.raises(InputError, match=r"made with EPOCHS = 2, now 3 \(and 1 more: crop\): choose another"):
        opened(EPOCHS="3")


def drawn(kind: str, numbers: range, seed: int = 1, space: dict[str, object] = SPACE) -> list[str]:
    study = optuna.create_study()
    found = []
    for number in numbers:
        study.sampler = studies.sampler(kind, space, seed=seed, number=number, n_trials=9)
        found.append(repr(draw(study.ask(), space)))
    return found


@pytest.mark.parametrize("kind", ["grid", "random"])
def test_a_finite_space_is_drawn_without_repetition(kind: str) -> None:
    assert len(set(drawn(kind, range(9)))) == combinations(SPACE) == 9
    assert drawn(kind, range(9), seed=2) != drawn(kind, range(9))


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_a_draw_depends_on_seed_and_number_alone(kind: str) -> None:
    space = SPACE if kind == "grid" else {**SPACE, "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}
    whole = drawn(kind, range(3), space=space)
    assert len(set(whole)) == 3
    assert drawn(kind, range(2, 3), space=space) == whole[2:]


def test_sqlite_on_a_network_disk_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "dmcnn")
    read = Path.read_text
    mounts = f"disk / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n"
    monkeypatch.setattr(
        Path, "read_text", lambda path: mounts if path == Path("/proc/self/mounts") else read(path)
    )
    monkeypatch.setattr("sys.platform", "linux")
    studies.warn_of_network_disk(tmp_path.parent)
    assert caplog.text == ""
    studies.warn_of_network_disk(tmp_path / "outputs")
    assert "network disk (nfs4)" in caplog.text
