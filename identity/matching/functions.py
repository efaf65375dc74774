"""DuckDB's functions on known values, as far as conditions use them. Pure; `identity.matching.conditions` calls them by name.

Each answers as DuckDB does where Python's own would not: positions begin with one, an empty text is like nothing,
distances count the bytes of UTF-8.
"""

import operator
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein, Jaro, JaroWinkler, Levenshtein
from sqlglot import exp


def _by_bytes(measure: Callable[..., Any]) -> Callable[[str, str], Any]:
    def measured(a: str, b: str) -> Any:
        if a.isascii() and b.isascii():
            return measure(a, b)
        return measure(a.encode(), b.encode())

    return measured


_jaro = _by_bytes(Jaro.similarity)
_jaro_winkler = _by_bytes(JaroWinkler.similarity)
levenshtein = _by_bytes(Levenshtein.distance)
damerau_levenshtein = _by_bytes(DamerauLevenshtein.distance)


def jaro_similarity(a: str, b: str) -> float:
    """Return the Jaro similarity; nothing is like an empty text, not even another."""
    return float(_jaro(a, b)) if a and b else 0.0


def jaro_winkler_similarity(a: str, b: str) -> float:
    """Return the Jaro-Winkler similarity; nothing is like an empty text, not even another."""
    return float(_jaro_winkler(a, b)) if a and b else 0.0


def substr(text: str, start: int, length: int | None = None) -> str:
    """Return a part of a text from a position counted from one, or (negative) from its end; to the left if negative."""
    begin = start - 1 if start > 0 else (len(text) + start if start < 0 else -1)
    end = len(text) if length is None else begin + length
    low, high = min(begin, end), max(begin, end)
    return text[max(low, 0) : max(high, 0)]


def split(text: str, by: str) -> list[str]:
    """Return the parts between separators; every character for an empty one."""
    return text.split(by) if by else list(text)


def split_part(text: str, by: str, position: int) -> str:
    """Return one part, counted from one or from the end; an empty text where there is none."""
    parts = split(text, by)
    at = position - 1 if position > 0 else len(parts) + position
    return parts[at] if position and 0 <= at < len(parts) else ""


def bound(function: Callable[..., Any], *fixed: Any) -> Callable[[Any], Any]:
    """Return a function of its first value alone, the others fixed; a plain slice where that is all it does."""
    if function is substr and fixed[0] > 0 and (len(fixed) == 1 or fixed[1] >= 0):
        part = slice(fixed[0] - 1, None if len(fixed) == 1 else fixed[0] - 1 + fixed[1])
        return lambda text: text[part]
    return lambda value: function(value, *fixed)


def list_has_any(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Say whether two lists share a known value."""
    for one in a:  # noqa: SIM110 - a generator a pair costs more than all it asks
        if one is not None and one in b:
            return True
    return False


def list_bool_or(values: Sequence[bool | None]) -> bool | None:
    """Say whether any known value is true; unknown where none is known."""
    known = [one for one in values if one is not None]
    return any(known) if known else None


def list_bool_and(values: Sequence[bool | None]) -> bool | None:
    """Say whether all known values are true; unknown where none is known."""
    known = [one for one in values if one is not None]
    return all(known) if known else None


def _whole(bits: int) -> Callable[[Any], int]:
    def whole(held: Any) -> int:
        if isinstance(held, str) and len(held) <= _SHORT and held.isdecimal() and held.isascii():
            return int(held)
        try:
            found = int(Decimal(held.strip() if isinstance(held, str) else held).quantize(Decimal(1), ROUND_HALF_UP))
        except InvalidOperation as error:
            raise ValueError(f"text of {len(held)} characters is no number") from error
        if not -(1 << bits) <= found < 1 << bits:
            raise ValueError(f"a number of {len(str(found))} digits does not fit")
        return found

    return whole


def first_match(text: str, pattern: str) -> str:
    """Return the first part of a text that a pattern fits; an empty text where none does."""
    found = re.search(pattern, text)
    return found[0] if found else ""


_SHORT = 9
CASTS: dict[str, Callable[[Any], Any]] = {"INT": _whole(31), "BIGINT": _whole(63), "TEXT": str, "DOUBLE": float}
_BINARY = ("this", "expression")
STRICT: dict[type[exp.Expr], tuple[Callable[..., Any], tuple[str, ...]]] = {
    exp.EQ: (operator.eq, _BINARY),
    exp.NEQ: (operator.ne, _BINARY),
    exp.GT: (operator.gt, _BINARY),
    exp.GTE: (operator.ge, _BINARY),
    exp.LT: (operator.lt, _BINARY),
    exp.LTE: (operator.le, _BINARY),
    exp.Add: (operator.add, _BINARY),
    exp.Sub: (operator.sub, _BINARY),
    exp.Mul: (operator.mul, _BINARY),
    exp.DPipe: (operator.add, _BINARY),
    exp.Not: (operator.not_, ("this",)),
    exp.Neg: (operator.neg, ("this",)),
    exp.Abs: (abs, ("this",)),
    exp.Length: (len, ("this",)),
    exp.JarowinklerSimilarity: (jaro_winkler_similarity, _BINARY),
    exp.Levenshtein: (levenshtein, _BINARY),
    exp.StartsWith: (str.startswith, _BINARY),
    exp.EndsWith: (str.endswith, _BINARY),
    exp.Contains: (operator.contains, _BINARY),
    exp.Left: (lambda text, n: text[:n], _BINARY),
    exp.Substring: (substr, ("this", "start", "length")),
    exp.Split: (split, _BINARY),
    exp.SplitPart: (split_part, ("this", "delimiter", "part_index")),
    exp.ArrayOverlaps: (list_has_any, _BINARY),
    exp.ArrayContains: (operator.contains, _BINARY),
    exp.ArrayToString: (lambda texts, by: by.join(one for one in texts if one is not None), _BINARY),
}
NAMED: dict[str, Callable[..., Any]] = {
    "damerau_levenshtein": damerau_levenshtein,
    "jaro_similarity": jaro_similarity,
    "list_bool_or": list_bool_or,
    "list_bool_and": list_bool_and,
    "len": len,
}
