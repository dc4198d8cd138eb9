"""The container image: built, and started without network by users that are not root. See layers.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import dmcnn
from conftest import ROOT
from docker import layers

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
CONTEXT = {path.as_posix() for path in layers.context_files(ROOT)}
TOOLS = {"cc", "c++", "g++", "gcc", "clang", "cmake", "ninja", "make", "pytest", "ruff", "mypy", "chromium"}
TEST_PACKAGES = {
    "hypothesis",
    "pybind11",
    "pybind11_stubgen",
    "pytest",
    "scikit_build_core",
    "scikit_learn",
}
USER = "12345:12345"
"""One that no image knows, as ``docker run -u`` gives it."""


def reachable(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except (urllib.error.URLError, TimeoutError):
        return False
    return True


@pytest.fixture
def image() -> Iterator[layers.Stage]:
    """Build the image: for one test, since that takes minutes, and tests in several processes share nothing."""
    may_mount = (
        os.geteuid() == 0 and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
    )
    if not (may_mount and shutil.which("apt-get")):
        pytest.skip("SKIPPED FOR WANT OF the right to mount and Debian's apt-get")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in CONTEXT:
            (folder / "context" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / "context" / path)
        stages = layers.parse(DOCKERFILE, folder, {})
        (default,) = [text.partition("=")[2] for word, text in stages[0].steps if word == "ARG"]
        if not reachable(default):  # then the torch that the package index holds for this machine
            stages = layers.parse(DOCKERFILE, folder, {"TORCH_INDEX": ""})
        yield layers.build(stages, folder / "context")


def test_the_context_is_what_the_package_is_built_from() -> None:
    assert {
        "pyproject.toml",
        "constraints.txt",
        "cfg/training_config.cfg",
        "python/dmcnn/py.typed",
    } <= CONTEXT
    tops = {path.partition("/")[0] for path in CONTEXT}
    assert tops == {
        "CMakeLists.txt",
        "LICENSE",
        "README.md",
        "cfg",
        "constraints.txt",
        "cpp",
        "pyproject.toml",
        "python",
    }
    assert not [
        path for path in CONTEXT if path.endswith(".so") or "__pycache__" in path or "cpp/tests" in path
    ]


@pytest.mark.parametrize(("argument", "index"), [(None, "https://download.pytorch.org/whl/cpu"), ("", None)])
def test_two_variants_differ_in_where_torch_comes_from(
    argument: str | None, index: str | None, tmp_path: Path
) -> None:
    (build, _) = layers.parse(DOCKERFILE, tmp_path, {} if argument is None else {"TORCH_INDEX": argument})
    for word, text in build.steps:
        if word == "ARG":
            layers.STEPS["ARG"](build, text, tmp_path, {})
    (install,) = [text for word, text in build.steps if word == "RUN" and text.endswith(" torch")]
    echo = f'pip() {{ printf "%s\\n" "$@"; }}\n{install}'
    words = subprocess.run(
        ["sh", "-c", echo], env=build.arguments, capture_output=True, text=True, check=True
    ).stdout
    assert words.split() == [
        *("install", "--no-cache-dir", "-c", "constraints.txt"),
        *(["--index-url", index] if index else []),
        "torch",
    ]


@pytest.mark.slow
def test_the_image(image: layers.Stage, tmp_path: Path) -> None:
    holds_dmcnn_and_no_tools(image)
    starts_without_network_as_an_ordinary_user(image)
    trains_for_any_user_with_a_shipped_cfg_in_an_empty_folder(image, tmp_path)


def holds_dmcnn_and_no_tools(image: layers.Stage) -> None:
    (packages,) = (image.upper / "opt/dmcnn/lib").glob("python3.*/site-packages")
    assert (packages / f"dmcnn-{dmcnn.__version__}.dist-info").is_dir()
    shipped = {path.name for path in (packages / "dmcnn" / "cfg").iterdir()}
    assert shipped == {path.name for path in (ROOT / "cfg").iterdir()}
    assert not TEST_PACKAGES & {path.name.partition("-")[0] for path in packages.glob("*.dist-info")}
    assert not TOOLS & {path.name for path in image.upper.rglob("bin/*")}
    assert not (image.upper / "src").exists()
    assert not (image.upper / "root").exists() or not list((image.upper / "root").rglob("*.whl"))


def starts_without_network_as_an_ordinary_user(image: layers.Stage) -> None:
    assert (image.entrypoint, image.user) == (("dmcnn",), "dmcnn")
    done = image.run([*image.entrypoint, *image.command], network=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: dmcnn" in done.stdout
    assert image.run(["id", "-u"]).stdout.strip() != "0"


def trains_for_any_user_with_a_shipped_cfg_in_an_empty_folder(image: layers.Stage, tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    sizes = [
        "input_train=sample://dark-trident/train?events=8",
        "input_test=sample://dark-trident/test?events=6",
    ]
    words = ["train", "cfg/training_config.cfg", "EPOCHS=1", "name=small", *sizes]
    done = image.run([*image.entrypoint, *words], user=USER, volume=tmp_path, network=False)
    assert done.returncode == 0, done.stderr
    assert "no such file here, so this is the one that comes with dmcnn" in done.stdout
    assert (tmp_path / "outputs" / "DM-CNN_model_small_best.ckpt").stat().st_uid == 12345
