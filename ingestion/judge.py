"""Raw rows before their contract: which are broken and why, what is dropped or flagged, what must not be kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from ingestion import conform
from ingestion.check import Check
from ingestion.config import Source
from ingestion.contract import OnViolation
from ingestion.read import FAULTS
from ingestion.tracking.column import OUTCOME, PLAN

# What is told of the value where a row was not held to its contract: its reader, or the door, had found it broken.
WHOLE_ROW: Final = "row"
FAULT: Final = "struct<field:string,rule:string,value_class:string,reason:string,vital:boolean>"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one source are to be understood in one run; `columns` are those of the files, in order.

    Rows arrive with the run, unless `arrival` names the column that says when each of them did.
    """

    source: Source
    columns: tuple[str, ...]
    checks: tuple[Check, ...]
    natives: Mapping[str, str]
    zone: str
    jurisdiction: str | None
    received_at: datetime
    arrival: str | None = None

    def arrived(self) -> Column:
        """Return when a row arrived, which is its time where it tells none of its own."""
        return f.lit(self.received_at) if self.arrival is None else f.col(self.arrival)

    def day(self, name: str) -> Column | None:
        """Return a source column as the day that it means, null where it means none; None for what is no date."""
        return f.col(f"d{self.columns.index(name)}") if name in self.source.dates() else None

    def raw(self, name: str) -> Column:
        """Return a source column as it was read."""
        return f.col(f"r{self.columns.index(name)}")

    def clean(self, name: str) -> Column:
        """Return a source column trimmed, null where empty."""
        return f.col(f"c{self.columns.index(name)}")

    def value(self, name: str) -> conform.Value:
        """Return a source column trimmed and, where its type vouches for it, itself."""
        kind = self.natives.get(name, "")
        return conform.Value(self.clean(name), f.col(f"n{self.columns.index(name)}") if kind else None, kind)

    def dropped(self, front: str) -> dict[str, Column]:
        """Return whether a row's value was dropped, for each column under a path such as `properties.`."""
        names = {c.column for c in self.checks if c.action == "drop_field" and c.column.startswith(front)}
        return {name: f.col(f"x{self.columns.index(name)}").isNotNull() for name in sorted(names)}

    def told(self, name: str | None) -> Column:
        """Return what a mapping names: a column, a constant after `=`, or nothing."""
        if name is None:
            return f.lit(None).cast("string")
        return f.lit(name[1:]) if name.startswith("=") else self.clean(name)


def judged(frame: DataFrame, reading: Reading) -> DataFrame:
    """Return the rows with their first fault (`broken`), and with softer faults dropped or flagged in `notes`.

    What was flagged is in `flags`, too. The twin of `ingestion.check.judgement`.
    """
    source = reading.source
    values = {c.column: reading.value(c.column) for c in reading.checks}
    stern, drops, flags = (
        conform.faults([c for c in reading.checks if c.action == action], values, reading.zone)
        for action in get_args(OnViolation)
    )
    planned = f.from_json(reading.raw(PLAN), OUTCOME) if PLAN in reading.columns else None
    broken = f.coalesce(_unreadable(), *stern.values(), *([] if planned is None else [planned["fault"]]))
    gone = f.coalesce(*(_raised(reading, *said) for said in source.deleted.items()), f.lit(False))
    if source.deleted:
        # Of a row that is gone only the key still counts, and only what is said of people can be taken back.
        own = [fault for name, fault in stern.items() if name in source.key]
        refused = [] if source.record == "person" else [_deletion()]
        broken = f.when(gone, f.coalesce(_unreadable(), *own, *refused)).otherwise(broken)
    dropping = {f"x{reading.columns.index(name)}": fault for name, fault in drops.items()}
    flagging = {f"y{reading.columns.index(name)}": fault for name, fault in flags.items()}
    marked = frame.withColumns({"gone": gone, "broken": broken, **dropping, **flagging})
    flagged = _notes(zip(flags, flagging, strict=True))
    notes = f.concat(_notes(zip(drops, dropping, strict=True)), flagged)
    if planned is not None:
        counted = f.when(f.col("broken").isNotNull(), planned["counted"]).otherwise(planned["notes"])
        notes = f.concat(notes, _texts(counted))
        flagged = f.concat(flagged, _texts(planned["flags"]))
    gate = f.lower(reading.clean(source.consent_gate)) if source.consent_gate else f.lit(None).cast("string")
    made = {
        "notes": notes,
        "flags": flagged,
        "gated": f.coalesce(gate.isin("false", "no", "0", "f", "n") & ~f.col("gone"), f.lit(False)),
        "payload": _payload(reading),
    }
    for mark, name in zip(dropping, drops, strict=True):
        # What the file's own type vouches for goes with its text.
        for kept in (f"{letter}{mark[1:]}" for letter in ("cn" if name in reading.natives else "c")):
            made[kept] = f.when(f.col(mark).isNull(), f.col(kept))
    return marked.withColumns(made)


def _texts(listed: Column) -> Column:
    return f.coalesce(listed, f.array().cast("array<string>"))


def _notes(marks: Iterable[tuple[str, str]]) -> Column:
    """Return what is told of values of accepted rows: the field and the rule that each broke."""
    taken_in = f.col("broken").isNull() & ~f.col("gone")
    notes = [f.when(taken_in, f.concat(f.lit(f"field {name}: "), f.col(f"{mark}.rule"))) for name, mark in marks]
    return f.array_compact(f.array(*notes, f.lit(None).cast("string")))


def _raised(reading: Reading, column: str, values: Sequence[str]) -> Column:
    return f.lower(reading.clean(column)).isin(*(value.lower() for value in values))


def _deletion() -> Column:
    """Return the fault of a row that takes back what cannot be taken back."""
    reason = "only records of people can be deleted; what happened stays, and a correction comes under its key"
    return f.struct(
        f.lit(None).cast("string").alias("field"),
        f.lit("deletion").alias("rule"),
        f.lit("row").alias("value_class"),
        f.lit(reason).alias("reason"),
        f.lit(True).alias("vital"),
    ).cast(FAULT)


def _unreadable() -> Column:
    """Return the fault of a row that its reader could not take apart."""
    reasons = f.create_map(*(f.lit(word) for pair in FAULTS.items() for word in pair))
    rule, field = (f.split_part("fault", f.lit(" "), f.lit(part)) for part in (1, 2))
    told = f.struct(
        f.nullif(field, f.lit("")).alias("field"),
        rule.alias("rule"),
        f.lit(WHOLE_ROW).alias("value_class"),
        reasons[rule].alias("reason"),
        f.lit(True).alias("vital"),
    )
    return f.when(f.col("fault").isNotNull(), told).cast(FAULT)


def _payload(reading: Reading) -> Column:
    """Return a rejected row as JSON, whole, so that it can be mended; null for the rest."""
    whole = f.to_json(f.struct(*(reading.raw(n).alias(n) for n in reading.columns)), {"ignoreNullFields": "false"})
    # Consents may turn out to contradict an earlier one only later: their rows keep the payload until then. Where
    # personal data is watched for, every row is looked at whole; so is one that may refer to nothing.
    source = reading.source
    whole_rows = source.record == "consent" or source.on_personal_data is not None or bool(source.expect.reference)
    wanted = f.lit(True) if whole_rows else f.col("broken").isNotNull()
    return f.when(wanted, f.coalesce("payload", whole))
