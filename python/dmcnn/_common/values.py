"""Values of files that may be damaged: whether they are of the type that is expected."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter


def fits(value: Any, kind: Any) -> bool:
    """Return whether a value of numbers, texts, lists and dicts is of a type; lists stand for tuples, as in JSON."""
    try:
        _adapter(kind).validate_json(json.dumps(value), strict=True)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the check of a type."""
    return TypeAdapter(kind)
