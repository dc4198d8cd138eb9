"""Score tables and runs of ``evaluate`` for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dmcnn import evaluate
from dmcnn.figures import save


def write(path: Path, score: Any, event: Any = None, **columns: Any) -> str:
    """Write a score table; ``event`` are the event numbers. Return its path."""
    count = len(score)
    event = np.arange(count) if event is None else event
    names = {
        "run_number": [7] * count, "subrun_number": [1] * count, "event_number": event, "signal_score": score,
        "entry_number": range(count), "n_pixels": np.arange(count) + 5, **columns,
    }  # fmt: skip
    rows = [",".join(names), *(",".join(map(str, row)) for row in zip(*names.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def words(**keys: Any) -> list[str]:
    """Return keys as words of a command line."""
    return [
        f"{key}={json.dumps(value) if isinstance(value, dict | list) else value}"
        for key, value in keys.items()
    ]


def run(folder: Path, drawn: bool = False, **keys: Any) -> dict[str, Any]:
    """Evaluate with some keys, with empty files in place of figures unless ``drawn``; return the numbers."""
    out = folder / "out"
    (out / "DM-CNN_evaluation.cfg").unlink(missing_ok=True)  # results of other tables are replaced
    draw = save.save_figure if drawn else (lambda figure, stem, **_: Path(f"{stem}.png").touch())
    with mock.patch.object(save, "save_figure", draw):
        assert evaluate.main(words(**keys, output_dir=str(out))) == 0
    numbers: dict[str, Any] = json.loads((out / "DM-CNN_evaluation.json").read_text())
    return numbers


def refuse(capsys: Any, folder: Path, **keys: Any) -> str:
    """Evaluate with keys that must be refused with exit status 2; return the lines of the error."""
    assert evaluate.main(words(**keys, output_dir=str(folder / "out"))) == 2
    text: str = capsys.readouterr().err
    return text
