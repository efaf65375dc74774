"""Delta tables declared once as row types; schema, hygiene and documentation follow from the declaration."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Personal:
    """The mark of a column that holds personal data."""


PERSONAL = Personal()

_SCALARS: dict[type, str] = {
    str: "STRING",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    datetime: "TIMESTAMP",
    date: "DATE",
}
# Statistics are kept for the first 32 columns by default; more would only slow commits down.
_MAX_STATISTICS = 32


def _unwrapped(annotation: Any) -> tuple[Any, bool, bool]:
    """Return the bare type, whether it may be null, and whether it is personal."""
    personal = False
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
        personal = PERSONAL in marks
    nullable = False
    if get_origin(annotation) in (Union, types.UnionType):
        members = [a for a in get_args(annotation) if a is not type(None)]
        nullable = len(members) < len(get_args(annotation))
        inner, _, also = _unwrapped(members[0])
        return inner, nullable, personal or also
    return annotation, nullable, personal


def bare_type(annotation: Any) -> Any:
    """Return the type without marks and without None."""
    return _unwrapped(annotation)[0]


def sql_type(annotation: Any) -> str:
    """Return the Spark SQL type of a row type's annotation; raise TypeError for one that has none."""
    bare, _, _ = _unwrapped(annotation)
    if bare in _SCALARS:
        return _SCALARS[bare]
    if get_origin(bare) is list:
        return f"ARRAY<{sql_type(get_args(bare)[0])}>"
    if get_origin(bare) is dict:
        key, value = get_args(bare)
        return f"MAP<{sql_type(key)},{sql_type(value)}>"
    if dataclasses.is_dataclass(bare):
        hints = typing.get_type_hints(bare, include_extras=True)
        return "STRUCT<" + ",".join(f"{name}:{sql_type(hint)}" for name, hint in hints.items()) + ">"
    msg = f"{annotation!r} has no SQL type; use str, int, float, bool, datetime, date, list, dict or a dataclass"
    raise TypeError(msg)


@dataclass(frozen=True, slots=True)
class Column:
    """One column as declared: its SQL type, whether it may be null, whether it is personal."""

    name: str
    sql: str
    nullable: bool
    personal: bool

    @property
    def scalar(self) -> bool:
        """Whether Delta keeps minimum and maximum for it; of true and false it keeps none."""
        return self.sql in _SCALARS.values() and self.sql != "BOOLEAN"


@dataclass(frozen=True, slots=True)
class Table:
    """A Delta table: name, row type and key. Its one owner declares it in the package's `tables`.

    A `merged` table changes by row: deletion vectors spare it the copying of files (docs/adr/0018).
    """

    name: str
    row: type
    keys: tuple[str, ...]
    merged: bool = False

    def columns(self) -> tuple[Column, ...]:
        """Return the columns in order."""
        return tuple(self._columns())

    def _columns(self) -> Iterator[Column]:
        for name, hint in typing.get_type_hints(self.row, include_extras=True).items():
            _, nullable, personal = _unwrapped(hint)
            yield Column(name, sql_type(hint), nullable, personal)

    def ddl(self) -> str:
        """Return the schema as Spark DDL, one string for `StructType.fromDDL`."""
        return ", ".join(f"{c.name} {c.sql}{'' if c.nullable else ' NOT NULL'}" for c in self.columns())

    def statistics(self) -> tuple[str, ...]:
        """Return the columns that the log may keep minimum and maximum of: scalar and not personal."""
        return tuple(c.name for c in self.columns() if c.scalar and not c.personal)[:_MAX_STATISTICS]

    def personal(self) -> tuple[str, ...]:
        """Return the columns that hold personal data."""
        return tuple(c.name for c in self.columns() if c.personal)

    def properties(self) -> dict[str, str]:
        """Return the Delta properties that keep people out of the log.

        Source: `docs/adr/0003-log-clean-delta.md`; the retention pair is the shortest that Delta accepts
        with a week of time travel.
        """
        return {
            "delta.dataSkippingStatsColumns": ",".join(self.statistics()),
            "delta.deletedFileRetentionDuration": "interval 7 days",
            "delta.logRetentionDuration": "interval 8 days",
            "delta.enableInCommitTimestamps": "true",
            **({"delta.enableDeletionVectors": "true"} if self.merged else {}),
        }

    def create_sql(self) -> str:
        """Return the definition as reviewed in the golden file: columns, marks and properties."""
        lines = [
            f"  {c.name} {c.sql}{'' if c.nullable else ' NOT NULL'}{' -- personal' if c.personal else ''}"
            for c in self.columns()
        ]
        properties = "\n".join(f"  {k} = {v}" for k, v in self.properties().items())
        return f"table {self.name} (key: {', '.join(self.keys)})\n" + "\n".join(lines) + f"\n{properties}\n"
