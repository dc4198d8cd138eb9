"""Conditions on the ids of events, such as ``run == 100 and event < 5000``; parsed, never executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.errors import InputError, nearest

Columns = Mapping[str, NDArray[np.uint64]]
FIELDS = ("run", "subrun", "event", "entry")
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
LONGEST = 1000  # characters of a condition: a longer one could be nested so deeply that the parser fails


def evaluate(text: str, events: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) bool: whether a condition holds for each of the (n,) EVENT ``events``.

    The syntax tree of the text is interpreted; nothing of it is executed.

    Raises:
        InputError: a text that is no condition on the ids.
    """
    columns = {name: events[name].astype(np.uint64) for name in FIELDS}
    try:
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        return _evaluate(_parse(text), columns)
    except ValueError as error:
        raise InputError(
            f"label = {text[:80]!r}: {error}; expected comparisons of {', '.join(FIELDS)} with whole numbers "
            "joined by and, or, not"
        ) from None


def names_in(text: str) -> list[str]:
    """Return the ids that a valid condition compares, in the order of FIELDS."""
    used = {node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)}
    return [name for name in FIELDS if name in used]


def _parse(text: str) -> ast.expr:
    """Return the syntax tree of a condition; ValueError if the text has none."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("not a condition") from None


def _evaluate(node: ast.expr, columns: Columns) -> NDArray[np.bool_]:
    """Return (n,) bool of a comparison, or of conditions joined by and, or, not."""
    if isinstance(node, ast.Compare):
        return _compare(node, columns)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return np.logical_not(_evaluate(node.operand, columns))
    if isinstance(node, ast.BoolOp):
        terms = np.stack([_evaluate(term, columns) for term in node.values])
        return np.asarray(terms.all(axis=0) if isinstance(node.op, ast.And) else terms.any(axis=0))
    raise ValueError(f"{ast.unparse(node)!r} is not a condition")


def _compare(node: ast.Compare, columns: Columns) -> NDArray[np.bool_]:
    """Return (n,) bool of ``a < b == c`` with Python's meaning: all pairs of neighbours hold."""
    terms = [_value(term, columns) for term in (node.left, *node.comparators)]
    if all(term.ndim == 0 for term in terms) or not all(type(op) in COMPARISONS for op in node.ops):
        raise ValueError(f"{ast.unparse(node)!r} compares no id with a number")
    true = np.ones(len(columns["run"]), bool)
    for op, a, b in zip(node.ops, terms, terms[1:], strict=False):
        true &= COMPARISONS[type(op)](a, b)
    return true


def _value(node: ast.expr, columns: Columns) -> NDArray[np.uint64]:
    """Return (n,) ids, or a whole number of shape ()."""
    if isinstance(node, ast.Name) and node.id in columns:
        return columns[node.id]
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 2**64:
        return np.array(node.value, np.uint64)
    hint = nearest(node.id, columns) if isinstance(node, ast.Name) else ""
    raise ValueError(f"{ast.unparse(node)!r} is neither an id nor a whole number from 0 to 2^64-1{hint}")
