"""The keys of an earlier dmcnn: every command still takes them all, with the same defaults."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

KEYS: dict[str, dict[str, dict[str, str]]] = json.loads((Path(__file__).parent / "keys.json").read_text())
"""Command -> key -> {"type": …, "default": …}, as ``--help`` told them; no default where the key is required."""

NEW_DEFAULTS = {
    ("display", "cmap"): "'viridis'",
    ("attribute", "signed_cmap"): "'RdBu_r'",
    ("display", "data_label"): "''",
    ("display", "simulation_label"): "''",
    ("occlude", "entries"): "None",
    ("occlude", "border"): "None",
    **{(command, "batch_size"): "None" for command in ("infer", "display", "attribute", "occlude")},
}
"""Changed on purpose: DM-CNN's texts stood on pictures of any file. The cfg files of then state them. ``occlude``
takes events of any selection, so that none of its keys is required; windows across the border have a key. Without
``batch_size`` a CPU takes the 8 of then, and a GPU more."""

KEY = re.compile(r"^  (?P<key>\w+)(?: = (?P<default>.*))?   \((?P<type>.*)\)$", re.MULTILINE)


def keys_of(text: str) -> dict[str, dict[str, str]]:
    """Keys, types and defaults in the text of ``--help``."""
    found = (match.groupdict() for match in KEY.finditer(text))
    return {
        entry["key"]: {what: entry[what] for what in ("type", "default") if entry[what] is not None}
        for entry in found
    }


@pytest.mark.parametrize("command", KEYS)
def test_no_key_is_gone_and_no_default_has_changed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_module(f"dmcnn.{command}").main(["--help"]) == 0
    found = keys_of(capsys.readouterr().out)
    for key, old in KEYS[command].items():
        assert key in found
        assert found[key].get("default") == NEW_DEFAULTS.get((command, key), old.get("default")), key
        kinds = set(found[key]["type"].split(" or "))
        named = "str" in kinds and old["type"].startswith("'")  # any name, where there was a list of them
        assert named or set(old["type"].split(" or ")) <= kinds, key
    new = {key for key in found.keys() - KEYS[command].keys() if "default" not in found[key]}
    assert not new, f"old cfg files do not have {new}"


@pytest.mark.parametrize("command", KEYS)
def test_every_key_is_known(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All get a value of a wrong type: one fault each, but that no_such_key has another one."""
    words = [f"{key}={{1: [{{}}]}}" for key in KEYS[command]]
    assert import_module(f"dmcnn.{command}").main(["no_such_key=1", *words]) == 2
    faults = capsys.readouterr().err.splitlines()
    (unknown,) = (fault for fault in faults if "no_such_key" in fault)
    before = unknown.partition("no_such_key")[0]
    for key in KEYS[command]:
        assert not any(fault.startswith((f"{before}{key}'", f"{before}{key} ")) for fault in faults), key
        assert any(re.search(rf"\b{key}\b", fault) for fault in faults), key
