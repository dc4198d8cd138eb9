"""Results of dmcnn as files of arrays (npz), with the work they come from; damaged ones are made again."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common import checksum
from dmcnn._common.errors import InputError, system_error
from dmcnn._common.files import atomic_file

log = logging.getLogger("dmcnn")


def write(path: Path, key: Mapping[str, Any], **arrays: Any) -> None:
    """Write arrays and the key of the work whose result they are, with a checksum, whole or not at all."""
    with atomic_file(path) as temporary:
        np.savez_compressed(temporary, **arrays, key=np.array(_text(key)))
        checksum.seal(temporary)


def read(path: Path, key: Mapping[str, Any]) -> dict[str, NDArray[Any]] | None:
    """Return the arrays in a file, by name.

    Returns:
        None if the file is absent or the result of other work, or, with a log line, if it is damaged.

    Raises:
        OSError: a fault of the disk.
    """
    if not path.exists():
        return None
    try:
        checksum.check(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as old:
            if "key" not in old or str(old["key"]) != _text(key):
                return None
            return {name: old[name] for name in old.files if name != "key"}
    except InputError as error:
        log.warning("warning: %s; it is made again", error)
    except Exception as error:  # damaged bytes raise a dozen unrelated types
        if system_error(error) is not None:
            raise
        log.warning("warning: %s: damaged (%s: %.80s); it is made again", path, type(error).__name__, error)
    return None


def _text(key: Mapping[str, Any]) -> str:
    """Return the JSON text of a key."""
    return json.dumps(key, sort_keys=True)
