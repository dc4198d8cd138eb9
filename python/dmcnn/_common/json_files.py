"""JSON files of results: written whole or not at all, read with their fields checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dmcnn._common.errors import InputError
from dmcnn._common.files import atomic_file


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result as JSON; a number that is not finite becomes null, which every program reads."""
    with atomic_file(path) as temporary:
        text = json.dumps(finite(content), indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read(path: Path, kind: str, fields: Iterable[str]) -> dict[str, Any]:
    """Return the content of a JSON file.

    Args:
        kind: what the file is to be, for messages: "a model card".
        fields: keys that it must have.

    Raises:
        InputError: the file is damaged, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not {kind} ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not {kind}")
    if missing := [field for field in fields if field not in content]:
        raise InputError(f"{path}: not {kind}: without {', '.join(missing)}")
    return content


def finite(content: Any, default: Callable[[Any], str] | None = None) -> Any:
    """Return a result as JSON gives it back, with None for a number that is not finite.

    Args:
        default: text of an object that JSON does not know; None = such objects are TypeErrors.
    """
    return json.loads(json.dumps(content, default=default), parse_constant=lambda _: None)
