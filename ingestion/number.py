"""Numbers of JSON that keep the digits they were written with, and are told from text that says the same."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

# What JSON takes for a number as it is written: 007, .5 and +1 are none.
JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Number(str):
    """A number of JSON, in the digits that it was written with."""

    __slots__ = ()


def written(node: Any) -> str:
    """Return a tree as JSON: numbers keep their digits, text that no file can hold is escaped."""
    try:
        return orjson.dumps(node, _digits, orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except (TypeError, ValueError):  # halves of characters, nesting beyond its reach
        return _spelled(node)


def _digits(value: Any) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(str(value).encode())
    raise TypeError


def _spelled(node: Any) -> str:
    if isinstance(node, Mapping):
        return "{" + ",".join(f"{_spelled(str(name))}:{_spelled(value)}" for name, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_spelled, node)) + "]"
    if isinstance(node, Number):
        return str(node)
    if isinstance(node, str):
        return json.dumps(node, ensure_ascii=not _encodes(node))
    return json.dumps(node)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
