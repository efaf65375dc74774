"""The lines of YAML that would take a new column in. Pure; of what looks personal, discovery's own proposal."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ingestion.config import Source, property_name
from ingestion.discover import Found, source_lines

# Kinds that a contract can promise; of a text there is nothing to promise.
_PROMISED: Final = ("boolean", "integer", "number", "date", "timestamp")
# Names that YAML takes for text without quotes, and words that it takes for something else.
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SAID: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def lines_for(source: Source, column: str, kind: str, found: Sequence[Found] = ()) -> tuple[str, ...]:
    """Return lines for a source's own file, and for the labels, that would take a column in."""
    own = [one for one in found if one.finding.column == column]
    told = list(dict.fromkeys(line for one in own for line in source_lines(source, one)))
    labels = [
        f"# consent/labels.yaml: put {one.proposal.field} under {one.proposal.label} ({one.proposal.reason})"
        for one in own
        if one.proposal is not None
    ]
    mapped = told or _mapped(source, column)
    promise = [f"contract: {{{_quoted(column)}: {{type: {kind}}}}}"] if kind in _PROMISED and not told else []
    return (*mapped, *promise, *labels)


def _mapped(source: Source, column: str) -> list[str]:
    if source.record == "event":
        return [f"properties: [{_quoted(column)}]"]
    if source.record in ("person", "catalogue") and (source.record == "person" or source.fields):
        return [f"fields: {{{_quoted(property_name(column).replace('.', '_'))}: {_quoted(column)}}}"]
    # A catalogue without fields keeps all of its columns; a word of consent has no place for more.
    return []


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.lower() not in _SAID else f'"{_escaped(name)}"'


def _escaped(name: str) -> str:
    table: Mapping[int, str] = {ord('"'): '\\"', ord("\\"): "\\\\", **{n: f"\\x{n:02x}" for n in range(32)}}
    return name.translate(table)
