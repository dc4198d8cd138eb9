"""Samples in the cache: whole, checked, and made again where they are damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dmcnn._common.errors import InputError
from dmcnn.simulation.addresses import parse, sample_path


@pytest.mark.parametrize("url", ["sample://dark-trident/train?events=2", "sample://lariat/train?events=2"])
def test_a_damaged_sample_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setenv("DMCNN_CACHE", str(tmp_path))
    path = sample_path(url)
    file = path if path.is_file() else sorted(path.glob("*.npy"))[0]
    whole = file.read_bytes()
    assert sample_path(url) == path
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with caplog.at_level(logging.WARNING):
        assert sample_path(url) == path
    assert "damaged: its checksum does not fit; it is made again" in caplog.text
    assert file.read_bytes() == whole
    (tmp_path / f".{path.name}.xxh3").unlink()  # as an earlier version left it
    assert sample_path(url) == path
    assert (tmp_path / f".{path.name}.xxh3").exists()


@pytest.mark.parametrize(
    "url", ["sample://[", "sample://[x]/train", "sample://dark-trident/train?events=2#x"]
)
def test_addresses_that_are_none(url: str) -> None:
    # Python 3.10 splits the second one
    with pytest.raises(InputError, match=r"expected sample://name/split|unknown sample '\[x\]'"):
        parse(url)
