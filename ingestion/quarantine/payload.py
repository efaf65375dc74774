"""A rejected row as a tree of fields: read from its JSON with every digit as written, changed by copy, written back.

A field is a column of a table, or a dotted path into an object; a row that could not be taken apart has one: `line`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from ingestion.config import is_open
from ingestion.number import Number, written
from ingestion.read import entries_of

Tree = Mapping[str, Any]
LINE: Final = "line"


def parsed(text: str) -> Tree | None:
    """Return a row's tree, or None where the text is not one JSON object."""
    try:
        tree = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
        written(tree)  # writing out what is nested runs out of depth earlier than reading it does
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _no_constant(_name: str) -> Any:
    raise ValueError


def text_at(tree: Tree, field: str) -> str | None:
    """Return a field's value as the reader hands it to the contract; None where there is none."""
    if is_open(field):
        return entries_of(_found(tree, field.removesuffix(".*")))
    return as_text(_found(tree, field))


def as_text(value: Any) -> str | None:
    """Return a value of JSON as text; what is nested is JSON again."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _found(tree: Any, field: str) -> Any:
    if field in tree:
        return tree[field]
    for step in field.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(step)
    return tree


def placed(tree: Tree, field: str, value: str | None) -> Tree:
    """Return the tree with a field's value; where something that is no object stands in the way, as it was."""
    if field in tree or "." not in field or _is_flat(tree):
        return {**tree, field: value}
    step, _, rest = field.partition(".")
    below = tree.get(step)
    if below is not None and not isinstance(below, dict):
        return tree
    return {**tree, step: placed(below or {}, rest, value)}


def _is_flat(tree: Tree) -> bool:
    """Say whether a row's fields are columns whose names may have dots, and no paths."""
    return any("." in name for name in tree) and not any(isinstance(value, dict) for value in tree.values())


def without(tree: Tree, field: str) -> Tree:
    """Return the tree without a field."""
    if field in tree:
        return {name: value for name, value in tree.items() if name != field}
    step, _, rest = field.partition(".")
    below = tree.get(step)
    return {**tree, step: without(below, rest)} if rest and isinstance(below, dict) else tree
