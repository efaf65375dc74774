"""A rejected row read once more, as its source's reader would: from its columns, its object, or its line."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingestion.collector import door
from ingestion.connectors.debezium import row_of
from ingestion.number import written
from ingestion.quarantine.payload import LINE, Tree, as_text, parsed, text_at
from ingestion.read import FAULTS, UNKEPT, Whole, csv_records, encodes, faulty

# How the reader wrote down bytes that are none of the declared encoding.
_ESCAPED: Final = re.compile(r"\\x[0-9a-f]{2}")
# Of what such a row said, nothing is there to be read.
_EMPTY: Final = (*UNKEPT, "damaged")


@dataclass(frozen=True, slots=True)
class Form:
    """How a source's rows are written: its format, and of CSV the delimiter and the headers of each file's name."""

    format: str
    delimiter: str = ","
    headers: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """A row read again: its columns' values, or the fault for which it still cannot be read.

    `text` is the row to keep should it be rejected once more; without it, it is kept as its columns say.
    """

    values: tuple[str | None, ...]
    fault: str | None
    text: str | None


def is_line(rule: str, tree: Tree | None) -> bool:
    """Say whether a rejected row is a line that could not be taken apart."""
    return rule in FAULTS and tree is not None and set(tree) == {LINE}


def again(form: Form, columns: Sequence[str], file: str, rule: str, text: str) -> Again:
    """Return a rejected row read again; `text` is its JSON, mended or not."""
    tree = parsed(text)
    if tree is None or rule in _EMPTY:
        return _unread(columns, rule if rule in _EMPTY else "json", text)
    if form.format == "log":
        return _of_log(columns, tree, text)
    if not is_line(rule, tree):
        return _taken_apart(columns, tree, text, text)
    line = as_text(tree[LINE]) or ""
    if rule == "encoding" and _ESCAPED.search(line):
        return _unread(columns, "encoding", text)
    if form.format != "csv":
        inside, fault = parsed(line), "json"
        if inside is not None and form.format == "debezium":
            inside, fault = row_of(inside), "change"
            line = "" if inside is None else written(inside)
        return _unread(columns, fault, text) if inside is None else _taken_apart(columns, inside, line.strip(), text)
    found = _fields(form, file, line)
    return _unread(columns, "csv", text) if found is None else _taken_apart(columns, found, None, text)


def _of_log(columns: Sequence[str], tree: Tree, text: str) -> Again:
    """Return an event held once more to the rules of the door, which it may have broken."""
    wrong = door.fault(tree, text.encode(), None)
    return (
        _taken_apart(columns, tree, text, text)
        if wrong is None
        else _unread(columns, faulty(wrong.field, wrong.rule), text)
    )


def _taken_apart(columns: Sequence[str], tree: Tree, good: str | None, bad: str) -> Again:
    values = _values(columns, tree)
    if all(value is None or encodes(value) for value in values):
        return Again(values, None, good)
    return _unread(columns, "encoding", bad)


def _values(columns: Sequence[str], tree: Tree) -> tuple[str | None, ...]:
    if columns and isinstance(last := columns[-1], Whole):
        seen, told = last.worked(tree)
        return (*_values(columns[:-1], seen), told)
    return tuple(text_at(tree, column) for column in columns)


def _unread(columns: Sequence[str], fault: str, text: str) -> Again:
    return Again((None,) * len(columns), fault, text)


def _fields(form: Form, file: str, line: str) -> Tree | None:
    """Return the fields of a line of CSV by the header of a file of this name whose number of fields it has."""
    for header in form.headers.get(file, ()):
        # the header goes first, as it does in the file: it says how many fields there are
        stream = io.StringIO(_header(header, form.delimiter) + line + "\n", newline="")
        _, *rows = csv_records(stream, form.delimiter)
        if len(rows) == 1 and rows[0].fault is None:
            return dict(zip(header, rows[0].fields, strict=True))
    return None


def _header(names: Sequence[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow(names)
    return out.getvalue()
